//! What proc(5) tells about other processes.

use crate::Member;

/// The fields of proc_pid_stat(5) we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    /// Ticks since boot; with the pid it names a process for good.
    pub(crate) start: u64,
}

pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name may hold anything, parentheses and blanks too: it ends at the last one.
    let open = text.find('(')?;
    let close = text.rfind(')')?;
    let mut rest = text.get(close + 1..)?.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    let parent = rest.next()?.parse().ok()?;
    let session = rest.nth(1)?.parse().ok()?;
    let start = rest.nth(15)?.parse().ok()?;
    Some(Stat {
        pid: text.get(..open)?.trim().parse().ok()?,
        name: text.get(open + 1..close)?.to_owned(),
        state,
        parent,
        session,
        start,
    })
}

pub(crate) fn member(pid: u32) -> Option<Member> {
    let stat = stat(pid)?;
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = command_line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    Some(Member {
        pid,
        parent: stat.parent,
        name: stat.name,
        state: stat.state,
        command_line: words.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b (c) S 7 42 41 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9999 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat.name, "a) b (c");
        assert_eq!((stat.pid, stat.parent, stat.session), (42, 7, 41));
        assert_eq!((stat.state, stat.start), ('S', 9999));
    }
}
