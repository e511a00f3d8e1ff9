//! What proc(5) tells about other processes.

use crate::Member;

/// The fields of proc_pid_stat(5) we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) state: char,
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    pub(crate) threads: u64,
    /// Time on processors, its own and that of children it waited for, in ticks.
    pub(crate) cpu_ticks: u64,
    /// Ticks since boot; with the pid it names a process for good.
    pub(crate) start: u64,
}

pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// How a process ended that nobody has laid to rest yet; `None` if it is not so, or we may not know.
pub(crate) fn exit_status(pid: u32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = text.get(text.rfind(')')? + 1..)?;
    let mut fields = rest.split_ascii_whitespace();
    let is_zombie = fields.next()? == "Z";
    fields.nth(48)?.parse().ok().filter(|_| is_zombie)
}

/// Whether it is in the middle of an exec, with the old program gone and the new one's words and variables not there yet.
pub(crate) fn is_executing(pid: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let rest = text.rfind(')').and_then(|at| text.get(at + 1..));
    let mut fields = rest.unwrap_or_default().split_ascii_whitespace();
    let is_gone = matches!(fields.next(), None | Some("Z" | "X"));
    // Field 51, where its environment ends.
    !is_gone && fields.nth(47) == Some("0")
}

/// When it was begun, on the clock of the engine's loop; rounded down to a tick.
pub(crate) fn begun(stat: &Stat) -> aplomb_core::Instant {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let nanos = u128::from(stat.start) * 1_000_000_000 / u128::from(per_second);
    aplomb_core::Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Whether its environment holds this assignment.
pub(crate) fn has_variable(pid: u32, assignment: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    variables.any(|variable| variable == assignment.as_bytes())
}

/// The children of all its threads; `None` where the kernel keeps no such lists, or there is no such process.
pub(crate) fn children(pid: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))
        .ok()?
        .flatten()
    {
        let Ok(list) = std::fs::read_to_string(thread.path().join("children")) else {
            // A thread that has just ended had its children given to another.
            continue;
        };
        children.push(list);
    }
    let lists = children
        .iter()
        .flat_map(|list| list.split_ascii_whitespace());
    (!children.is_empty()).then(|| lists.filter_map(|pid| pid.parse().ok()).collect())
}

/// Everybody, in no order.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(stat).collect()
}

/// Memory only this process has, in bytes, by proc_pid_statm(5): resident and not shared.
pub(crate) fn private_memory(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = text.split_ascii_whitespace().skip(1);
    let resident: u64 = pages.next()?.parse().ok()?;
    let shared: u64 = pages.next()?.parse().ok()?;
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

/// How many descriptors it has open; `None` if we may not know.
pub(crate) fn open_files(pid: u32) -> Option<u64> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name may hold anything, parentheses and blanks too: it ends at the last one.
    let open = text.find('(')?;
    let close = text.rfind(')')?;
    let mut rest = text.get(close + 1..)?.split_ascii_whitespace();
    let state = rest.next()?.chars().next()?;
    let parent = rest.next()?.parse().ok()?;
    let group = rest.next()?.parse().ok()?;
    // Field 6, the session, is not asked for: four cpu times are 14 to 17, threads 20, start 22.
    let mut times = rest
        .by_ref()
        .skip(8)
        .take(4)
        .map(|field| field.parse().unwrap_or(0));
    let cpu_ticks = times.by_ref().sum();
    let threads = rest.nth(2)?.parse().ok()?;
    let start = rest.nth(1)?.parse().ok()?;
    Some(Stat {
        pid: text.get(..open)?.trim().parse().ok()?,
        name: text.get(open + 1..close)?.to_owned(),
        state,
        parent,
        group,
        threads,
        cpu_ticks,
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
        let text = "42 (a) b (c) S 7 42 41 0 -1 0 0 0 0 0 1 2 3 4 20 0 5 0 9999 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat.name, "a) b (c");
        assert_eq!((stat.pid, stat.parent, stat.group), (42, 7, 42));
        assert_eq!((stat.state, stat.start), ('S', 9999));
        assert_eq!((stat.cpu_ticks, stat.threads), (10, 5));
    }
}
