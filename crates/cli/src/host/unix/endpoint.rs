//! Where the engine listens, and how to get there: a Unix socket.
//!
//! A socket in a directory that others may write could be anybody's. So the directory under `/tmp` that stands in for
//! a missing `XDG_RUNTIME_DIR` must be ours and closed to others, both when we make it and when we trust it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// A connection to the engine.
pub(crate) type Stream = UnixStream;

/// Longest path of a Unix socket, the closing zero not counted (unix(7)).
const LONGEST: usize = 107;

/// Where the engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) path: PathBuf,
    trust: Trust,
}

/// Whether the directory has to be proven ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The operator named it, or the system made it.
    Given,
    /// In a directory everybody may write.
    Shared,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("no engine listens at `{}`", path.display())]
    NobodyThere { path: PathBuf, source: io::Error },
    #[error("the socket `{}` belongs to somebody else", path.display())]
    NotPermitted { path: PathBuf, source: io::Error },
    #[error("the path `{}` is longer than the {LONGEST} bytes a socket may have", path.display())]
    TooLong { path: PathBuf },
    #[error("the directory `{}` is not safe: {why}", path.display())]
    UnsafeDirectory { path: PathBuf, why: String },
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
                .action("run it as the user the engine runs as, or with `sudo`"),
            EndpointError::TooLong { .. } => {
                failure.action("name a shorter one with `--socket PATH`")
            }
            EndpointError::UnsafeDirectory { .. } => {
                failure.action("remove that directory, or name another place with `--socket PATH`")
            }
            EndpointError::Other { source, .. } => failure.because(source),
        }
    }
}

impl Endpoint {
    /// The one the operator named, else the default of this user: `/run/aplomb/control.sock` for root,
    /// `$XDG_RUNTIME_DIR/aplomb/control.sock` for others, `/tmp/aplomb-UID/control.sock` where that is not set.
    pub(crate) fn resolve(named: Option<&Path>) -> Endpoint {
        let given = |path: PathBuf| Endpoint {
            path,
            trust: Trust::Given,
        };
        if let Some(path) = named {
            return given(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        }
        let uid = rustix::process::geteuid();
        if uid.is_root() {
            return given("/run/aplomb/control.sock".into());
        }
        match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
            Some(runtime) if runtime.is_absolute() => given(runtime.join("aplomb/control.sock")),
            Some(_) | None => Endpoint {
                path: format!("/tmp/aplomb-{}/control.sock", uid.as_raw()).into(),
                trust: Trust::Shared,
            },
        }
    }

    /// Itself: one engine carries all.
    pub(crate) fn or_of_service(self, _words: &[OsString]) -> Endpoint {
        self
    }

    /// A connection, at once or not at all.
    pub(crate) fn connect(&self) -> Result<Stream, EndpointError> {
        let path = self.path.clone();
        self.check_length()?;
        if self.trust == Trust::Shared && self.directory().exists() {
            self.check_directory()?;
        }
        UnixStream::connect(&path).map_err(|source| not_connected(path, source))
    }

    /// Makes the directory the socket is to lie in, closed to others, for an engine about to be started.
    pub(crate) fn prepare(&self) -> Result<(), EndpointError> {
        self.check_length()?;
        let directory = self.directory();
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        made.map_err(|source| EndpointError::Other {
            path: directory.to_owned(),
            source,
        })?;
        match self.trust {
            Trust::Given => Ok(()),
            Trust::Shared => self.check_directory(),
        }
    }

    /// Where an engine started here in the background leaves what it says to standard error.
    pub(crate) fn words(&self) -> PathBuf {
        self.path.with_extension("err")
    }

    /// The directory of the socket.
    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn check_length(&self) -> Result<(), EndpointError> {
        if self.path.as_os_str().len() <= LONGEST {
            return Ok(());
        }
        Err(EndpointError::TooLong {
            path: self.path.clone(),
        })
    }

    /// A directory, no link, ours, closed to all others.
    fn check_directory(&self) -> Result<(), EndpointError> {
        let directory = self.directory();
        let found = fs::symlink_metadata(directory).map_err(|source| EndpointError::Other {
            path: directory.to_owned(),
            source,
        })?;
        let why = if !found.is_dir() {
            "it is no directory".to_owned()
        } else if found.uid() != rustix::process::geteuid().as_raw() {
            format!("it belongs to user {}", found.uid())
        } else if found.permissions().mode() & 0o077 != 0 {
            "others may enter it".to_owned()
        } else {
            return Ok(());
        };
        Err(EndpointError::UnsafeDirectory {
            path: directory.to_owned(),
            why,
        })
    }
}

fn not_connected(path: PathBuf, source: io::Error) -> EndpointError {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    let kind = source.kind();
    if kind == NotFound || kind == ConnectionRefused {
        EndpointError::NobodyThere { path, source }
    } else if kind == PermissionDenied {
        EndpointError::NotPermitted { path, source }
    } else {
        EndpointError::Other { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(path: PathBuf) -> Endpoint {
        Endpoint {
            path,
            trust: Trust::Shared,
        }
    }

    #[test]
    fn a_place_others_may_enter_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let open = home.path().join("open");
        fs::create_dir(&open).expect("made");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("opened");
        let refused = shared(open.join("control.sock")).connect();
        assert!(matches!(
            refused,
            Err(EndpointError::UnsafeDirectory { .. })
        ));
    }

    #[test]
    fn a_link_to_a_closed_place_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).expect("linked");
        let refused = shared(link.join("control.sock")).prepare();
        assert!(matches!(
            refused,
            Err(EndpointError::UnsafeDirectory { .. })
        ));
    }

    #[test]
    fn what_we_make_is_closed_and_trusted() {
        let home = tempfile::tempdir().expect("a directory");
        let endpoint = shared(home.path().join("fresh/control.sock"));
        endpoint.prepare().expect("made");
        assert!(matches!(
            endpoint.connect(),
            Err(EndpointError::NobodyThere { .. })
        ));
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_named_before_the_system_does() {
        let endpoint = shared(Path::new("/tmp").join("x".repeat(120)));
        assert!(matches!(
            endpoint.connect(),
            Err(EndpointError::TooLong { .. })
        ));
    }
}
