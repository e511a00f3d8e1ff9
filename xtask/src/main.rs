//! The project's own chores: every verb here is one job of continuous integration.
//!
//! Nothing but the standard library, so that `cargo xtask` starts at once on a fresh clone.
//! What a verb needs from the system it installs itself, or says what to install.

mod bench;
mod corpus;
#[cfg(test)]
mod house;
mod lifecycle;
mod nssm_oracle;
mod oracle;
mod soak;
mod wine;

use std::env;
use std::process::{Command, ExitCode};

/// One chore: its name, what it is for, and the steps it runs.
struct Verb {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<(), String>,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "fmt",
        about: "check the formatting",
        run: fmt,
    },
    Verb {
        name: "lint",
        about: "clippy over everything, warnings are errors",
        run: lint,
    },
    Verb {
        name: "unit",
        about: "unit, story, contract and end-to-end tests",
        run: unit,
    },
    Verb {
        name: "corpus",
        about: "read the units of real Debian packages (downloads them)",
        run: corpus::run,
    },
    Verb {
        name: "oracle",
        about: "compare our reading of units with systemd's own, write docs/systemd-keys.md",
        run: oracle::run,
    },
    Verb {
        name: "wine-oracle",
        about: "tell the real NSSM and ours the same, under Wine (fetches NSSM)",
        run: nssm_oracle::run,
    },
    Verb {
        name: "lifecycle",
        about: "the published library: other backends, orders of threads, public names",
        run: lifecycle::run,
    },
    Verb {
        name: "soak",
        about: "an engine killed every few seconds (--minutes N): nothing is lost, nothing is left",
        run: soak::run,
    },
    Verb {
        name: "bench",
        about: "measure Aplomb beside its peers (minutes; fetches them)",
        run: bench::run,
    },
    Verb {
        name: "wine",
        about: "the tests of Windows under Wine (installs it); further words are filters",
        run: wine::run,
    },
    Verb {
        name: "test",
        about: "fmt, lint, unit: what continuous integration runs",
        run: test,
    },
];

fn main() -> ExitCode {
    let wanted = env::args().nth(1).unwrap_or_default();
    let Some(verb) = VERBS.iter().find(|verb| verb.name == wanted) else {
        eprintln!("usage: cargo xtask VERB\n");
        for verb in VERBS {
            eprintln!("  {:11} {}", verb.name, verb.about);
        }
        return ExitCode::from(2);
    };
    match (verb.run)() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask {}: {why}", verb.name);
            ExitCode::FAILURE
        }
    }
}

fn test() -> Result<(), String> {
    fmt()?;
    lint()?;
    unit()
}

fn fmt() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])
}

fn lint() -> Result<(), String> {
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ])
}

fn unit() -> Result<(), String> {
    cargo(&["test", "--workspace", "--locked"])
}

/// Runs cargo with `args`; its output goes straight through.
fn cargo(args: &[&str]) -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(args)
        .status()
        .map_err(|why| format!("cannot run cargo: {why}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo {}` failed", args.join(" ")))
    }
}
