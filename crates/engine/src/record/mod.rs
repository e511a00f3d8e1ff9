//! The record: what an engine writes down so that the next one can go on, and how that is read again.
//!
//! A sequence of lines, each with a check of its own. A snapshot begins with a head and ends with a seal; what follows
//! takes the place of what was said before. Whatever is torn, foreign or damaged is passed over and counted, so that no
//! file makes an engine do what its predecessor had not written. Never synced: it outlives engines, not machines, and of
//! a machine that has booted since, nothing runs any more.

mod journal;
mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aplomb_core::{Carried, RunId, Task};
use aplomb_platform::{
    Descriptor, PlatformKeepsake, ProcessKeepsake, SocketKeepsake, StreamKeepsake, TreeKeepsake,
};
use serde::{Deserialize, Serialize};

use crate::books::Book;

pub use journal::Storage;
pub(crate) use journal::{Journal, News};
pub use line::check;

/// The format written by this program. The one before is read as well, and none newer.
pub const FORMAT: u32 = 1;
/// The oldest format that is read.
const OLDEST: u32 = 1;

/// Whether a record of this format can be read.
pub fn reads(format: u32) -> bool {
    (OLDEST..=FORMAT).contains(&format)
}

/// Whether these bytes are a record that can be gone on with.
pub fn is_record(bytes: &[u8]) -> bool {
    matches!(read(bytes), Ok(Some(_)))
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Entry {
    Head(Head),
    Definitions(Definitions),
    Platform(PlatformKeepsake),
    Service(Box<Service>),
    /// The definition was dropped.
    Gone {
        name: String,
    },
    /// A client holds a lifeline: when it goes, everything goes.
    Lifeline,
    /// Everything is being stopped; the engine ends with this code.
    Ending {
        code: u32,
    },
    /// The snapshot is whole.
    Seal,
}

/// Who writes, and where what is written means anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub format: u32,
    /// The engine's process number.
    pub engine: u32,
    /// Its keeper's, whose descriptors the numbers mean.
    pub keeper: Option<u32>,
    /// The boot during which the processes live.
    pub boot: String,
    /// The PID namespace in which they have these numbers.
    pub namespace: u64,
    /// Of two records of one keeper the later one has the higher.
    pub serial: u64,
}

/// Unit files read together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definitions {
    pub number: u32,
    pub lenient: bool,
    pub files: Vec<File>,
}

/// A unit file as it was read. Its text may hold secrets, so it is not written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub path: String,
    pub check: u64,
    /// Where its text lies in the keeper's memory, and how long it is.
    pub text: Option<(u64, u64)>,
}

/// One service: what the core knows of it, and by what its processes and descriptors are found again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub name: String,
    /// The definitions it runs by, and those that are in force from its next start.
    pub defined: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<u32>,
    pub carried: Carried,
    /// Orders had been given that may not have been carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<SocketKeepsake>,
    /// Standard output's pipe, and standard error's.
    #[serde(default)]
    pub streams: [Option<StreamKeepsake>; 2],
    pub book: Book,
}

/// A run as the system holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub id: RunId,
    pub tree: Option<TreeKeepsake>,
    pub main: Option<ProcessKeepsake>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<(Task, ProcessKeepsake)>,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Left {
    pub head: Head,
    pub platform: PlatformKeepsake,
    pub definitions: BTreeMap<u32, Definitions>,
    /// In the order they were first written down.
    pub services: Vec<Service>,
    pub ending: Option<u32>,
    pub lifeline: bool,
    /// Lines that say nothing: torn, or changed by somebody.
    pub damaged: usize,
}

/// Why a record says nothing to us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it holds no complete snapshot")]
    NoSnapshot,
    #[error("it is no file only we may write ({0})")]
    Withheld(std::io::ErrorKind),
    #[error("it is of format {format}, and this program reads {OLDEST} to {FORMAT}")]
    Format { format: u32 },
}

/// Reads a record, whatever bytes it holds. Empty ones say nothing, and that is no fault: `Ok(None)`.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Left>, Unreadable> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let mut left: Option<Left> = None;
    let mut draft: Option<Left> = None;
    let mut damaged = 0;
    for line in line::split(bytes) {
        match line::decode(line) {
            Some(Ok(Entry::Head(head))) if !reads(head.format) => {
                return Err(Unreadable::Format {
                    format: head.format,
                });
            }
            Some(Ok(Entry::Head(head))) => draft = Some(Left::new(head)),
            Some(Ok(Entry::Seal)) => left = draft.take().or(left),
            Some(Ok(entry)) => {
                if let Some(of) = draft.as_mut().or(left.as_mut()) {
                    of.take(entry);
                }
            }
            // Sound, but in words of another version: of one entry, not of a head.
            Some(Err(format)) if format.is_some_and(|format| !reads(format)) => {
                return Err(Unreadable::Format {
                    format: format.unwrap_or_default(),
                });
            }
            Some(Err(_)) | None => damaged += 1,
        }
    }
    let mut left = left.ok_or(Unreadable::NoSnapshot)?;
    left.damaged = damaged;
    Ok(Some(left))
}

impl Left {
    fn new(head: Head) -> Left {
        Left {
            head,
            platform: PlatformKeepsake::default(),
            definitions: BTreeMap::new(),
            services: Vec::new(),
            ending: None,
            lifeline: false,
            damaged: 0,
        }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Head(_) | Entry::Seal => {}
            Entry::Definitions(definitions) => {
                self.definitions.insert(definitions.number, definitions);
            }
            Entry::Platform(platform) => self.platform = platform,
            Entry::Service(service) => {
                let known = self
                    .services
                    .iter_mut()
                    .find(|one| one.name == service.name);
                match known {
                    Some(known) => *known = *service,
                    None => self.services.push(*service),
                }
            }
            Entry::Gone { name } => self.services.retain(|service| service.name != name),
            Entry::Lifeline => self.lifeline = true,
            Entry::Ending { code } => self.ending = Some(code),
        }
    }

    /// Every descriptor it names.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = i32> {
        let platform = &self.platform;
        let notify = platform.notify.iter().map(|(socket, _)| *socket);
        let control = platform
            .control
            .iter()
            .flat_map(|(one, other)| [*one, *other]);
        let services = self.services.iter().flat_map(Service::descriptors);
        let all = notify.chain(control).chain(services);
        all.map(|descriptor| descriptor.number)
    }
}

impl Service {
    fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        let sockets = self.sockets.iter().map(|socket| socket.socket);
        let streams = self.streams.iter().flatten();
        let streams = streams.flat_map(|stream| [stream.reads, stream.writes]);
        let tree = self.run.iter().filter_map(|run| run.tree.as_ref());
        let tree = tree.flat_map(|tree| [tree.ready, tree.network]).flatten();
        sockets.chain(streams).chain(tree)
    }
}
