//! The definitions services run by, kept so that the next engine reads the very same texts, whatever became of the
//! files meanwhile.
//!
//! Files read together are a *batch*, because what they mean may depend on each other. Texts may hold secrets: they are
//! kept in the keeper's memory only. Without a keeper the files are read again, and a changed one is said.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::mem::ManuallyDrop;

use aplomb_core::{InstanceId, Spec};
use aplomb_units::{Options, Source};

use crate::record::{Definitions, File, check};

/// Every batch some service runs by.
#[derive(Debug, Default)]
pub(crate) struct Library {
    batches: BTreeMap<u32, Definitions>,
    next: u32,
    of: BTreeMap<InstanceId, Defined>,
    texts: Option<ManuallyDrop<fs::File>>,
    length: u64,
}

/// By which batches one service is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Defined {
    pub in_force: Option<u32>,
    pub newest: Option<u32>,
}

/// A batch read again.
#[derive(Debug)]
pub(crate) struct Reread {
    pub specs: Vec<Spec>,
    /// Files that are not what they were.
    pub changed: Vec<String>,
}

impl Library {
    /// With memory for the texts, which may hold those of an earlier engine.
    pub(crate) fn new(texts: Option<ManuallyDrop<fs::File>>) -> Library {
        let length = texts
            .as_ref()
            .and_then(|texts| Some(texts.metadata().ok()?.len()));
        Library {
            length: length.unwrap_or(0),
            texts,
            ..Library::default()
        }
    }

    /// Files that were read together; returns the number of their batch, to be noted.
    pub(crate) fn add(&mut self, sources: &[Source], lenient: bool) -> u32 {
        let files = sources.iter().map(|source| self.file(source)).collect();
        let number = self.next;
        self.next += 1;
        let batch = Definitions {
            number,
            lenient,
            files,
        };
        self.batches.insert(number, batch);
        number
    }

    fn file(&mut self, source: &Source) -> File {
        let check = check(source.text.as_bytes());
        let known = self.batches.values().flat_map(|batch| &batch.files);
        let mut known = known.filter(|file| file.check == check && *file.path == *source.path);
        let known = known.next().map(|file| file.text);
        File {
            path: source.path.to_string(),
            check,
            text: known.unwrap_or_else(|| self.store(&source.text)),
        }
    }

    fn store(&mut self, text: &str) -> Option<(u64, u64)> {
        let at = self.length;
        let texts = self.texts.as_mut()?;
        texts.seek(SeekFrom::Start(at)).ok()?;
        texts.write_all(text.as_bytes()).ok()?;
        self.length += text.len() as u64;
        Some((at, text.len() as u64))
    }

    /// A service's newest definition is of this batch.
    pub(crate) fn define(&mut self, instance: InstanceId, batch: u32) {
        self.of.entry(instance).or_default().newest = Some(batch);
    }

    /// By which batches the service is defined; `waits`: its newest definition is not in force yet.
    pub(crate) fn defined(&mut self, instance: InstanceId, waits: bool) -> Defined {
        let defined = self.of.entry(instance).or_default();
        if !waits {
            defined.in_force = defined.newest;
        }
        *defined
    }

    pub(crate) fn forget(&mut self, instance: InstanceId) {
        self.of.remove(&instance);
    }

    /// The batches in use; others are dropped.
    pub(crate) fn in_use(&mut self) -> impl Iterator<Item = &Definitions> {
        let used = self.of.values();
        let used: Vec<_> = used.flat_map(|one| [one.in_force, one.newest]).collect();
        self.batches
            .retain(|number, _| used.contains(&Some(*number)));
        self.batches.values()
    }

    pub(crate) fn batch(&self, number: u32) -> Option<&Definitions> {
        self.batches.get(&number)
    }

    /// Takes a batch of an earlier engine, and reads it as that engine did.
    pub(crate) fn read_again(
        &mut self,
        batch: Definitions,
        machine: &dyn aplomb_units::World,
    ) -> Reread {
        let mut changed = Vec::new();
        let mut sources = Vec::new();
        for file in &batch.files {
            match self.text_of(file) {
                Some(text) => sources.push(Source::new(file.path.as_str(), text)),
                None => match fs::read_to_string(&file.path) {
                    Ok(text) => {
                        if check(text.as_bytes()) != file.check {
                            changed.push(file.path.clone());
                        }
                        sources.push(Source::new(file.path.as_str(), text));
                    }
                    Err(_) => changed.push(file.path.clone()),
                },
            }
        }
        let options = Options {
            lenient: batch.lenient,
        };
        let (specs, _) = aplomb_units::read(&sources, machine, options);
        self.next = self.next.max(batch.number + 1);
        self.batches.insert(batch.number, batch);
        Reread { specs, changed }
    }

    fn text_of(&mut self, file: &File) -> Option<String> {
        let (at, length) = file.text?;
        if at.checked_add(length)? > self.length {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        let texts = self.texts.as_mut()?;
        texts.seek(SeekFrom::Start(at)).ok()?;
        texts.read_exact(&mut bytes).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        (check(text.as_bytes()) == file.check).then_some(text)
    }
}
