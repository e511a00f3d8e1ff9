//! Our own process under the service control manager: one service, carried by an engine of its own.
//!
//! The manager is answered before anything is read, hears of every change at once, and every two seconds while something
//! is under way. What it wants comes to the engine as any event does. A service that was ended by force says so in its
//! exit code; only one that failed by itself counts as a failure, so that recovery never undoes an operator's stop.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use aplomb_core::spec::StartMode;
use aplomb_core::{Instant, Spec};
use aplomb_engine::{Ending, Engine, Host, Machine, Options, Overview, Stage, StateDirectory};
use aplomb_platform::Native;
use aplomb_platform::windows::service::{Report, Service, ServiceOutcome, ServiceState};
use aplomb_units::nssm;

use super::directories::Owner;
use super::endpoint::Endpoint;
use crate::adoption::{AdoptionError, meaning, read_key};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::host::foreground::prepare_directories;
use crate::host::pace::{Pace, Word};
use crate::host::scm;
use crate::paint::Paint;

/// The manager's code where a service has no definition that can be carried out; NSSM's number for the same.
const NO_DEFINITION: u32 = 2;
/// The manager's code where the engine itself could not begin or go on.
const NO_ENGINE: u32 = 4;

/// The word by which the manager starts us: `aplomb service NAME [FILE…]`.
pub(crate) const VERB: &str = "service";

/// The work of `aplomb service NAME [FILE…]`: without files the definition is the installed one.
pub(crate) fn run(words: &[OsString]) -> Result<u8, Failure> {
    let [name, files @ ..] = words else {
        return Err(Failure::usage("no service is named").action("aplomb service NAME [FILE…]"));
    };
    let name = name
        .to_str()
        .ok_or_else(|| Failure::usage("the service's name is no text"))?;
    serve(name, |name, words| defined(name, files, words))
}

/// The work of `aplomb nssm` without words, and of a program called `nssm`, where the manager starts it: the service is
/// whichever the manager means, and its definition what NSSM's values in the registry say. `None` where it was a person.
pub(crate) fn run_of_registry() -> Option<Result<u8, Failure>> {
    // A service with a process of its own needs no name before the manager tells it.
    match serve("", |name, _| of_registry(name)) {
        Err(failure) if failure.exit == Exit::Usage => None,
        done => Some(done),
    }
}

/// What the values of the service say now. The manager has seen to account and order before it started us.
fn of_registry(name: &str) -> Result<Vec<Spec>, Failure> {
    let (service, key) = read_key(&scm::open()?, name)?;
    if !nssm::has_program(&key) {
        return Err(AdoptionError::Foreign { service }.into());
    }
    let mut spec = meaning(&service, &key).0;
    spec.depends = Default::default();
    spec.process.user = None;
    spec.start_mode = StartMode::Auto;
    Ok(vec![spec])
}

/// What the files, or the installed one, say; with the words of the start after the program's own.
fn defined(name: &str, files: &[OsString], words: &[String]) -> Result<Vec<Spec>, Failure> {
    let mut paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    if paths.is_empty() {
        let file = format!("{}.toml", aplomb_logs::stem(name));
        paths.push(Owner::current().units().join(file));
    }
    let sources: Result<Vec<_>, Failure> = files::expand(&paths)?
        .iter()
        .map(|path| files::source(path))
        .collect();
    let read = files::check(sources?, false);
    if read.is_refused() {
        let mut failure = Failure::failed(format!("`{name}` cannot run like this"));
        failure.diagnostics = read.rendered(Paint::Plain);
        return Err(failure);
    }
    let mut specs: Vec<Spec> = read.loaded.into_iter().map(|one| one.spec).collect();
    for spec in &mut specs {
        // The manager has begun this process as that account; its programs are born as it.
        spec.process.user = None;
    }
    if let [spec] = specs.as_mut_slice()
        && let Some(command) = spec.start.last_mut()
    {
        command.args.extend(words.iter().cloned());
    }
    Ok(specs)
}

