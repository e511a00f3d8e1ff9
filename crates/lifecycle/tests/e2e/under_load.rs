//! Stops of an HTTP server under load, and with clients that behave badly.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::load;
use crate::process::Victim;

pub(crate) fn nothing_is_lost() {
    stop_under_load(None);
}

/// As above, with a twentieth of one processor from readiness on: everything takes longer, nothing is lost.
pub(crate) fn nothing_is_lost_when_starved() {
    stop_under_load(Quota::new(5));
}

fn stop_under_load(quota: Option<Quota>) {
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    if let Some(quota) = &quota {
        quota.hold(victim.pid());
    }
    let (ended, measured) = load::measure(&address, move || {
        victim.signal("TERM");
        victim.end()
    });
    assert_eq!(
        (measured.lost_in_flight, measured.lost_later),
        (0, 0),
        "{:?}",
        measured.first_lost
    );
    assert_eq!(measured.refused_while_ready, 0);
    assert!(
        measured.refused > 0,
        "the load did not outlast the listener"
    );
    // Nothing but answers, and timeouts of the frozen dependency.
    assert_eq!(
        measured.answered.keys().copied().collect::<Vec<_>>(),
        [200, 504]
    );
    assert!(measured.answered[&200] > 400, "{:?}", measured.answered);
    assert_eq!(ended.code(), 0, "{:#}", ended.report);
    assert!(ended.took < Duration::from_secs(28), "{:?}", ended.took);
    assert!(
        ended.component("api")["facts"]["served_after_stop"].as_u64() > Some(100),
        "{:#}",
        ended.report
    );
    if let Some(quota) = quota {
        assert!(quota.throttled() > 10, "the quota was never felt");
    } else {
        assert!(
            measured.unready_after.unwrap() < Duration::from_secs(1),
            "{:?}",
            measured.unready_after
        );
        assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    }
}

/// A cgroup with a share of one processor (version 1 controllers), removed when dropped.
pub(crate) struct Quota(PathBuf);

impl Quota {
    /// `None` where such a group cannot be made.
    pub(crate) fn new(percent: u32) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let dir = PathBuf::from(format!(
            "/sys/fs/cgroup/cpu/lifecycle-{}-{number}",
            std::process::id()
        ));
        fs::create_dir(&dir).ok()?;
        let quota = Self(dir);
        let period = 100_000;
        fs::write(
            quota.0.join("cpu.cfs_quota_us"),
            (period / 100 * percent).to_string(),
        )
        .ok()?;
        Some(quota)
    }

    /// How often the kernel held the group back.
    fn throttled(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("cpu.stat")).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
            .unwrap()
    }

    fn hold(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}

/// Half a head, silence, a reader that does not read, an idle connection: each alone holds many servers for ever.
pub(crate) fn bad_clients() {
    use std::io::{Read, Write};
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let connect = || std::net::TcpStream::connect(&address).unwrap();
    let silent = connect();
    let mut half = connect();
    half.write_all(b"GET /fast HTTP/1.1\r\nhos").unwrap();
    let mut slow = connect();
    slow.write_all(b"GET /big HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    slow.read_exact(&mut [0; 100]).unwrap();
    let mut idle = connect();
    idle.write_all(b"GET /fast HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    idle.read_exact(&mut [0; 20]).unwrap();
    victim.signal("TERM");
    let ended = victim.end();
    drop((silent, half, slow));
    // FIN, not RST: the rest of the answer and a clean end can be read.
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert_eq!(ended.code(), 0, "{:#}", ended.report);
    let facts = &ended.component("api")["facts"];
    assert_eq!(
        (&facts["connections_cut"], &facts["closed_idle"]),
        (&2.into(), &2.into()),
        "{:#}",
        ended.report
    );
    // Lame duck 2 s, then at most the stall limit of 2 s and the linger of 1 s.
    assert!(
        ended.took < Duration::from_millis(5_600),
        "{:?}",
        ended.took
    );
}
