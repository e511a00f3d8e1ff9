//! What a program leaves behind when its stop is over: children that still run, descriptors that are still open.
//!
//! From /proc, so Linux only; elsewhere nothing is found and nothing is said. What was open before the program's own code
//! ran (our mailbox, the runtime's queue, what we inherited) is no leftover.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// More names than this help nobody; the rest is counted.
const NAMED: usize = 16;
/// The state of a listening socket in /proc/net/tcp.
const LISTENING: &str = "0A";

/// The descriptors that were open before: number and what it stands for, as numbers are used again.
#[derive(Debug)]
pub(crate) struct Opened(BTreeSet<(String, String)>);

impl Opened {
    pub(crate) fn now() -> Self {
        Self(open().collect())
    }

    /// What is open now and was not then.
    pub(crate) fn since(&self) -> Vec<String> {
        let left: Vec<String> = open()
            .filter(|one| !self.0.contains(one))
            .map(|(_, target)| target)
            .collect();
        let mut sockets = None;
        let more = left.len().saturating_sub(NAMED);
        let mut words: Vec<String> = left
            .into_iter()
            .take(NAMED)
            .map(|target| match inode(&target) {
                None => target,
                Some(inode) => sockets
                    .get_or_insert_with(addresses)
                    .remove(inode)
                    .unwrap_or(target),
            })
            .collect();
        if more > 0 {
            words.push(format!("{more} more"));
        }
        words
    }
}

fn open() -> impl Iterator<Item = (String, String)> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten();
    entries.flatten().filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let target = target.to_string_lossy().into_owned();
        // The directory we are reading from is open, too; what is anonymous belongs to a runtime.
        let ours = target.starts_with("/proc/") || target.starts_with("anon_inode:");
        (!ours).then(|| (entry.file_name().to_string_lossy().into_owned(), target))
    })
}

/// `socket:[123]` is known to the kernel's tables by its number.
fn inode(target: &str) -> Option<&str> {
    target.strip_prefix("socket:[")?.strip_suffix(']')
}

/// TCP sockets of our network namespace by inode, in words.
fn addresses() -> BTreeMap<String, String> {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(fs::read_to_string);
    let tables = tables.map(Result::unwrap_or_default);
    let rows = tables.iter().flat_map(|table| table.lines().skip(1));
    rows.filter_map(row).collect()
}

fn row(line: &str) -> Option<(String, String)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (own, other) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    let words = if *fields.get(3)? == LISTENING {
        format!("socket listening on {own}")
    } else {
        format!("socket {own} to {other}")
    };
    Some(((*fields.get(9)?).to_owned(), words))
}

/// `0100007F:1F90`: 32-bit words in the machine's order, the port in plain hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for start in (0..ip.len()).step_by(8) {
        let word = u32::from_str_radix(ip.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip: IpAddr = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into(),
    };
    Some(SocketAddr::new(ip, port))
}

/// Children that have not ended, or that nobody waited for.
pub(crate) fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let mut children: Vec<String> = lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .map(described)
                .collect::<Vec<_>>()
        })
        .collect();
    let more = children.len().saturating_sub(NAMED);
    children.truncate(NAMED);
    if more > 0 {
        children.push(format!("{more} more"));
    }
    children
}

fn described(pid: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let name = stat
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(") "));
    match name {
        Some((name, rest)) if rest.starts_with('Z') => {
            format!("{name} (pid {pid}), ended but not waited for")
        }
        Some((name, _)) => format!("{name} (pid {pid})"),
        None => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_opened_since_is_named() {
        let opened = Opened::now();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let file = std::env::temp_dir().join(format!("lifecycle-left-{}", std::process::id()));
        let kept = fs::File::create(&file).unwrap();
        let left = opened.since();
        fs::remove_file(&file).unwrap();
        let wanted = [
            format!("socket listening on {address}"),
            file.display().to_string(),
        ];
        assert!(wanted.iter().all(|one| left.contains(one)), "{left:?}");
        drop((listener, kept));
        assert!(!opened.since().contains(&wanted[0]));
    }

    #[test]
    fn a_child_is_named_while_it_runs_and_until_it_is_waited_for() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let name = format!("sleep (pid {})", child.id());
        assert!(children().contains(&name), "{:?}", children());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!children().iter().any(|left| left.starts_with(&name)));
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        assert_eq!(
            address("0100007F:1F90").map(|a| a.to_string()),
            cfg!(target_endian = "little").then(|| "127.0.0.1:8080".to_owned())
        );
        let six = address("00000000000000000000000001000000:0050").unwrap();
        assert_eq!(six.to_string(), "[::1]:80");
    }
}
