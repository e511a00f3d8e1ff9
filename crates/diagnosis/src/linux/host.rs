//! What belongs to the whole host and is looked up at most once per sweep: sockets, locks on files, who has which
//! descriptor, who is whose child.
//!
//! Everything is read only when something asks for it: most processes wait for nothing but themselves.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::Instant;

use super::proc::{self, Descriptor, LockLine, Stat, State};
use super::sockets::Sockets;
use crate::scene::End;

/// As many descriptors as are looked at in all processes together.
const MOST_DESCRIPTORS: usize = 200_000;

/// The tables of the host.
#[derive(Debug)]
pub(super) struct Host {
    /// No table is begun after this.
    until: Instant,
    sockets: OnceCell<Sockets>,
    locks: OnceCell<Vec<LockLine>>,
    holders: OnceCell<Holders>,
    kin: OnceCell<Kin>,
}

/// Who has which socket or pipe.
#[derive(Debug, Default)]
pub(super) struct Holders {
    sockets: HashMap<u64, Vec<End>>,
    pipes: HashMap<u64, Vec<End>>,
    /// Files and devices that are open, by path.
    paths: HashMap<String, Vec<End>>,
    /// Every process could be looked through.
    pub(super) is_complete: bool,
}

/// Who is whose child.
#[derive(Debug, Default)]
pub(super) struct Kin {
    children: BTreeMap<u32, Vec<(u32, State)>>,
}

impl Host {
    pub(super) fn new(until: Instant) -> Host {
        Host {
            until,
            sockets: OnceCell::new(),
            locks: OnceCell::new(),
            holders: OnceCell::new(),
            kin: OnceCell::new(),
        }
    }

    pub(super) fn sockets(&self) -> &Sockets {
        self.sockets.get_or_init(Sockets::read)
    }

    pub(super) fn locks(&self) -> &[LockLine] {
        self.locks.get_or_init(|| {
            let text = proc::read("/proc/locks").unwrap_or_default();
            proc::lock_lines(&text)
        })
    }

    pub(super) fn holders(&self) -> &Holders {
        self.holders.get_or_init(|| Holders::read(self.until))
    }

    pub(super) fn kin(&self) -> &Kin {
        self.kin.get_or_init(Kin::read)
    }

    /// What could not be looked at.
    pub(super) fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        if let Some(sockets) = self.sockets.get() {
            unseen.extend(sockets.unseen.iter().cloned());
        }
        if self
            .holders
            .get()
            .is_some_and(|holders| !holders.is_complete)
        {
            unseen.push(
                "not every process could be searched for open connections and pipes: root may"
                    .into(),
            );
        }
        unseen
    }
}

impl Holders {
    /// Reads the links of every process but our own, which may hold copies.
    fn read(until: Instant) -> Holders {
        let mut holders = Holders {
            is_complete: true,
            ..Holders::default()
        };
        let own = std::process::id();
        let mut left = MOST_DESCRIPTORS;
        for pid in proc::numbers("/proc").unwrap_or_default() {
            if pid == own {
                continue;
            }
            if left == 0 || Instant::now() > until {
                holders.is_complete = false;
                break;
            }
            match descriptors(pid) {
                Ok(descriptors) => {
                    left = left.saturating_sub(descriptors.len());
                    holders.add(pid, descriptors);
                }
                Err(error) => {
                    holders.is_complete &= error.kind() != std::io::ErrorKind::PermissionDenied;
                }
            }
        }
        holders
    }

    fn add(&mut self, pid: u32, descriptors: BTreeMap<u32, Descriptor>) {
        for (fd, descriptor) in descriptors {
            let end = End { pid, fd };
            match descriptor {
                Descriptor::Socket(inode) => self.sockets.entry(inode).or_default().push(end),
                Descriptor::Pipe(inode) => self.pipes.entry(inode).or_default().push(end),
                Descriptor::Path(path) => self.paths.entry(path).or_default().push(end),
                Descriptor::Anonymous(_) => {}
            }
        }
    }

    pub(super) fn of_socket(&self, inode: u64) -> &[End] {
        self.sockets.get(&inode).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_pipe(&self, inode: u64) -> &[End] {
        self.pipes.get(&inode).map_or(&[], Vec::as_slice)
    }

    pub(super) fn of_path(&self, path: &str) -> &[End] {
        self.paths.get(path).map_or(&[], Vec::as_slice)
    }
}

impl Kin {
    fn read() -> Kin {
        let mut kin = Kin::default();
        for pid in proc::numbers("/proc").unwrap_or_default() {
            let stat = proc::read(format!("/proc/{pid}/stat")).ok();
            let Some(stat) = stat.and_then(|text| Stat::parse(&text)) else {
                continue;
            };
            let children = kin.children.entry(stat.parent).or_default();
            children.push((pid, stat.state));
        }
        kin
    }

    /// The children of a process that live, and those that have ended.
    pub(super) fn children(&self, pid: u32) -> (Vec<u32>, Vec<u32>) {
        let children = self.children.get(&pid).map_or(&[][..], Vec::as_slice);
        let (ended, alive): (Vec<_>, Vec<_>) = children
            .iter()
            .partition(|(_, state)| *state == State::Zombie);
        let pids = |of: Vec<&(u32, State)>| of.into_iter().map(|(pid, _)| *pid).collect();
        (pids(alive), pids(ended))
    }
}

/// What is behind each descriptor of a process.
///
/// # Errors
/// As the system tells; `PermissionDenied` for processes of others.
pub(super) fn descriptors(pid: u32) -> std::io::Result<BTreeMap<u32, Descriptor>> {
    let directory = format!("/proc/{pid}/fd");
    let mut descriptors = BTreeMap::new();
    for fd in proc::numbers(&directory)? {
        if descriptors.len() >= MOST_DESCRIPTORS {
            break;
        }
        // Closed meanwhile: nothing is behind it any more.
        let Ok(link) = fs::read_link(format!("{directory}/{fd}")) else {
            continue;
        };
        descriptors.insert(fd, proc::descriptor(&link.to_string_lossy()));
    }
    Ok(descriptors)
}
