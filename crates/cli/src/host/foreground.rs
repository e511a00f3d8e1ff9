//! Hosting the engine in this process: for `aplomb engine`, and for `aplomb run`, also as PID 1 of a container.
//!
//! The platform is taken over before anything else runs here, because it must be the first to hear signals.

use std::path::{Path, PathBuf};

use aplomb_core::Spec;
use aplomb_engine::{Ending, Engine, EngineError, Explainer, Machine, Options};
use aplomb_platform::Native;

use super::directories::{self, Owner};
use super::endpoint::Endpoint;
use super::of_system::keeping::{self, Side};
use super::of_system::session;
use crate::args::EngineArgs;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::ui::Ui;

/// `aplomb engine`: carries services until it is shut down.
pub(crate) fn engine(args: &EngineArgs, endpoint: &Endpoint, ui: &mut Ui) -> Result<u8, Failure> {
    if let Some(answer) = keeping::asked(ui) {
        return answer;
    }
    if args.detached {
        session::leave();
    }
    endpoint.prepare()?;
    prepare_directories()?;
    let owner = Owner::current();
    let state = args.state_dir.clone().unwrap_or_else(|| owner.state());
    let beginning = match keeping::begin(Some(&state), ui)? {
        Side::Keeper(code) => return Ok(code),
        Side::Engine(beginning) => *beginning,
    };
    let options = Options {
        socket: Some(text(&endpoint.path)?),
        state_directory: beginning.directory,
        log_directory: args.log_dir.clone().unwrap_or_else(|| owner.logs()),
        sequential: args.sequential,
        explainer: explainer(state.join("why")),
        ..quiet()
    };
    let mut engine = Engine::new(beginning.platform, Machine, options)?;
    let found = engine.take_over(beginning.inheritance, Vec::new());
    // Who goes on in a dead engine's place goes on with its definitions, and reads nothing anew.
    let files = if found && beginning.succeeds {
        Vec::new()
    } else {
        files::at_boot(&args.load)?
    };
    if !files.is_empty() {
        for left_out in engine.load_and_start(&files) {
            ui.note(&left_out);
        }
    }
    Ok(code(&engine.run()?))
}

/// `aplomb run`: one service without a file; ends with its exit code. As process 1 it is kept: a container must not end
/// for a fault of ours.
pub(crate) fn run(spec: Spec, endpoint: Option<&Endpoint>, ui: &mut Ui) -> Result<u8, Failure> {
    if let Some(answer) = keeping::asked(ui) {
        return answer;
    }
    let socket = match endpoint {
        Some(endpoint) => {
            endpoint.prepare()?;
            Some(text(&endpoint.path)?)
        }
        None => None,
    };
    let options = Options {
        socket,
        end_when_down: true,
        forward_signals: true,
        ..quiet()
    };
    let name = spec.name.clone();
    let ending = if std::process::id() == 1 {
        let beginning = match keeping::begin(None, ui)? {
            Side::Keeper(code) => return Ok(code),
            Side::Engine(beginning) => *beginning,
        };
        let mut engine = Engine::new(beginning.platform, Machine, options)?;
        if !engine.take_over(beginning.inheritance, vec![spec.clone()]) {
            engine.adopt_specs(vec![spec]);
        }
        engine.run()?
    } else {
        let mut engine = Engine::new(take_over()?, Machine, options)?;
        engine.adopt_specs(vec![spec]);
        engine.run()?
    };
    match &ending.failed {
        Some(because) if ending.code == NOT_RUN => {
            Err(Failure::failed(format!("`{name}` could not be run")).because(because))
        }
        Some(_) | None => Ok(code(&ending)),
    }
}

/// What the engine ends with where a service failed that never had an exit code.
const NOT_RUN: u32 = 1;

/// An engine nobody can reach and that remembers nothing.
fn quiet() -> Options {
    Options {
        socket: None,
        state_directory: None,
        log_directory: Owner::current().logs(),
        sequential: false,
        end_when_down: false,
        forward_signals: false,
        // Nothing outlives it: whoever asks asks it.
        explainer: explainer(
            std::env::temp_dir().join(format!("aplomb-why-{}", std::process::id())),
        ),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// We ourselves look why a run hangs, in a process of its own. On Windows nobody does yet.
fn explainer(directory: PathBuf) -> Option<Explainer> {
    let program = std::env::current_exe().ok()?.to_str()?.to_owned();
    cfg!(unix).then_some(Explainer { program, directory })
}

/// What lies below our own directories is executed as us: nobody else may have made them.
pub(crate) fn prepare_directories() -> Result<(), Failure> {
    directories::prepare().map_err(|why| {
        let what = "cannot use the directory of definitions, logs and state";
        Failure::failed(what).because(why)
    })
}

fn take_over() -> Result<Native, Failure> {
    Native::new().map_err(|why| {
        Failure::failed("cannot prepare this process for carrying services").because(why)
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    let refused = || Failure::usage(format!("the path `{}` is not UTF-8", path.display()));
    path.to_str().map(str::to_owned).ok_or_else(refused)
}

/// Codes above 255 do not exist here.
fn code(ending: &Ending) -> u8 {
    u8::try_from(ending.code).unwrap_or(u8::MAX)
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let failure = Failure::new(Exit::Failed, error.to_string());
        match error {
            EngineError::StateInUse { .. } => {
                failure.action("use that engine, or name another directory with `--state-dir DIR`")
            }
            EngineError::EndpointInUse { .. } => {
                failure.action("use that engine, or name another place with `--socket PATH`")
            }
            EngineError::StateDirectory { source, .. } => failure
                .because(source)
                .action("name a directory that can be written with `--state-dir DIR`"),
            EngineError::Endpoint { source, .. } => failure
                .because(source)
                .action("name another place with `--socket PATH`"),
            EngineError::Pump { source } | EngineError::Wait { source } => failure.because(source),
        }
    }
}
