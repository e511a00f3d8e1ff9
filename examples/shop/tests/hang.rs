//! Each way to hang does what it says, ends where it can be ended, and is named in the report of a stop that meets it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test: whatever is missing ends it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);
/// What hangs has not answered by then; what does not hang answers in a few milliseconds.
const A_WHILE: Duration = Duration::from_millis(700);

/// The store of a shop, alone.
struct Store {
    process: Child,
    address: String,
    files: PathBuf,
}

impl Store {
    fn ready(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let files = std::env::temp_dir().join(format!("shop-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&files).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_shop"))
            .arg("store")
            .env("SHOP_STORE", &address)
            .env("SHOP_DATABASE", files.join("shop.db"))
            .env("SHOP_LAME_DUCK_MS", "0")
            .env("APLOMB_GRACE", "5s")
            .env("APLOMB_REPORT", files.join("report.json"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let store = Self {
            process,
            address,
            files,
        };
        let begun = Instant::now();
        while TcpStream::connect(&store.address).is_err() || store.status("GET", "/readyz") != 200 {
            assert!(begun.elapsed() < PATIENCE, "not ready");
            std::thread::sleep(Duration::from_millis(5));
        }
        store
    }

    /// Sends a request, and returns what its answer will come on.
    fn asked(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    fn status(&self, method: &str, path: &str) -> u16 {
        answer(self.asked(method, path, "1"))
    }

    fn turn(&self, way: &str, on: bool) {
        let method = if on { "POST" } else { "DELETE" };
        assert_eq!(self.status(method, &format!("/hang/{way}")), 200, "{way}");
    }

    fn stop(mut self) -> Value {
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").arg(pid).status().unwrap();
        assert!(asked.success());
        let begun = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "still there");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "over its grace period"
        );
        let report = std::fs::read(self.files.join("report.json")).unwrap();
        serde_json::from_slice(&report).unwrap()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Gone already, unless a test has failed.
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_dir_all(&self.files).ok();
    }
}

fn answer(mut stream: TcpStream) -> u16 {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

fn hangs(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(A_WHILE)).unwrap();
    let read = stream.read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// What a component of the report had in hand when it was cut.
fn cut_off(report: &Value, component: &str) -> String {
    let components = report["components"].as_array().unwrap();
    let found = components.iter().find(|one| one["name"] == component);
    found.unwrap_or_else(|| panic!("no `{component}`: {report:#}"))["cut_off"].to_string()
}

const RESERVE: (&str, &str) = ("POST", "/stock/tea/reserve");
const LEVEL: (&str, &str) = ("GET", "/stock/tea");

#[test]
fn a_held_database_lock_holds_writers_and_lets_readers_pass() {
    let store = Store::ready("lock");
    store.turn("database-lock", true);
    assert_eq!(store.status(LEVEL.0, LEVEL.1), 200);
    let mut writer = store.asked(RESERVE.0, RESERVE.1, "1");
    assert!(hangs(&mut writer));
    store.turn("database-lock", false);
    assert_eq!(answer(writer), 200);

    store.turn("database-lock", true);
    let mut writer = store.asked(RESERVE.0, RESERVE.1, "1");
    assert!(hangs(&mut writer));
    let report = store.stop();
    assert!(
        cut_off(&report, "http").contains("POST /stock/tea/reserve ("),
        "{report:#}"
    );
    let db = cut_off(&report, "db");
    assert!(
        db.contains("1 of 8 connections out, taken at ") && db.contains("pool.rs:"),
        "{db}"
    );
}

#[test]
fn leaked_connections_starve_everybody_and_the_close() {
    let store = Store::ready("leak");
    store.turn("pool-leak", true);
    let mut reader = store.asked(LEVEL.0, LEVEL.1, "");
    assert!(hangs(&mut reader));
    store.turn("pool-leak", false);
    assert_eq!(answer(reader), 200);

    store.turn("pool-leak", true);
    let report = store.stop();
    let db = cut_off(&report, "db");
    assert!(db.contains("8 of 8 connections out, taken at "), "{db}");
    assert_eq!(report["exit"], 124);
}

#[test]
fn a_call_without_a_timeout_never_ends() {
    let store = Store::ready("timeout");
    store.turn("no-timeout", true);
    let mut stuck = store.asked(LEVEL.0, LEVEL.1, "");
    assert!(hangs(&mut stuck));
    store.turn("no-timeout", false);
    assert_eq!(store.status(LEVEL.0, LEVEL.1), 200);
    // Off for new requests only: the one that asks already is not helped.
    assert!(hangs(&mut stuck));
    let report = store.stop();
    assert!(
        cut_off(&report, "http").contains("GET /stock/tea ("),
        "{report:#}"
    );
}

#[test]
fn two_dead_locked_threads_take_every_request_with_them() {
    let store = Store::ready("deadlock");
    store.turn("deadlock", true);
    assert_eq!(store.status("DELETE", "/hang/deadlock"), 409);
    let mut stuck = store.asked(LEVEL.0, LEVEL.1, "");
    assert!(hangs(&mut stuck));
    let report = store.stop();
    assert_eq!(
        report["threads_left"],
        serde_json::json!(["till-first", "ledger-first"])
    );
    assert!(
        cut_off(&report, "http").contains("GET /stock/tea ("),
        "{report:#}"
    );
}

#[test]
fn a_spinning_thread_burns_a_processor() {
    let store = Store::ready("spin");
    // The fourteenth field is time in user mode, in hundredths of a second.
    let burnt = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", store.process.id())).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1;
        fields.split(' ').nth(11).unwrap().parse().unwrap()
    };
    store.turn("spin", true);
    let (before, begun) = (burnt(), Instant::now());
    while burnt() < before + 30 {
        assert!(begun.elapsed() < PATIENCE, "nothing is burnt");
        std::thread::sleep(Duration::from_millis(20));
    }
    // It harms nobody else.
    assert_eq!(store.status(LEVEL.0, LEVEL.1), 200);
    let report = store.stop();
    assert_eq!(report["threads_left"], serde_json::json!(["spinner"]));
}
