//! `fdinfo`: how a descriptor was opened, what an epoll set watches, which locks go with it.

use super::locks::{LockLine, lock_line};

/// Of `fdinfo`, what is of use here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FdInfo {
    /// The flags of `open`.
    pub(crate) flags: u32,
    /// Of an epoll set: what it watches.
    pub(crate) watched: Vec<Watched>,
    /// Locks that belong to this open file.
    pub(crate) locks: Vec<LockLine>,
}

/// One member of an epoll set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) fd: u32,
    /// The inode behind it: descriptors are used again while the set still watches what they once named.
    pub(crate) inode: Option<u64>,
    pub(crate) events: u32,
}

/// As many members of one set as are looked at.
const MOST: usize = 100_000;

impl FdInfo {
    pub(crate) fn parse(text: &str) -> FdInfo {
        let mut info = FdInfo::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            match key {
                "flags" => info.flags = u32::from_str_radix(value.trim(), 8).unwrap_or(0),
                "tfd" if info.watched.len() < MOST => info.watched.extend(watched(value)),
                "lock" => info.locks.extend(lock_line(value.trim())),
                _ => {}
            }
        }
        info
    }

    /// Whether it can be read from (`O_RDONLY` or `O_RDWR`).
    pub(crate) fn reads(&self) -> bool {
        self.flags & 3 != 1
    }

    /// Whether it can be written to (`O_WRONLY` or `O_RDWR`).
    pub(crate) fn writes(&self) -> bool {
        self.flags & 3 != 0
    }
}

/// `tfd:        5 events:       19 data:                5  pos:0 ino:1a sdev:9`, without the first key.
fn watched(line: &str) -> Option<Watched> {
    let fd = line.split_ascii_whitespace().next()?.parse().ok()?;
    let after = |key: &str| {
        let (_, rest) = line.split_once(key)?;
        rest.split_ascii_whitespace().next()
    };
    Some(Watched {
        fd,
        inode: after("ino:").and_then(super::hexadecimal),
        events: after("events:")
            .and_then(super::hexadecimal)
            .and_then(|events| u32::try_from(events).ok())
            .unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoll_set_lists_what_it_watches() {
        let text = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1057\n\
            tfd:        5 events:       19 data:                5  pos:0 ino:1a2b sdev:8\n\
            tfd:        7 events: 80000001 data:                7  pos:0 ino:3 sdev:8\n";
        let info = FdInfo::parse(text);
        assert!(info.reads() && info.writes());
        let first = Watched {
            fd: 5,
            inode: Some(0x1a2b),
            events: 0x19,
        };
        assert_eq!(info.watched[0], first);
        assert_eq!(info.watched.len(), 2);
    }

    #[test]
    fn the_ends_of_a_pipe_are_told_apart() {
        let reading = FdInfo::parse("pos:\t0\nflags:\t0100000\n");
        assert!(reading.reads() && !reading.writes());
        let writing = FdInfo::parse("pos:\t0\nflags:\t0100001\n");
        assert!(!writing.reads() && writing.writes());
    }

    #[test]
    fn locks_of_an_open_file_are_listed() {
        let info =
            FdInfo::parse("flags:\t02\nlock:\t1: OFDLCK  ADVISORY  WRITE -1 fe:00:77 0 EOF\n");
        assert_eq!(info.locks.len(), 1);
        assert_eq!(info.locks[0].pid, None);
    }
}
