//! The notify pipe: programs write sd_notify(3) messages into it, one a write. Its name is the value of `NOTIFY_SOCKET`.
//!
//! Everybody on the machine may write, because services run as many users; whose process is in none of our trees is not
//! heard. Whose it is, is asked when the client connects: then its number is its own.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::listener::Listener;
use super::poller::{Poller, Source};
use super::streams::Inflow;
use super::sys::pipe::Carries;
use super::sys::port::Packet;
use super::sys::security::Security;
use super::sys::transfer::Wire;
use super::trees::Trees;
use crate::{Happened, Notification, TreeId};

/// The longest message; a longer one ends its connection.
const LONGEST: u32 = 4096;

#[derive(Debug)]
pub(crate) struct NotifyPipe {
    listener: Listener,
    speakers: BTreeMap<u64, Speaker>,
    last: u64,
}

#[derive(Debug)]
struct Speaker {
    tree: TreeId,
    pid: u32,
    wire: Arc<Wire>,
    inflow: Inflow,
}

impl NotifyPipe {
    pub(crate) fn open(poller: &Poller) -> io::Result<NotifyPipe> {
        let name = super::pipe_name("notify");
        let security = Security::others_may_write()?;
        let mut last = 0;
        let fresh = &mut || fresh(&mut last);
        let listener = Listener::open(poller, &name, Carries::Messages, security, fresh)?;
        Ok(NotifyPipe {
            listener,
            speakers: BTreeMap::new(),
            last,
        })
    }

    pub(crate) fn address(&self) -> &str {
        self.listener.name()
    }

    pub(crate) fn on(
        &mut self,
        poller: &Poller,
        id: u64,
        packet: Packet,
        trees: &Trees,
        into: &mut Vec<Happened>,
    ) {
        if self.speakers.contains_key(&id) {
            return self.heard(id, packet, into);
        }
        let last = &mut self.last;
        let fresh = &mut || fresh(last);
        let connected = self.listener.connected(poller, Source::Notify(id), fresh);
        let Some((wire, pid)) = connected else {
            return;
        };
        let (Some(tree), Ok(inflow)) = (trees.of(pid), Inflow::new(LONGEST)) else {
            return;
        };
        let mut speaker = Speaker {
            tree,
            pid,
            wire,
            inflow,
        };
        speaker.inflow.fill(&speaker.wire);
        self.speakers.insert(id, speaker);
    }

    fn heard(&mut self, id: u64, packet: Packet, into: &mut Vec<Happened>) {
        let Some(speaker) = self.speakers.get_mut(&id) else {
            return;
        };
        if !speaker.inflow.is_of(packet.operation) {
            return;
        }
        speaker.inflow.filled(&speaker.wire);
        let mut text = vec![0; LONGEST as usize];
        loop {
            match speaker.inflow.take(&speaker.wire, &mut text) {
                Ok(count) if count > 0 => into.push(Happened::Notified(Notification {
                    tree: speaker.tree,
                    pid: speaker.pid,
                    text: text[..count].to_vec(),
                })),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    self.speakers.remove(&id);
                    return;
                }
            }
        }
    }
}

fn fresh(last: &mut u64) -> Source {
    *last += 1;
    Source::Notify(*last)
}
