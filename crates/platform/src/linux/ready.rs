//! Ready descriptors: a pipe per program, on which a newline means "I serve" (s6's protocol).

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::EventFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::poller::{Poller, Source};
use crate::{Happened, TreeId};

#[derive(Debug, Default)]
pub(crate) struct ReadyPipes {
    open: BTreeMap<u64, (TreeId, OwnedFd)>,
    last: u64,
}

impl ReadyPipes {
    /// A new pipe for a program of this tree; the end returned is the program's.
    pub(crate) fn make(&mut self, poller: &Poller, tree: TreeId) -> io::Result<OwnedFd> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Only our end: the program expects an ordinary one.
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty())?;
        self.last += 1;
        poller.add(&reader, Source::ReadyFd(self.last), EventFlags::IN)?;
        self.open.insert(self.last, (tree, reader));
        Ok(writer)
    }

    /// The pipe of this tree, if it has not served yet.
    pub(crate) fn of(&self, tree: TreeId) -> Option<BorrowedFd<'_>> {
        let mut open = self.open.values();
        open.find(|(of, _)| *of == tree)
            .map(|(_, reader)| reader.as_fd())
    }

    /// A pipe an earlier engine made for a program of this tree.
    pub(crate) fn take_up(
        &mut self,
        poller: &Poller,
        tree: TreeId,
        reader: OwnedFd,
    ) -> io::Result<()> {
        self.last += 1;
        poller.add(&reader, Source::ReadyFd(self.last), EventFlags::IN)?;
        self.open.insert(self.last, (tree, reader));
        Ok(())
    }

    /// Reads what came; after a newline, or at the end, the pipe has served.
    pub(crate) fn on(&mut self, id: u64, into: &mut Vec<Happened>) {
        let Some((tree, reader)) = self.open.get(&id) else {
            return;
        };
        let mut buffer = [0_u8; 512];
        let served = match rustix::io::read(reader, &mut buffer) {
            Ok(count) if buffer[..count].contains(&b'\n') => {
                into.push(Happened::ReadyLine { tree: *tree });
                true
            }
            Ok(count) => count == 0,
            Err(error) => error != rustix::io::Errno::AGAIN && error != rustix::io::Errno::INTR,
        };
        if served {
            self.open.remove(&id);
        }
    }

    /// The tree is nobody's business any more.
    pub(crate) fn forget(&mut self, tree: TreeId) {
        self.open.retain(|_, (of, _)| *of != tree);
    }
}
