//! Ready pipes: a newline on a descriptor of the C runtime says that a program is ready (s6's protocol).
//!
//! C, C++, Python and Node programs find descriptors from 3 on in a table that is handed over at their birth.

use std::collections::BTreeMap;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::sync::Arc;

use super::poller::{Poller, Source};
use super::streams::Inflow;
use super::sys::pipe::{self, Carries, Instance};
use super::sys::port::Packet;
use super::sys::transfer::Wire;
use crate::{Happened, TreeId};

const ROOM: u32 = 512;

#[derive(Debug, Default)]
pub(crate) struct ReadyPipes {
    pipes: BTreeMap<u64, ReadyPipe>,
    last: u64,
}

#[derive(Debug)]
struct ReadyPipe {
    tree: TreeId,
    wire: Arc<Wire>,
    inflow: Inflow,
}

impl ReadyPipes {
    /// A pipe for a program of this tree: its writing end.
    pub(crate) fn make(&mut self, poller: &Poller, tree: TreeId) -> io::Result<OwnedHandle> {
        let name = super::pipe_name("ready");
        let end = pipe::serve(&name, Carries::Bytes, Instance::Only, ROOM, None)?;
        let wire = Arc::new(Wire::Pipe(end));
        self.last += 1;
        poller.add(wire.raw(), Source::Ready(self.last))?;
        let writer = pipe::writer(&name)?;
        let mut inflow = Inflow::new(ROOM)?;
        inflow.fill(&wire);
        let pipe = ReadyPipe { tree, wire, inflow };
        self.pipes.insert(self.last, pipe);
        Ok(writer)
    }

    pub(crate) fn on(&mut self, id: u64, packet: Packet) -> Option<Happened> {
        let pipe = self.pipes.get_mut(&id)?;
        if !pipe.inflow.is_of(packet.operation) {
            return None;
        }
        pipe.inflow.filled(&pipe.wire);
        let tree = pipe.tree;
        let mut bytes = [0; ROOM as usize];
        loop {
            match pipe.inflow.take(&pipe.wire, &mut bytes) {
                Ok(count) if bytes[..count].contains(&b'\n') => {
                    self.pipes.remove(&id);
                    return Some(Happened::ReadyLine { tree });
                }
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Ok(_) | Err(_) => {
                    self.pipes.remove(&id);
                    return None;
                }
            }
        }
    }

    /// Nobody waits for this tree any more.
    pub(crate) fn forget(&mut self, tree: TreeId) {
        self.pipes.retain(|_, pipe| pipe.tree != tree);
    }
}
