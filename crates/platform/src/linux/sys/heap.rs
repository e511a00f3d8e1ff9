//! Memory of our own: one arena for all threads, and what a start needed given back after it.
//!
//! Here the C library *is* asked, for it is the allocator; never between a child's birth and its program.

use std::fs;

use linux_raw_sys::general as nr;

use super::call::syscall;

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    fn mallopt(parameter: core::ffi::c_int, value: core::ffi::c_int) -> core::ffi::c_int;
    fn malloc_trim(pad: usize) -> core::ffi::c_int;
}

/// malloc.h of the GNU C library, `M_ARENA_MAX`.
#[cfg(target_env = "gnu")]
const M_ARENA_MAX: core::ffi::c_int = -8;

/// Lets all threads allocate from one heap: with an arena each, two threads that seldom meet keep two heaps, and the
/// second grows by a system call a page.
pub(crate) fn one_arena() {
    // SAFETY: mallopt(3) takes two numbers; it may be called at any time, and a refusal changes nothing.
    #[cfg(target_env = "gnu")]
    let _refused = unsafe { mallopt(M_ARENA_MAX, 1) };
}

/// Gives back the memory that nobody uses any more, and lets go of program text that only a start runs through: the
/// kernel has it in its page cache, and maps again what is needed again.
pub(crate) fn give_back() {
    // SAFETY: malloc_trim(3) takes a number and locks what it touches.
    #[cfg(target_env = "gnu")]
    let _nothing_to_give = unsafe { malloc_trim(0) };
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in texts(&maps) {
        let args = [start, length, nr::MADV_DONTNEED as usize, 0, 0, 0];
        // SAFETY: the range is a mapping of a file that is not writable and never was, so that its pages are the file's
        // (madvise(2): they are filled from it on the next touch). Whoever unmapped it meanwhile gets ENOMEM told.
        let _unmapped = unsafe { syscall(nr::__NR_madvise, args) };
    }
}

/// Where programs' text lies, and how long it is: mapped from a file to be executed, and the tables that precede it at
/// the beginning of that file. Anything else of a file may hold relocations, which are nowhere but in memory.
fn texts(maps: &str) -> Vec<(usize, usize)> {
    let all: Vec<Map<'_>> = maps.lines().filter_map(Map::read).collect();
    let mut texts = Vec::new();
    for (at, map) in all.iter().enumerate() {
        let is_text = map.rights == "r-xp" && map.inode != "0";
        let follows = |next: &&Map<'_>| next.rights == "r-xp" && next.inode == map.inode;
        let is_tables = map.rights == "r--p"
            && map.offset == "00000000"
            && all.get(at + 1).filter(follows).is_some();
        if is_text || is_tables {
            texts.push((map.start, map.length));
        }
    }
    texts
}

/// One line of proc_pid_maps(5).
struct Map<'a> {
    start: usize,
    length: usize,
    rights: &'a str,
    offset: &'a str,
    inode: &'a str,
}

impl Map<'_> {
    fn read(line: &str) -> Option<Map<'_>> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        Some(Map {
            start,
            length: end.checked_sub(start)?,
            rights: fields.next()?,
            offset: fields.next()?,
            inode: fields.nth(1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_of_files_is_let_go() {
        let maps = "\
            1000-3000 r--p 00000000 fe:00 7 /usr/bin/aplomb\n\
            3000-8000 r-xp 00002000 fe:00 7 /usr/bin/aplomb\n\
            8000-9000 r--p 00007000 fe:00 7 /usr/bin/aplomb\n\
            9000-a000 rw-p 00008000 fe:00 7 /usr/bin/aplomb\n\
            a000-b000 r-xp 00000000 00:00 0 [vdso]\n\
            nonsense\n";
        assert_eq!(texts(maps), [(0x1000, 0x2000), (0x3000, 0x5000)]);
    }

    #[test]
    fn what_was_let_go_runs_again() {
        give_back();
        assert_eq!("still here".len(), 10);
    }
}
