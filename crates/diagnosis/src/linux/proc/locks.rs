//! `/proc/locks`: who has, and who waits for, locks on files.

/// A file as the table names it: device, in its two numbers, and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) inode: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LockLine {
    /// The number all lines of one holder and its waiters share.
    pub(crate) number: u64,
    /// This one waits; otherwise it holds.
    pub(crate) waits: bool,
    /// `POSIX`, `FLOCK`, `OFDLCK`, `LEASE` …
    pub(crate) kind: String,
    pub(crate) is_write: bool,
    /// None if the lock belongs to an open file instead.
    pub(crate) pid: Option<u32>,
    pub(crate) file: FileId,
    pub(crate) text: String,
}

/// All lines that could be read.
pub(crate) fn lock_lines(text: &str) -> Vec<LockLine> {
    text.lines().filter_map(lock_line).collect()
}

pub(super) fn lock_line(line: &str) -> Option<LockLine> {
    let mut fields = line.split_ascii_whitespace();
    let number = fields.next()?.strip_suffix(':')?.parse().ok()?;
    let mut kind = fields.next()?;
    let waits = kind == "->";
    if waits {
        kind = fields.next()?;
    }
    let _advice = fields.next()?;
    let is_write = fields.next()? == "WRITE";
    let pid: i64 = fields.next()?.parse().ok()?;
    let mut file = fields.next()?.split(':');
    let half = |part: Option<&str>| u32::try_from(super::hexadecimal(part?)?).ok();
    let file = FileId {
        major: half(file.next())?,
        minor: half(file.next())?,
        inode: file.next()?.parse().ok()?,
    };
    Some(LockLine {
        number,
        waits,
        kind: kind.to_owned(),
        is_write,
        pid: u32::try_from(pid).ok().filter(|pid| *pid != 0),
        file,
        text: line.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_and_waiters_share_a_number() {
        let text = "\
1: POSIX  ADVISORY  WRITE 4980 fe:00:1320 0 EOF
1: -> POSIX  ADVISORY  WRITE 5120 fe:00:1320 0 EOF
2: OFDLCK ADVISORY  READ  -1 fe:00:99 0 1
3: FLOCK  ADVISORY  WRITE 7 00:1f:5 0 EOF
";
        let lines = lock_lines(text);
        assert_eq!(lines.len(), 4);
        assert!(!lines[0].waits && lines[1].waits);
        assert_eq!(lines[0].file, lines[1].file);
        assert_eq!(lines[1].pid, Some(5120));
        assert_eq!(lines[2].pid, None);
        assert!(!lines[2].is_write);
        let file = FileId {
            major: 0,
            minor: 0x1f,
            inode: 5,
        };
        assert_eq!(lines[3].file, file);
    }
}
