//! Stops of an HTTP server under load, and with clients that behave badly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::load::{self, Measured};
use crate::process::{Ended, Victim};
#[cfg(unix)]
use crate::quota::Quota;

pub(crate) fn nothing_is_lost() {
    let (ended, measured) = stop_under_load(|_| {});
    assert!(
        measured.unready_after.unwrap() < Duration::from_secs(1),
        "{:?}",
        measured.unready_after
    );
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
}

/// As above, with a twentieth of one processor from readiness on: everything takes longer, nothing is lost.
#[cfg(unix)]
pub(crate) fn nothing_is_lost_when_starved() {
    let quota = Quota::new(5).unwrap();
    stop_under_load(|victim| quota.hold(victim.pid()));
    assert!(quota.throttled() > 10, "the quota was never felt");
}

fn stop_under_load(when_ready: impl FnOnce(&Victim)) -> (Ended, Measured) {
    let dependency = Frozen::new();
    let mut victim = Victim::start_with("http", |command| {
        command.env("DEPENDENCY", &dependency.address)
    });
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    when_ready(&victim);
    let bad = Bad::clients(&address);
    let (ended, measured) = load::measure(&address, move || {
        victim.ask_to_stop();
        victim.end()
    });
    drop(bad);
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
    (ended, measured)
}

/// Windows has no signal to freeze a process by; there it is one that listens and never accepts.
const DEPENDENCY: &str = if cfg!(unix) { "dependency" } else { "mute" };

/// A dependency that has been stopped in its tracks: it can be connected to, and never answers.
struct Frozen {
    process: Option<Victim>,
    address: String,
}

impl Frozen {
    fn new() -> Self {
        let mut process = Victim::start(DEPENDENCY);
        let address = process
            .line("ADDRESS")
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned();
        process.line("READY");
        #[cfg(unix)]
        process.signal("STOP");
        Self {
            process: Some(process),
            address,
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }
}

/// Half a head, silence, a reader that does not read, an idle connection.
struct Bad {
    _silent: TcpStream,
    _half: TcpStream,
    _slow: TcpStream,
    idle: TcpStream,
}

impl Bad {
    fn clients(address: &str) -> Self {
        let connect = || TcpStream::connect(address).unwrap();
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
        Self {
            _silent: connect(),
            _half: half,
            _slow: slow,
            idle,
        }
    }
}

/// Each of them alone holds many servers for ever.
pub(crate) fn bad_clients() {
    let mut victim = Victim::start("http");
    let address = victim.line("ADDRESS").split(' ').nth(1).unwrap().to_owned();
    victim.line("READY");
    let mut bad = Bad::clients(&address);
    victim.ask_to_stop();
    let ended = victim.end();
    // FIN, not RST: the rest of the answer and a clean end can be read.
    bad.idle.read_to_end(&mut Vec::new()).unwrap();
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
