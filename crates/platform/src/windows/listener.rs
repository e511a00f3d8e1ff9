//! A named pipe that many may connect to: a few serving ends always wait, so that nobody finds the door shut.

use std::collections::BTreeMap;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;

use super::poller::{Poller, Source};
use super::sys::pipe::{self, Carries, Instance};
use super::sys::security::Security;
use super::sys::transfer::{Transfer, Wire};

/// Serving ends that wait at any time.
const WAITING: usize = 4;
/// What one end holds before its writer waits.
const ROOM: u32 = 64 << 10;

#[derive(Debug)]
pub(crate) struct Listener {
    _claim: OwnedHandle,
    name: String,
    carries: Carries,
    security: Security,
    /// By the key each is known to the port by. Who has connected keeps it: a port allows no second one.
    waiting: BTreeMap<usize, Waiting>,
}

/// Names for serving ends, each new.
pub(crate) type Fresh<'a> = &'a mut dyn FnMut() -> Source;

#[derive(Debug)]
struct Waiting {
    wire: Arc<Wire>,
    transfer: Transfer,
}

impl Listener {
    /// Claims the name. Errors: `AddrInUse` where somebody has it.
    pub(crate) fn open(
        poller: &Poller,
        name: &str,
        carries: Carries,
        security: Security,
        fresh: Fresh<'_>,
    ) -> io::Result<Listener> {
        let claim = pipe::claim(name).map_err(in_use)?;
        let mut listener = Listener {
            _claim: claim,
            name: name.to_owned(),
            carries,
            security,
            waiting: BTreeMap::new(),
        };
        listener
            .wait_for_one(poller, Instance::First, fresh())
            .map_err(in_use)?;
        for _ in 1..WAITING {
            listener.wait_for_one(poller, Instance::Further, fresh())?;
        }
        Ok(listener)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn wait_for_one(
        &mut self,
        poller: &Poller,
        instance: Instance,
        source: Source,
    ) -> io::Result<()> {
        let end = pipe::serve(
            &self.name,
            self.carries,
            instance,
            ROOM,
            Some(&self.security),
        )?;
        let wire = Arc::new(Wire::Pipe(end));
        poller.add(wire.raw(), source)?;
        let mut transfer = Transfer::new()?;
        if !transfer.accept(&wire)? {
            poller.remind(source, transfer.token())?;
        }
        let waiting = Waiting { wire, transfer };
        self.waiting.insert(source.pack(), waiting);
        Ok(())
    }

    /// Somebody has connected to this end: who it is, and the wire. Another end waits in its place.
    pub(crate) fn connected(
        &mut self,
        poller: &Poller,
        source: Source,
        fresh: Fresh<'_>,
    ) -> Option<(Arc<Wire>, u32)> {
        let mut waiting = self.waiting.remove(&source.pack())?;
        if waiting.transfer.is_under_way() {
            // Fails for a client that has gone again; the wire tells so itself when it is read.
            let _ = waiting.transfer.finish();
        }
        // Should there be no room for another end, the remaining ones wait on.
        let _ = self.wait_for_one(poller, Instance::Further, fresh());
        let Wire::Pipe(end) = &*waiting.wire else {
            return None;
        };
        let pid = pipe::client(end).ok()?;
        Some((waiting.wire, pid))
    }
}

/// Another process has the name, whoever it belongs to.
fn in_use(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        io::Error::new(io::ErrorKind::AddrInUse, "another engine answers there")
    } else {
        error
    }
}
