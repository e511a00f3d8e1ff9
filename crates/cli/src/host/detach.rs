//! Starting an engine that outlives the terminal: a child in a session of its own. Its standard error goes to a file,
//! so that its last words can be told when it ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Exit, Failure};

use super::endpoint::{Endpoint, EndpointError, Stream};
use super::of_system::session;

/// How long a new engine may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);
/// A process closes its connections a little before it is gone.
const FAREWELL: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);

/// An engine we started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) stream: Stream,
    pub(crate) child: Child,
}

/// Why no engine could be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DetachError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("cannot start an engine in the background")]
    Spawn { source: io::Error },
    #[error("the engine ended as soon as it was started ({status})")]
    Ended { status: ExitStatus, words: String },
    #[error("the engine was started, but does not listen after {} s", PATIENCE.as_secs())]
    Silent { words: String },
}

impl From<DetachError> for Failure {
    fn from(error: DetachError) -> Failure {
        let failure = Failure::new(Exit::Unreachable, error.to_string());
        match error {
            DetachError::Endpoint(error) => error.into(),
            DetachError::Spawn { source } => failure.because(source),
            DetachError::Ended { words, .. } | DetachError::Silent { words } => {
                if words.is_empty() {
                    failure
                } else {
                    failure.because(words)
                }
            }
        }
    }
}

/// Starts `aplomb engine` with these arguments and waits until it listens at the endpoint.
pub(crate) fn start_engine(endpoint: &Endpoint, args: &[OsString]) -> Result<Started, DetachError> {
    endpoint.prepare()?;
    let words = endpoint.words();
    let mut child =
        spawn(endpoint, args, &words).map_err(|source| DetachError::Spawn { source })?;
    let begun = Instant::now();
    loop {
        match endpoint.connect() {
            Ok(stream) => {
                return Ok(Started { stream, child });
            }
            Err(EndpointError::NobodyThere { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if let Ok(Some(status)) = child.try_wait() {
            let words = last_words(&words);
            return Err(DetachError::Ended { status, words });
        }
        if begun.elapsed() > PATIENCE {
            let words = last_words(&words);
            return Err(DetachError::Silent { words });
        }
        thread::sleep(PAUSE);
    }
}

/// How an engine that has just gone ended; `None` if it lives on.
pub(crate) fn how_it_ended(child: &mut Child) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if begun.elapsed() < FAREWELL => thread::sleep(PAUSE),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// The last three lines of what an engine said.
pub(crate) fn last_words(file: &PathBuf) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("\n")
}

fn spawn(endpoint: &Endpoint, args: &[OsString], words: &PathBuf) -> io::Result<Child> {
    let mut engine = Command::new(std::env::current_exe()?);
    session::apart(&mut engine);
    engine
        .arg("engine")
        .arg("--detached")
        .arg("--socket")
        .arg(&endpoint.path)
        .args(args)
        .current_dir(session::safe_directory())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(words)?)
        .spawn()
}
