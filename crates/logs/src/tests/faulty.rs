//! A file system that fails on order: full, short of breath, without rights, without renames.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::clock::Wall;
use crate::files::{Disk, FileEnd, Files, Input, LogHandle, Output};

/// What is to go wrong. Index files are spared unless said.
#[derive(Debug, Default, Clone)]
pub(super) struct Faults(Arc<Mutex<Orders>>);

#[derive(Debug, Default)]
pub(super) struct Orders {
    /// So many bytes more, then the disk is full.
    pub(super) room: Option<usize>,
    /// No write takes more than this.
    pub(super) breath: Option<usize>,
    pub(super) writes: Option<io::ErrorKind>,
    pub(super) opens: Option<io::ErrorKind>,
    pub(super) renames: Option<io::ErrorKind>,
    /// Every so many renames one fails.
    pub(super) interrupted: bool,
    /// Calls of `write` on logs, opens of logs.
    pub(super) written: usize,
    pub(super) opened: usize,
}

impl Faults {
    pub(super) fn set(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap()
    }
}

#[derive(Debug)]
pub(super) struct FaultyFiles {
    faults: Faults,
    disk: Disk,
}

impl FaultyFiles {
    pub(super) fn new(faults: Faults) -> FaultyFiles {
        FaultyFiles { faults, disk: Disk }
    }
}

fn fail(order: Option<io::ErrorKind>) -> io::Result<()> {
    order.map_or(Ok(()), |kind| Err(kind.into()))
}

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "times")
}

impl Files for FaultyFiles {
    fn append(&mut self, path: &Path) -> io::Result<Box<dyn LogHandle>> {
        let spared = is_index(path);
        if !spared {
            let mut orders = self.faults.set();
            orders.opened += 1;
            fail(orders.opens)?;
        }
        let handle = self.disk.append(path)?;
        if spared {
            return Ok(handle);
        }
        let faults = self.faults.clone();
        Ok(Box::new(FaultyHandle { handle, faults }))
    }

    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Output>> {
        let output = self.disk.create(path)?;
        let faults = self.faults.clone();
        Ok(Box::new(FaultyOutput { output, faults }))
    }

    fn read(&mut self, path: &Path) -> io::Result<Box<dyn Input>> {
        self.disk.read(path)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if !is_index(from) {
            fail(self.faults.set().renames)?;
        }
        self.disk.rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn length(&mut self, path: &Path) -> Option<u64> {
        self.disk.length(path)
    }

    fn list(
        &mut self,
        dir: &Path,
        wanted: &dyn Fn(&str) -> bool,
    ) -> io::Result<Vec<(String, u64)>> {
        self.disk.list(dir, wanted)
    }
}

/// How much of `wanted` bytes may be written now.
fn allowed(faults: &Faults, wanted: usize) -> io::Result<usize> {
    let mut orders = faults.set();
    orders.written += 1;
    if std::mem::take(&mut orders.interrupted) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    fail(orders.writes)?;
    let breath = wanted.min(orders.breath.unwrap_or(usize::MAX));
    let Some(room) = &mut orders.room else {
        return Ok(breath);
    };
    if *room == 0 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let taken = breath.min(*room);
    *room -= taken;
    Ok(taken)
}

#[derive(Debug)]
struct FaultyHandle {
    handle: Box<dyn LogHandle>,
    faults: Faults,
}

impl LogHandle for FaultyHandle {
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let taken = allowed(&self.faults, bytes.len())?;
        self.handle.write(&[IoSlice::new(&bytes[..taken])])
    }

    fn end(&mut self) -> io::Result<FileEnd> {
        self.handle.end()
    }

    fn is_at(&mut self, path: &Path) -> bool {
        self.handle.is_at(path)
    }

    fn born(&mut self) -> Option<Wall> {
        // Tests have their own clock.
        None
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.handle.truncate(length)
    }
}

#[derive(Debug)]
struct FaultyOutput {
    output: Box<dyn Output>,
    faults: Faults,
}

impl io::Write for FaultyOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = allowed(&self.faults, bytes.len())?;
        self.output.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
