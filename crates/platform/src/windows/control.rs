//! The control endpoint: a named pipe that only our own user, administrators and the system may connect to.
//!
//! The first end claims the name, so two engines never share one; the pipe is gone with its engine, so none is stale.

use std::io;

use super::channels::Channels;
use super::listener::Listener;
use super::poller::{Poller, Source};
use super::sys::pipe::Carries;
use super::sys::security::Security;
use crate::{ChannelId, Happened, Peer};

#[derive(Debug)]
pub(crate) struct Control {
    listener: Listener,
}

impl Control {
    pub(crate) fn open(
        poller: &Poller,
        address: &str,
        channels: &mut Channels,
    ) -> io::Result<Control> {
        if !address.starts_with(r"\\.\pipe\") {
            let why = r"the address is no named pipe (\\.\pipe\NAME)";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let security = Security::ours()?;
        let fresh = &mut || channels.reserve();
        let listener = Listener::open(poller, address, Carries::BothWays, security, fresh)?;
        Ok(Control { listener })
    }

    /// Takes a client in whom the system has let in; `false` where this channel waits for none.
    pub(crate) fn on(
        &mut self,
        poller: &Poller,
        id: u64,
        channels: &mut Channels,
        into: &mut Vec<Happened>,
    ) -> bool {
        let fresh = &mut || channels.reserve();
        let source = Source::Channel(id);
        let Some((wire, pid)) = self.listener.connected(poller, source, fresh) else {
            return false;
        };
        if let Ok(readable) = channels.take(id, wire) {
            let channel = ChannelId(id);
            let peer = Peer {
                pid: Some(pid),
                uid: None,
            };
            into.push(Happened::Accepted { channel, peer });
            into.extend(readable.then_some(Happened::Readable { channel }));
        }
        true
    }
}
