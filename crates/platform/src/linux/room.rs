//! Room for descriptors: our own limit is raised as far as it goes, that of our children is not.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors one service may need at a time: two streams with both ends, a socket, a client, a probe.
const PER_SERVICE: u64 = 8;
/// What we need ourselves.
const OWN: u64 = 128;

/// The limit on our open files, and what it was.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    before: Option<(u64, u64)>,
}

impl OpenFiles {
    /// The limit children start with, soft and hard, if ours is another by now. Programs that use select(2) break where
    /// it is larger than they expect.
    pub(crate) fn before(&self) -> Option<(u64, u64)> {
        self.before
    }

    /// Raises the soft limit as far as `services` need, and the hard one where we may.
    ///
    /// Errors: the limit that is left, if it is too low.
    pub(crate) fn raise(&mut self, services: usize) -> io::Result<()> {
        let needed = services as u64 * PER_SERVICE + OWN;
        let now = getrlimit(Resource::Nofile);
        let (soft, hard) = (
            now.current.unwrap_or(u64::MAX),
            now.maximum.unwrap_or(u64::MAX),
        );
        if soft >= needed {
            return Ok(());
        }
        let may_both = hard < needed && set(needed, needed).is_ok();
        if !may_both {
            set(needed.min(hard), hard)?;
        }
        self.before.get_or_insert((soft, hard));
        if may_both || hard >= needed {
            return Ok(());
        }
        let text = format!(
            "{needed} open files may be needed for {services} services, and only {hard} are allowed"
        );
        Err(io::Error::other(text))
    }
}

fn set(soft: u64, hard: u64) -> io::Result<()> {
    let limit = Rlimit {
        current: Some(soft),
        maximum: Some(hard),
    };
    Ok(setrlimit(Resource::Nofile, limit)?)
}
