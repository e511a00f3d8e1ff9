//! Measures our reading of systemd's units: against the units of real packages, and against systemd itself.
//!
//! Not a test, as both need what a test may not: packages from the network, and Debian's own systemd. `cargo xtask
//! corpus` and `cargo xtask oracle` fetch these and call this. Nothing of systemd's or of the packages is kept here.

mod corpus;
mod document;
mod machine;
mod oracle;
mod probes;
mod properties;
mod tools;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["corpus", directory] => corpus::survey(directory),
        ["gather", from, to] => match oracle::gather(from, to) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("cannot gather units: {why}");
                ExitCode::FAILURE
            }
        },
        ["oracle", units, shown, document] => oracle::compare(units, shown, document),
        _ => {
            eprintln!(
                "usage: conformance corpus DIRECTORY | gather FROM TO | oracle UNITS SHOWN DOCUMENT"
            );
            ExitCode::from(2)
        }
    }
}
