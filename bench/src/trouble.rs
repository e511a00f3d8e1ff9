//! Why a figure could not be measured. Every variant ends up as a reason below the table.

use std::io;
use std::path::PathBuf;

/// A measurement that did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{0}")]
    Unavailable(String),
    #[error("{running} of {wanted} {what} after {seconds} s{said}")]
    Late {
        what: &'static str,
        running: usize,
        wanted: usize,
        seconds: u64,
        /// The end of what the supervisor printed, if anything.
        said: String,
    },
    #[error("{0} children are left after the stop")]
    Left(usize),
    #[error("`{program}` failed: {said}")]
    Failed { program: String, said: String },
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
}

impl From<io::Error> for Trouble {
    fn from(source: io::Error) -> Trouble {
        Trouble::Io {
            what: "the measurement broke".into(),
            source,
        }
    }
}

impl Trouble {
    pub(crate) fn at(path: impl Into<PathBuf>, source: io::Error) -> Trouble {
        Trouble::Io {
            what: path.into().display().to_string(),
            source,
        }
    }
}

pub(crate) type Outcome<T> = Result<T, Trouble>;
