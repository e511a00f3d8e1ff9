//! The one binary. Decides who parses the command line, runs the verb, and turns what became of it into an exit code.
//!
//! `run` and `engine` take a short way: their command line is parsed without building the tree of all the other verbs,
//! because a container waits for what they start.
#![deny(unsafe_code)]

mod adoption;
mod args;
mod client;
mod compare;
mod definition;
mod failure;
mod files;
mod follow;
mod form;
mod host;
mod moment;
mod nssm;
mod paint;
mod progress;
mod said;
mod stack;
mod story;
mod svg;
mod timeline;
mod ui;
mod verb;
mod watch;
mod words;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use args::{Aplomb, EngineAlone, RunAlone, Shared};
use failure::{Exit, Failure};
use host::endpoint::Endpoint;
use ui::{Form, Ui};
use verb::{Context, Verb};

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().collect();
    if let Some(done) = host::errand(&args) {
        return ended(done, &mut Ui::new(Form::People, ui::Colour::Auto));
    }
    if let Some(nssm) = verb::nssm::of(&args) {
        return carried(Verb::Nssm(nssm), &Shared::default(), &[]);
    }
    let (shared, verb, words) = match args.get(1).and_then(|first| first.to_str()) {
        Some("run") => {
            let alone: RunAlone = parse(&args[1..]);
            (alone.shared, Verb::Run(alone.run), &[][..])
        }
        Some("engine") => {
            let alone: EngineAlone = parse(&args[1..]);
            (alone.shared, Verb::Engine(alone.engine), &[][..])
        }
        Some(_) | None => {
            let all: Aplomb = parse(&args);
            (all.shared, all.verb, args.get(2..).unwrap_or_default())
        }
    };
    carried(verb, &shared, words)
}

/// Carries the verb out; what came of it as an exit code. Among the words are the names of services, if any.
fn carried(verb: Verb, shared: &Shared, words: &[OsString]) -> ExitCode {
    let mut context = context(shared, words);
    let done = verb.run(&mut context);
    ended(done, &mut context.ui)
}

fn ended(done: Result<u8, Failure>, ui: &mut Ui) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Parses, or ends the program as clap would, except that a full disk is a failure and a closed pipe is none.
fn parse<T: Parser>(args: &[OsString]) -> T {
    let error = match T::try_parse_from(args) {
        Ok(parsed) => return parsed,
        Err(error) => error,
    };
    let code = match error.print() {
        Ok(()) => u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()),
        Err(printing) => {
            let failure = Failure::writing(&printing);
            Ui::new(Form::People, ui::Colour::Auto).failure(&failure);
            failure.exit.code()
        }
    };
    std::process::exit(i32::from(code))
}

fn context(shared: &Shared, words: &[OsString]) -> Context {
    let form = if shared.json {
        Form::Json
    } else {
        Form::People
    };
    let named = shared.socket.clone().or_else(named_by_environment);
    let endpoint = Endpoint::resolve(named.as_deref());
    let endpoint = match &named {
        Some(_) => endpoint,
        None => endpoint.or_of_service(words),
    };
    Context {
        ui: Ui::new(form, shared.colour()),
        endpoint,
        endpoint_named: named.is_some(),
    }
}

fn named_by_environment() -> Option<PathBuf> {
    let named = env::var_os("APLOMB_SOCKET")?;
    (!named.is_empty()).then(|| named.into())
}