/// Serves the manager as the service `asked`, which `define` tells what it is; given are the name the manager has for it
/// and the words of its start.
///
/// # Errors
/// The manager did not start this process.
pub(crate) fn serve(
    asked: &str,
    define: impl FnOnce(&str, &[String]) -> Result<Vec<Spec>, Failure>,
) -> Result<u8, Failure> {
    let platform = Native::new().map_err(|why| {
        Failure::failed("cannot prepare this process for carrying services").because(why)
    })?;
    let line = platform.serve(asked).map_err(|why| {
        Failure::usage("this is for the service control manager")
            .because(why)
            .action(format!("sc start \"{asked}\""))
    })?;
    let told = line.words.first().cloned();
    let name = told.as_deref().unwrap_or(asked);
    let words = line.words.get(1..).unwrap_or_default();
    let specs = match prepare_directories().and_then(|()| define(name, words)) {
        Ok(specs) => specs,
        Err(failure) => return Ok(give_up(line, name, NO_DEFINITION, &failure)),
    };
    let mut reporter = Reporter {
        line,
        pace: Pace::default(),
    };
    match carry(platform, name, specs, &mut reporter) {
        Ok(ending) => {
            if let Some(why) = &ending.failed {
                last_words(name, why);
            }
            reporter.line.stopped(outcome(&ending));
            Ok(Exit::Done.code())
        }
        Err(failure) => Ok(give_up(reporter.line, name, NO_ENGINE, &failure)),
    }
}

fn carry(
    platform: Native,
    name: &str,
    specs: Vec<Spec>,
    reporter: &mut Reporter,
) -> Result<Ending, Failure> {
    let owner = Owner::current();
    let state = owner.state().join(aplomb_logs::stem(name));
    let options = Options {
        socket: Some(Endpoint::of_service(name).path.display().to_string()),
        state_directory: Some(StateDirectory::claim(&state)?),
        log_directory: owner.logs(),
        sequential: false,
        end_when_down: true,
        forward_signals: false,
        explainer: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut engine = Engine::new(platform, Machine, options)?;
    engine.adopt_specs(specs);
    Ok(engine.run_for(reporter)?)
}

fn outcome(ending: &Ending) -> ServiceOutcome {
    if ending.failed.is_some() {
        ServiceOutcome::Failed(ending.code.max(1))
    } else {
        ServiceOutcome::Fine(ending.code)
    }
}

/// The line to the manager, used as the pace says.
#[derive(Debug)]
struct Reporter {
    line: Service,
    pace: Pace,
}

impl Host for Reporter {
    fn see(&mut self, overview: Overview, now: Instant) {
        let Some(Word {
            stage,
            checkpoint,
            hint,
        }) = self.pace.look(overview, now)
        else {
            return;
        };
        let report = Report {
            state: match stage {
                Stage::Starting => ServiceState::StartPending,
                Stage::Running => ServiceState::Running,
                Stage::Pausing => ServiceState::PausePending,
                Stage::Paused => ServiceState::Paused,
                Stage::Continuing => ServiceState::ContinuePending,
                Stage::Stopping => ServiceState::StopPending,
            },
            checkpoint,
            hint,
            outcome: ServiceOutcome::Fine(0),
        };
        // A manager that is gone hears nothing; the services are carried on.
        let _ = self.line.report(&report);
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.pace.wakes_at()
    }
}

/// Nobody sees what a service says to standard error: the words go into a file beside the logs, and the code to the
/// manager.
fn give_up(line: Service, name: &str, code: u32, failure: &Failure) -> u8 {
    last_words(name, &words_of(failure));
    line.stopped(ServiceOutcome::Failed(code));
    Exit::Failed.code()
}

fn words_of(failure: &Failure) -> String {
    let diagnostics = failure.diagnostics.iter().map(String::as_str);
    let sentence = failure.sentence();
    let all = [sentence.as_str()].into_iter().chain(diagnostics);
    all.collect::<Vec<_>>().join("\n")
}

fn last_words(name: &str, words: &str) {
    let file = words_file(name);
    if let Some(directory) = file.parent() {
        // What cannot be written is lost; the code says that something was wrong.
        let _ = fs::create_dir_all(directory);
    }
    let _ = fs::write(file, format!("{words}\n"));
}

/// Where the last words of a service's host are.
fn words_file(name: &str) -> PathBuf {
    let stem = aplomb_logs::stem(name);
    Owner::current().logs().join(format!("{stem}.host.err"))
}
