//! Measures Aplomb beside its peers and the physical limit, in one run on one machine.
//!
//! `cargo xtask bench all` calls it. README.md tells the method; its tables are written from here.
//! No figure is asserted anywhere: a benchmark that fails on a busy machine teaches nobody anything.

mod board;
mod check;
mod figures;
mod files;
mod group;
mod launch;
mod lines;
mod log;
mod obtain;
mod options;
mod peers;
mod probe;
mod process;
mod report;
mod statistics;
mod supervise;
mod trouble;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use figures::{CHILDREN_ALONE, Sheet};
use launch::Yard;
use obtain::{Shop, Tools};
use options::{Options, USAGE, Verb, Write};
use peers::{PEERS, Peer, is_raw};
use report::Part;
use trouble::{Outcome, Trouble};

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprint!("bench: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<()> {
    raise_file_limit();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = home.join("../target");
    let aplomb = match &options.aplomb {
        Some(path) => path.clone(),
        None => target.join("release/aplomb"),
    };
    let aplomb = fs::canonicalize(&aplomb).unwrap_or(aplomb);
    let yard = Yard::create(&fs::canonicalize(&options.directory)?)?;
    probe::build(&home.join("probe"), &yard.probes)?;
    let shop_directory = target.join("bench/peers");
    fs::create_dir_all(&shop_directory).map_err(|why| Trouble::at(&shop_directory, why))?;
    let shop_directory = fs::canonicalize(&shop_directory)?;
    let mut gathered = Sheet::default();
    let peers = gather(&Shop::new(&shop_directory, &aplomb), options, &mut gathered);
    let mut parts = Vec::new();
    if options.verb.includes(Verb::Supervise) {
        let mut sheet = gathered.clone();
        supervise::measure(&peers, &yard, options, &mut sheet);
        let rows: Vec<_> = peers.iter().map(|(peer, _)| peer.name).collect();
        sheet.derive_memory(&rows, options.count);
        parts.push((report::supervise(options), sheet));
    }
    if options.verb.includes(Verb::Log) {
        let mut sheet = gathered.clone();
        log::measure(&peers, &yard, options, &mut sheet);
        parts.push((report::log(options), sheet));
    }
    if options.verb.includes(Verb::Check) {
        let mut sheet = gathered.of(&["aplomb"]);
        if let Some((_, tools)) = peers.iter().find(|(peer, _)| peer.name == "aplomb") {
            check::measure(tools, &yard, options, &mut sheet);
        }
        parts.push((report::check(), sheet));
    }
    publish(&parts, options, &home.join("README.md"))
}

/// A thousand children with a pipe each need more than the usual 1,024 open files; everybody inherits this.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Up to the hard limit is always allowed.
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Those wanted and to be had; who cannot be had is noted with the reason.
fn gather(shop: &Shop, options: &Options, sheet: &mut Sheet) -> Vec<(&'static Peer, Tools)> {
    let mut found = Vec::new();
    for peer in PEERS {
        let always = is_raw(peer.name) || peer.name == CHILDREN_ALONE;
        if !always && !options.wants(peer.name) {
            continue;
        }
        match (peer.obtain)(shop) {
            Ok(tools) => {
                if !always {
                    sheet.versions.push((peer.name, tools.version.clone()));
                }
                found.push((peer, tools));
            }
            Err(trouble) => sheet.note(peer.name, trouble.to_string()),
        }
    }
    found
}

fn publish(parts: &[(Part, Sheet)], options: &Options, readme: &PathBuf) -> Outcome<()> {
    let command = format!(
        "cargo xtask bench {}",
        env::args().skip(1).collect::<Vec<_>>().join(" ")
    );
    let mut document = fs::read_to_string(readme).map_err(|why| Trouble::at(readme, why))?;
    for (part, sheet) in parts {
        let text = report::render(part, sheet, &command);
        println!("\n## {}\n\n{text}", part.name);
        document = report::insert(&document, part.name, &text).map_err(Trouble::Unavailable)?;
    }
    if options.write == Write::Readme {
        fs::write(readme, document).map_err(|why| Trouble::at(readme, why))?;
    }
    Ok(())
}
