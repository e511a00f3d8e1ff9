//! What the poller told, in the words of the list of duties.

use std::io;
use std::os::fd::AsFd;

use aplomb_core::{End, Signal};
use rustix::event::epoll::EventFlags;
use rustix::process::{WaitOptions, wait};

use super::Linux;
use super::poller::Source;
use super::processes::{end_of, end_of_adopted};
use crate::{Happened, HostSignal, Notification, ProcessId};

/// Messages taken from the notify socket in one turn, so that a flood of them leaves room for the rest.
const MESSAGES: usize = 64;

impl Linux {
    pub(super) fn on(
        &mut self,
        source: Source,
        flags: EventFlags,
        into: &mut Vec<Happened>,
    ) -> io::Result<()> {
        match source {
            Source::Timer => {}
            Source::Bell => into.push(Happened::Woken),
            Source::Signals => self.on_signals(into)?,
            Source::TreeEvents => self.trees.on_events(&self.poller, into),
            Source::Control => {
                if let Some(control) = &self.control {
                    control.accept(&self.poller, &mut self.channels, into);
                }
            }
            Source::Channel(id) => self.channels.on(&self.poller, id, flags, into),
            Source::Notify => self.on_messages(into),
            Source::Adopted(id) => self.on_adopted(ProcessId(id), into),
            Source::Orphans => self.on_orphans(into),
            Source::ReadyFd(id) => self.ready.on(id, into),
            Source::Member(tree) => self.trees.on_member_gone(tree, &self.poller, into),
        }
        Ok(())
    }

    fn on_signals(&mut self, into: &mut Vec<Happened>) -> io::Result<()> {
        let mut children = false;
        loop {
            let arrived = self.host.drain()?;
            if arrived.is_empty() {
                break;
            }
            for one in arrived {
                if one.signal == Signal::CHLD {
                    children = true;
                } else {
                    into.push(Happened::Host(HostSignal {
                        signal: one.signal,
                        pid: one.pid,
                        uid: one.uid,
                    }));
                }
            }
        }
        if children {
            self.reap(into);
        }
        Ok(())
    }

    /// Takes every child that has ended. One signal may stand for many of them.
    fn reap(&mut self, into: &mut Vec<Happened>) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get() as u32;
            // Others are orphans of somebody's tree: they only had to be laid to rest.
            if let Some(process) = self.processes.by_pid(pid) {
                self.ended(process, end_of(status.as_raw()), into);
            }
        }
    }

    fn on_adopted(&mut self, id: ProcessId, into: &mut Vec<Happened>) {
        let Some(process) = self.processes.get(id) else {
            return;
        };
        if let Some(pidfd) = &process.pidfd {
            let mut end = end_of_adopted(process.pid, pidfd.as_fd());
            if end == End::Unknown {
                end = self.end_known_to_keeper(id).unwrap_or(end);
            }
            self.ended(id, end, into);
        }
    }

    pub(super) fn ended(&mut self, id: ProcessId, end: End, into: &mut Vec<Happened>) {
        let Some(process) = self.processes.remove(id) else {
            return;
        };
        into.push(Happened::Ended { process: id, end });
        self.trees
            .on_process_ended(process.tree, process.pid, &self.poller, into);
    }

    fn on_messages(&mut self, into: &mut Vec<Happened>) {
        for _ in 0..MESSAGES {
            let Some(notify) = &self.notify else {
                return;
            };
            // Errors: nothing we could tell anybody, and the next message may be all right.
            let Ok(Some((message, text))) = notify.receive() else {
                return;
            };
            let known = self.processes.by_pid(message.pid);
            let known = known.and_then(|id| self.processes.get(id));
            let tree = match known {
                Some(process) => Some(process.tree),
                None => self.trees.tree_of(message.pid),
            };
            let gone = || self.trees.tree_of_gone(message.pidfd.as_ref()?.as_fd());
            if let Some(tree) = tree.or_else(gone) {
                into.push(Happened::Notified(Notification {
                    tree,
                    pid: message.pid,
                    text,
                }));
            }
            // Descriptors that came along are closed here, which is all a barrier waits for.
        }
    }
}
