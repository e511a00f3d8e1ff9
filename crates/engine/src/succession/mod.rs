//! From one engine to the next: writing down what has changed, and going on with what was left.
//!
//! Written before an order is carried out and after it, so that a successor knows what was decided even where it cannot
//! know what was done; then it looks. Nothing is trusted that can be asked: a process counts only if the platform has
//! found it to be the same one.

mod take;
mod write;

use std::collections::BTreeSet;
use std::fs;
use std::mem::ManuallyDrop;

use aplomb_core::InstanceId;
use aplomb_platform::{PlatformKeepsake, StreamId};

use crate::library::Library;
use crate::record::{self, Head, Journal, Left, Storage, Unreadable};

/// What stands behind an engine: where it writes, who keeps it, who was before it.
#[derive(Debug, Default)]
pub struct Succession {
    pub storage: Storage,
    /// Memory that outlives this process, for the texts of definitions.
    pub texts: Option<ManuallyDrop<fs::File>>,
    /// The keeper's process number.
    pub keeper: Option<u32>,
    /// The engine before this one, whose descriptors are open here, and why it is no more.
    pub predecessor: Option<(u32, String)>,
    /// Why an upgrade did not succeed.
    pub failed_upgrade: Option<String>,
    /// The boot, and the PID namespace, that process numbers belong to.
    pub boot: String,
    pub namespace: u64,
}

/// What an earlier engine left, if it is ours to go on with.
#[derive(Debug)]
pub struct Inheritance {
    left: Option<Left>,
    /// Why what was found is not gone on with.
    remarks: Vec<String>,
    succession: Succession,
}

impl Succession {
    /// Reads what an earlier engine left. Of two records the later one counts; one of another boot, another PID
    /// namespace or a newer format is left alone, with a word.
    pub fn read(mut self) -> Inheritance {
        let (found, fault) = self.storage.read();
        let mut remarks: Vec<String> = fault.iter().map(unreadable).collect();
        let mut chosen: Option<Left> = None;
        for left in found {
            match self.refusal(&left.head) {
                Some(words) => remarks.extend(words),
                None if chosen
                    .as_ref()
                    .is_none_or(|other| other.head.serial < left.head.serial) =>
                {
                    chosen = Some(left)
                }
                None => {}
            }
        }
        if let Some(left) = &chosen
            && left.damaged > 0
        {
            remarks.push(format!(
                "{} lines of the record of engine {} are damaged and were passed over",
                left.damaged, left.head.engine
            ));
        }
        Inheritance {
            left: chosen,
            remarks,
            succession: self,
        }
    }

    /// Why this record is not for us; where nobody need know, without words.
    fn refusal(&self, head: &Head) -> Option<Option<String>> {
        if head.boot != self.boot {
            // Its processes ended with the machine.
            return Some(None);
        }
        if head.namespace != self.namespace {
            let words = "the record in the state directory was written in another PID namespace: nothing is taken over";
            return Some(Some(words.to_owned()));
        }
        let (Some((engine, _)), Some(keeper)) = (&self.predecessor, self.keeper) else {
            return None;
        };
        // After an upgrade that failed, two engines may have died since somebody wrote.
        (head.keeper != Some(keeper)).then(|| {
            Some(format!(
                "the record in the state directory is of engine {}, and the one before this was {engine}: nothing is taken over from it",
                head.engine
            ))
        })
    }
}

fn unreadable(why: &Unreadable) -> String {
    format!(
        "the record in the state directory cannot be used: {why}; nothing is taken over from it"
    )
}

impl Inheritance {
    /// The descriptors of the dead engine that are needed; all others may be closed.
    pub fn descriptors(&self) -> BTreeSet<i32> {
        let lineage = self.succession.predecessor.is_some();
        let left = self.left.iter().filter(|_| lineage);
        left.flat_map(|left| left.descriptors().collect::<Vec<_>>())
            .collect()
    }

    /// What the platform goes on with.
    pub fn platform(&self) -> PlatformKeepsake {
        let Some(left) = &self.left else {
            return PlatformKeepsake::default();
        };
        let mut platform = left.platform.clone();
        if self.succession.predecessor.is_none() {
            platform.notify = None;
            platform.control = None;
        }
        platform
    }

    /// Whether there is anything to go on with.
    pub fn is_empty(&self) -> bool {
        self.left.is_none()
    }
}

/// The engine's side of what outlives it.
#[derive(Debug)]
pub(crate) struct Legacy {
    pub journal: Journal,
    pub library: Library,
    /// Instances of which something changed that the core does not know.
    pub dirty: BTreeSet<InstanceId>,
    /// What belongs to no service has changed.
    pub platform_changed: bool,
    /// This engine ends for another one.
    pub handed_over: bool,
    /// A client held a lifeline to the engine before, and has some time to hold one to this.
    pub awaits_lifeline: bool,
    /// Outputs found whose runs had ended.
    ended_outputs: Vec<StreamId>,
}

impl Legacy {
    pub(crate) fn nothing() -> Legacy {
        let head = Head {
            format: record::FORMAT,
            engine: std::process::id(),
            keeper: None,
            boot: String::new(),
            namespace: 0,
            serial: 0,
        };
        Legacy::new(Journal::new(Storage::default(), head), Library::new(None))
    }

    fn new(journal: Journal, library: Library) -> Legacy {
        Legacy {
            journal,
            library,
            dirty: BTreeSet::new(),
            platform_changed: false,
            handed_over: false,
            awaits_lifeline: false,
            ended_outputs: Vec::new(),
        }
    }
}
