//! Start and stop of the shop's order service with its three dependencies opened and closed one by one, or at once.

use std::process::{Child, Command};

use crate::process::{self, middle};

const RUNS: usize = 5;
/// What each dependency needs to warm up and to say goodbye, in ms.
const WARM_UP: u64 = 200;

pub(crate) fn table() {
    println!("\n| orders service, 3 clients of {WARM_UP} ms each | all up | stopped |\n|---|---|---|");
    let _store = shop("store", "parallel");
    let _stock = shop("stock", "parallel");
    let _payment = shop("payment", "parallel");
    for port in [7101, 7103, 7104] {
        process::until_ready(&format!("127.0.0.1:{port}"));
    }
    for order in ["sequential", "parallel"] {
        let (mut ups, mut stops) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let mut orders = shop("orders", order);
            process::until_ready("127.0.0.1:7102");
            // Readiness does not wait for optional clients; their goodbye must not meet their warm-up.
            std::thread::sleep(std::time::Duration::from_millis(WARM_UP * 5));
            let (_, exit) = process::terminate(&mut orders.0);
            assert_eq!(exit, Ok(Some(0)), "the order service did not stop clean");
            let report = std::fs::read_to_string(report("orders")).unwrap();
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            let parts = report["components"].as_array().unwrap();
            let clients = parts.iter().filter(|part| part["name"].as_str().is_some_and(|name| name.ends_with("-client")));
            // `up_after_ms` counts from the declaration, and all are declared at once.
            ups.push(clients.filter_map(|part| part["up_after_ms"].as_u64()).max().unwrap());
            stops.push(report["used_ms"].as_u64().unwrap());
        }
        let (up, stop) = (middle(&mut ups), middle(&mut stops));
        println!("| {order} | {up} ms ({}–{}) | {stop} ms ({}–{}) |", ups[0], ups[RUNS - 1], stops[0], stops[RUNS - 1]);
    }
}

/// A service of the shop; ended when dropped.
pub(crate) struct Shop(pub(crate) Child);

impl Drop for Shop {
    fn drop(&mut self) {
        // Only its end matters here.
        let _ = process::terminate(&mut self.0);
    }
}

fn report(role: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("bench-lifecycle-{}-{role}.json", std::process::id()))
}

fn shop(role: &str, order: &str) -> Shop {
    let warm_up = if role == "orders" { WARM_UP } else { 0 };
    Shop(process::start(
        environment(&mut Command::new("target/release/shop"))
            .arg(role)
            .env("SHOP_WARM_UP_MS", warm_up.to_string())
            .env("SHOP_START", order)
            .env("APLOMB_REPORT", report(role)),
    ))
}

/// Ports and a database of our own.
pub(crate) fn environment(command: &mut Command) -> &mut Command {
    for (role, port) in [("GATEWAY", 7100), ("STORE", 7101), ("ORDERS", 7102), ("PAYMENT", 7103), ("STOCK", 7104)] {
        command.env(format!("SHOP_{role}"), format!("127.0.0.1:{port}"));
    }
    let database = std::env::temp_dir().join(format!("bench-lifecycle-{}.db", std::process::id()));
    command.env("SHOP_DATABASE", database).env("SHOP_LAME_DUCK_MS", "0")
}
