//! What /proc says about the processes of a supervisor.

use std::fs;
use std::path::Path;

/// Whether `pid` runs the program at `path`. A process that is gone does not.
pub(crate) fn runs(pid: i32, path: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == path)
}

/// Its number in the innermost process namespace it is in; `None` once it is gone.
pub(crate) fn inner_pid(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    innermost(&status)
}

fn innermost(status: &str) -> Option<i32> {
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().next_back()?.parse().ok()
}

/// Proportional set size in bytes; 0 once the process is gone.
pub(crate) fn pss(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    field(&rollup, "Pss:") * 1024
}

/// Context switches of all its threads since they began, wished and forced.
pub(crate) fn switches(pid: i32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok())
        .map(|status| {
            field(&status, "voluntary_ctxt_switches:")
                + field(&status, "nonvoluntary_ctxt_switches:")
        })
        .sum()
}

/// The number behind `name` at the start of a line; 0 where there is none.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_the_number_behind_its_name() {
        let text = "Rss:  12 kB\nPss:        7 kB\nPss_Anon: 3 kB\n";
        assert_eq!(field(text, "Pss:"), 7);
        assert_eq!(field(text, "Swap:"), 0);
    }

    #[test]
    fn the_innermost_number_is_the_last() {
        assert_eq!(innermost("Name:\tx\nNSpid:\t2041\t26\n"), Some(26));
        assert_eq!(innermost("Name:\tx\n"), None);
    }

    #[test]
    fn this_very_process_is_found() {
        let own = std::process::id() as i32;
        assert!(runs(own, &std::env::current_exe().unwrap()));
        assert!(pss(own) > 0);
        assert!(inner_pid(own).is_some());
        assert!(!runs(own, Path::new("/nowhere")));
    }
}
