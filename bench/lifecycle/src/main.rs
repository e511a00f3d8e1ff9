//! Measures what the lifecycle library claims: stops under load beside its peers, parallel start and stop, work handed off.
//!
//! `cargo run --release --manifest-path bench/lifecycle/Cargo.toml [stop|http2|start|hand-off]`, from the root of the repository.
//! It builds what it needs, prints tables, and keeps nothing.

#[path = "../../../crates/lifecycle/tests/e2e/frames.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod frames;
mod hand_off;
mod http2;
#[path = "../../../crates/lifecycle/tests/e2e/load.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "shared with the tests, which use more of it")]
mod load;
mod plain;
mod process;
#[path = "../../../crates/lifecycle/tests/e2e/quota.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod quota;
mod servers;
mod start;
mod stop;

use std::process::Command;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    if what == "plain-axum" {
        return plain::serve();
    }
    let built = Command::new("cargo").args(["build", "--release", "-p", "http-service", "-p", "shop"]).status();
    assert!(built.is_ok_and(|status| status.success()), "the examples do not build");
    if matches!(what.as_str(), "" | "stop") {
        stop::table();
    }
    if matches!(what.as_str(), "" | "http2") {
        http2::table();
    }
    if matches!(what.as_str(), "" | "start") {
        start::table();
    }
    if matches!(what.as_str(), "" | "hand-off") {
        hand_off::table();
    }
}
