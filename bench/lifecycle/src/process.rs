//! Starting, asking, ending.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whoever has not ended by then is killed, and counts as hung.
pub(crate) const CAP: Duration = Duration::from_secs(20);

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

pub(crate) fn until_ready(address: &str) {
    let begun = Instant::now();
    while get(address, "/readyz") != Some(200) {
        assert!(begun.elapsed() < CAP, "{address} is not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(address: &str, path: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// Sends SIGTERM and waits: the time it took, and the exit code (`None` for a signal), or `Err` when it hung.
pub(crate) fn terminate(child: &mut Child) -> (Duration, Result<Option<i32>, ()>) {
    let begun = Instant::now();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (begun.elapsed(), Ok(status.code()));
        }
        if begun.elapsed() > CAP {
            child.kill().unwrap();
            child.wait().unwrap();
            return (begun.elapsed(), Err(()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process and all it has begun.
pub(crate) fn tree(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below = children.split_ascii_whitespace().filter_map(|child| child.parse().ok()).flat_map(tree);
    std::iter::once(pid).chain(below).collect()
}

/// An end as the tables show it.
pub(crate) fn exit_words(exit: Result<Option<i32>, ()>) -> String {
    match exit {
        Ok(Some(code)) => code.to_string(),
        Ok(None) => "signal".into(),
        Err(()) => "hung".into(),
    }
}

pub(crate) fn middle(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}
