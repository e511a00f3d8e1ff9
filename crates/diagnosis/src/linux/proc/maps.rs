//! `maps`: what is mapped where.

use std::path::PathBuf;

use crate::memory::Mapping;

/// The lines that could be read, in the order of their addresses.
pub(crate) fn mappings(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(mapping).collect()
}

/// Whether an address lies in memory that other processes may share; it may if it lies nowhere.
pub(crate) fn is_shared(text: &str, address: u64) -> bool {
    let line = text.lines().find(|line| {
        let area = line.split(' ').next().and_then(|area| area.split_once('-'));
        let ends = area.map(|(start, end)| (super::hexadecimal(start), super::hexadecimal(end)));
        matches!(ends, Some((Some(start), Some(end))) if (start..end).contains(&address))
    });
    let rights = line.and_then(|line| line.split(' ').nth(1));
    rights.is_none_or(|rights| rights.as_bytes().get(3) != Some(&b'p'))
}

fn mapping(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let trimmed = rest.trim_start_matches(' ');
        let (field, after) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        rest = after;
        (!field.is_empty()).then_some(field)
    };
    let (start, end) = field()?.split_once('-')?;
    let rights = field()?.as_bytes();
    let offset = super::hexadecimal(field()?)?;
    let (major, minor) = field()?.split_once(':')?;
    let inode: u64 = field()?.parse().ok()?;
    let device = super::hexadecimal(major)? << 32 | super::hexadecimal(minor)?;
    let path = rest.trim_start_matches(' ');
    let (path, is_deleted) = match path.strip_suffix(" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    };
    Some(Mapping {
        start: super::hexadecimal(start)?,
        end: super::hexadecimal(end)?,
        is_executable: rights.get(2) == Some(&b'x'),
        is_writable: rights.get(1) == Some(&b'w'),
        offset,
        file: (inode != 0).then_some((device, inode)),
        path: PathBuf::from(path),
        is_deleted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_told_from_private() {
        let text =
            "1000-2000 rw-p 00000000 00:00 0 [heap]\n3000-4000 rw-s 00000000 00:01 7 /dev/shm/x\n";
        assert!(!is_shared(text, 0x1fff));
        assert!(is_shared(text, 0x3000));
        assert!(is_shared(text, 0x2000));
    }

    #[test]
    fn lines_of_every_kind_are_read() {
        let text = "\
55d0c0a00000-55d0c0a28000 r--p 00000000 fe:00 1320      /usr/bin/my server (v2)
7f1000000000-7f1000001000 r-xp 00002000 fe:00 77                         /usr/lib/old.so (deleted)
7f2000000000-7f2000001000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
nonsense
";
        let maps = mappings(text);
        assert_eq!(maps.len(), 4);
        assert_eq!(maps[0].path, PathBuf::from("/usr/bin/my server (v2)"));
        assert_eq!(maps[0].file, Some((0xfe << 32, 1320)));
        assert!(maps[1].is_deleted && maps[1].is_executable);
        assert_eq!(maps[1].offset, 0x2000);
        assert_eq!(maps[2].file, None);
        assert!(maps[2].is_writable && maps[2].path.as_os_str().is_empty());
        assert_eq!(maps[3].path, PathBuf::from("[stack]"));
    }
}
