//! Where the engine listens, and how to get there: a named pipe.
//!
//! The engine's pipe lets in its own user, administrators and the system; the client trusts no pipe of anybody else, so
//! that nobody can stand in for an engine that does not run.

use std::env;
use std::ffi::OsString;
use std::io;
use std::net::Shutdown;
use std::path::{Path, PathBuf};

use aplomb_platform::windows::client::{self, PipeStream};

use crate::failure::{Exit, Failure};

/// Where all pipes are.
const PIPES: &str = r"\\.\pipe\";

/// A connection to the engine.
#[derive(Debug)]
pub(crate) struct Stream(PipeStream);

impl Stream {
    pub(crate) fn try_clone(&self) -> io::Result<Stream> {
        self.0.try_clone().map(Stream)
    }

    /// Both ways end; a pipe has no half of it.
    pub(crate) fn shutdown(&self, _how: Shutdown) -> io::Result<()> {
        self.0.shutdown();
        Ok(())
    }
}

impl io::Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) path: PathBuf,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("no engine listens at `{}`", path.display())]
    NobodyThere { path: PathBuf, source: io::Error },
    #[error("the pipe `{}` belongs to somebody else", path.display())]
    NotPermitted { path: PathBuf, source: io::Error },
    #[error("cannot use `{}`", path.display())]
    Other { path: PathBuf, source: io::Error },
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Failure {
        let failure = Failure::new(Exit::Unreachable, error.to_string());
        match error {
            EndpointError::NobodyThere { .. } => {
                failure.action("`aplomb up FILE…` starts one; `--socket PATH` names another place")
            }
            EndpointError::NotPermitted { source, .. } => failure
                .because(source)
                .action("run it as the user the engine runs as, or as administrator"),
            EndpointError::Other { source, .. } => failure.because(source),
        }
    }
}

impl Endpoint {
    /// The one the operator named, else the usual one: the machine's for who has an administrator's full rights, the
    /// user's own for others. A path stands for the pipe of that name.
    pub(crate) fn resolve(named: Option<&Path>) -> Endpoint {
        let path = match named {
            Some(named) => pipe_of(named),
            None => client::usual_pipe().unwrap_or_else(|_| format!("{PIPES}aplomb-control")),
        };
        Endpoint { path: path.into() }
    }

    /// That of the process that carries this one service for the service control manager.
    pub(crate) fn of_service(name: &str) -> Endpoint {
        let stem = aplomb_logs::stem(name);
        Endpoint {
            path: format!("{PIPES}aplomb-service-{stem}").into(),
        }
    }

    /// Where nobody listens here: the process that carries a service named among these words, if there is one.
    pub(crate) fn or_of_service(self, words: &[OsString]) -> Endpoint {
        if words.is_empty() || !matches!(self.connect(), Err(EndpointError::NobodyThere { .. })) {
            return self;
        }
        let names = words.iter().filter_map(|word| word.to_str());
        let mut carriers = names
            .filter(|word| !word.starts_with('-'))
            .map(Endpoint::of_service);
        carriers.find(|one| one.connect().is_ok()).unwrap_or(self)
    }

    /// A connection, at once or not at all.
    pub(crate) fn connect(&self) -> Result<Stream, EndpointError> {
        let path = self.path.clone();
        let name = path.to_string_lossy();
        let connected = PipeStream::connect(&name).map(Stream);
        connected.map_err(|source| {
            let kind = source.kind();
            if kind == io::ErrorKind::NotFound {
                EndpointError::NobodyThere { path, source }
            } else if kind == io::ErrorKind::PermissionDenied {
                EndpointError::NotPermitted { path, source }
            } else {
                EndpointError::Other { path, source }
            }
        })
    }

    /// Nothing: a pipe needs no directory.
    pub(crate) fn prepare(&self) -> Result<(), EndpointError> {
        Ok(())
    }

    /// Where an engine started here in the background leaves what it says to standard error.
    pub(crate) fn words(&self) -> PathBuf {
        let name = self.path.to_string_lossy();
        let name = name.strip_prefix(PIPES).unwrap_or("aplomb").to_owned();
        env::temp_dir().join(format!("{name}.err"))
    }
}

/// A pipe by its own name, or by a path, whose letters that no pipe's name may have become dashes.
fn pipe_of(named: &Path) -> String {
    let text = named.to_string_lossy();
    if text.starts_with(PIPES) {
        return text.into_owned();
    }
    let absolute = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
    let dashed = absolute.to_string_lossy().replace(['\\', '/', ':'], "-");
    format!("{PIPES}aplomb{dashed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_pipe_of_one_name_wherever_it_is_said() {
        assert_eq!(pipe_of(Path::new(r"\\.\pipe\x")), r"\\.\pipe\x");
        assert_eq!(
            pipe_of(Path::new(r"C:\a\b.sock")),
            r"\\.\pipe\aplombC--a-b.sock"
        );
    }

    #[test]
    fn where_nobody_serves_nobody_is_there() {
        let endpoint = Endpoint::resolve(Some(Path::new(r"\\.\pipe\aplomb-nobody-here")));
        assert!(matches!(
            endpoint.connect(),
            Err(EndpointError::NobodyThere { .. })
        ));
    }
}
