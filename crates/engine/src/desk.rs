//! Control clients: bytes in, requests out; messages in, bytes out. Nobody's slowness is anybody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use aplomb_platform::{ChannelId, Platform};
use aplomb_protocol::{
    Answer, DecodeError, Event, Fault, FaultKind, Lines, Message, Request, encode,
};

/// What a client may leave unread before events are dropped for it (told by the gap in their numbers).
const EVENT_BACKLOG: usize = 1 << 20;
/// What a client may leave unread before the connection is closed: it has stopped reading answers it asked for.
const ANSWER_BACKLOG: usize = 64 << 20;
/// Clients at once; more are turned away.
const CLIENTS: usize = 1024;

/// One client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    lines: Lines,
    out: Vec<u8>,
    sent: usize,
    /// Services whose events it wants; empty: all.
    subscribed: Option<Vec<String>>,
    /// When it goes, everything goes.
    lifeline: bool,
}

/// All clients.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    clients: BTreeMap<ChannelId, Client>,
    /// Those with events of this turn not written yet.
    unsent: BTreeSet<ChannelId>,
    /// A lifeline was cut by ourselves.
    pub lost_lifeline: bool,
}

/// What reading from a client came to.
#[derive(Debug)]
pub(crate) struct Heard {
    pub requests: Vec<Request>,
    pub gone: Option<Gone>,
}

/// A client that is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    pub was_lifeline: bool,
}

impl Desk {
    /// A client has connected.
    pub(crate) fn welcome(&mut self, platform: &mut impl Platform, channel: ChannelId) {
        if self.clients.len() >= CLIENTS {
            return platform.close(channel);
        }
        self.clients.insert(channel, Client::default());
    }

    pub(crate) fn knows(&self, channel: ChannelId) -> bool {
        self.clients.contains_key(&channel)
    }

    /// Reads all that is there.
    pub(crate) fn hear(&mut self, platform: &mut impl Platform, channel: ChannelId) -> Heard {
        let mut heard = Heard {
            requests: Vec::new(),
            gone: None,
        };
        let mut buffer = [0; 16 << 10];
        while let Some(client) = self.clients.get_mut(&channel) {
            match platform.read(channel, &mut buffer) {
                Ok(0) => break,
                Ok(count) => client.lines.push(&buffer[..count]),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return heard,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            }
            while let Some(request) = self
                .clients
                .get_mut(&channel)
                .and_then(|client| client.lines.take::<Request>())
            {
                match request {
                    Ok(request) => heard.requests.push(request),
                    Err(why) => {
                        self.fault(platform, channel, number(&why), misunderstood(&why));
                        if matches!(why, DecodeError::TooLong { .. }) {
                            heard.gone = self.farewell(platform, channel);
                        }
                    }
                }
            }
        }
        heard.gone = heard.gone.or(self.farewell(platform, channel));
        heard
    }

    /// Forgets a client and closes its connection.
    pub(crate) fn farewell(
        &mut self,
        platform: &mut impl Platform,
        channel: ChannelId,
    ) -> Option<Gone> {
        let client = self.clients.remove(&channel)?;
        platform.close(channel);
        Some(Gone {
            was_lifeline: client.lifeline,
        })
    }

    pub(crate) fn subscribe(&mut self, channel: ChannelId, names: Vec<String>) {
        if let Some(client) = self.clients.get_mut(&channel) {
            client.subscribed = Some(names);
        }
    }

    pub(crate) fn has_lifeline(&self) -> bool {
        self.clients.values().any(|client| client.lifeline)
    }

    pub(crate) fn make_lifeline(&mut self, channel: ChannelId) {
        if let Some(client) = self.clients.get_mut(&channel) {
            client.lifeline = true;
        }
    }

    pub(crate) fn answer(
        &mut self,
        platform: &mut impl Platform,
        channel: ChannelId,
        id: u64,
        answer: Answer,
    ) {
        self.send(platform, channel, &Message::Answer { id, answer });
    }

    pub(crate) fn fault(
        &mut self,
        platform: &mut impl Platform,
        channel: ChannelId,
        id: u64,
        fault: Fault,
    ) {
        self.send(platform, channel, &Message::Fault { id, fault });
    }

    /// One event to one client, for a replay.
    pub(crate) fn event(
        &mut self,
        platform: &mut impl Platform,
        channel: ChannelId,
        event: &Event,
    ) {
        self.send(platform, channel, &Message::Event(event.clone()));
    }

    /// One event to all who want it.
    pub(crate) fn publish(&mut self, event: &Event) {
        if self
            .clients
            .values()
            .all(|client| client.subscribed.is_none())
        {
            return;
        }
        let mut line = Vec::new();
        encode(&Message::Event(event.clone()), &mut line);
        for (channel, client) in &mut self.clients {
            let Some(names) = &client.subscribed else {
                continue;
            };
            let wanted =
                names.is_empty() || event.service.is_empty() || names.contains(&event.service);
            if wanted && client.out.len() - client.sent <= EVENT_BACKLOG {
                client.out.extend_from_slice(&line);
                self.unsent.insert(*channel);
            }
        }
    }

    /// Writes the events of this turn. Together: each write wakes its reader.
    pub(crate) fn flush_events(&mut self, platform: &mut impl Platform) {
        for channel in std::mem::take(&mut self.unsent) {
            self.flush(platform, channel);
        }
    }

    fn send(&mut self, platform: &mut impl Platform, channel: ChannelId, message: &Message) {
        let Some(client) = self.clients.get_mut(&channel) else {
            return;
        };
        encode(message, &mut client.out);
        self.flush(platform, channel);
    }

    /// Writes what fits. Who leaves too much unread is given up.
    pub(crate) fn flush(&mut self, platform: &mut impl Platform, channel: ChannelId) {
        let Some(client) = self.clients.get_mut(&channel) else {
            return;
        };
        while client.sent < client.out.len() {
            match platform.write(channel, &client.out[client.sent..]) {
                Ok(0) => break,
                Ok(count) => client.sent += count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                // The reading side learns of an end that is more than a full pipe.
                Err(_) => break,
            }
        }
        if client.sent == client.out.len() {
            client.out.clear();
            client.out.shrink_to(64 << 10);
            client.sent = 0;
        } else if client.sent > 64 << 10 {
            client.out.drain(..client.sent);
            client.sent = 0;
        }
        if client.out.len() - client.sent > ANSWER_BACKLOG {
            let gone = self.farewell(platform, channel);
            self.lost_lifeline |= gone.is_some_and(|gone| gone.was_lifeline);
        }
    }

    /// Whether everything said has been handed to the system.
    pub(crate) fn is_quiet(&self) -> bool {
        self.clients.values().all(|client| client.out.is_empty())
    }
}

/// The number of a request that was not understood; 0 where not even that could be read.
fn number(why: &DecodeError) -> u64 {
    match why {
        DecodeError::Malformed { id, .. } => id.unwrap_or(0),
        DecodeError::TooLong { .. } => 0,
    }
}

fn misunderstood(why: &DecodeError) -> Fault {
    Fault {
        kind: FaultKind::BadRequest,
        message: why.to_string(),
        action: Some("see docs/protocol.md".to_owned()),
        diagnostics: Vec::new(),
    }
}
