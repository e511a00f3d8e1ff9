//! Whole processes: this program starts itself as a victim (`victim.rs`), sends it what an operator would, and looks at
//! exit code, report and output from outside. With `VICTIM` set it *is* the victim, with a `main` as users write it.
//!
//! Stories wait for lines and exits, never for a time to pass; the deadlines in `process.rs` only bound a failure.

#![expect(clippy::unwrap_used, reason = "a test: whatever is missing ends it")]

mod frames;
mod http2;
mod load;
#[cfg(unix)]
mod platform;
mod process;
#[cfg(unix)]
mod quota;
mod stories;
mod streams;
#[cfg(windows)]
mod sys;
mod under_load;
mod victim;
#[cfg(windows)]
mod windows;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(mode) = std::env::var_os("VICTIM") {
        return victim::run(&mode.to_string_lossy());
    }
    #[cfg(windows)]
    // A service gets arguments from the service control manager, but not our environment.
    if let Some(words) =
        std::env::args().find_map(|word| word.strip_prefix("--service=").map(str::to_owned))
    {
        return victim::service::run(&words);
    }
    let mut trials: Vec<Trial> = Vec::new();
    for (name, story) in stories::all() {
        trials.push(Trial::test(name, move || {
            story();
            Ok(())
        }));
    }
    #[cfg(unix)]
    trials.extend(platform::all());
    #[cfg(windows)]
    trials.extend(windows::all());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
