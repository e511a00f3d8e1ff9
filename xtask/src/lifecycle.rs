//! `cargo xtask lifecycle`: what the published library promises beyond its own tests. The second signal backend, threads
//! alone, the other architecture, every order of threads (loom), undefined behaviour (miri), and its public names
//! (cargo-semver-checks).
//!
//! What a step needs and the machine lacks is said as `skipped`, with the line that brings it.

use std::process::{Command, Stdio};

use super::cargo;

const ARM: &str = "aarch64-unknown-linux-gnu";
/// What runs under miri: everything without a process, a socket or a signal of its own.
const UNDER_MIRI: [&str; 8] = [
    "cell",
    "words",
    "notify",
    "plan",
    "machine::tests::asking",
    "machine::tests::starting",
    "machine::tests::stopping",
    "unix::bell",
];

pub(crate) fn run() -> Result<(), String> {
    cargo(&library("test", &["--features", "http,raw-signals"]))?;
    cargo(&library("test", &["--no-default-features", "--lib"]))?;
    let strict = [
        "--no-default-features",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    cargo(&library("clippy", &strict))?;
    documented()?;
    on_arm()?;
    cargo(&[
        "run",
        "--locked",
        "--manifest-path",
        "crates/lifecycle/loom/Cargo.toml",
    ])?;
    under_miri()?;
    public_names()?;
    let bench = ["--locked", "--manifest-path", "bench/lifecycle/Cargo.toml"];
    cargo(&[&["clippy"], &bench[..], &["--", "-D", "warnings"]].concat())
}

fn library<'a>(verb: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[verb, "--locked", "-p", "aplomb-lifecycle"], more].concat()
}

/// No link of the documentation leads nowhere.
fn documented() -> Result<(), String> {
    let status = Command::new("cargo")
        .args(library("doc", &["--features", "http", "--no-deps"]))
        .env("RUSTDOCFLAGS", "-D warnings")
        .status();
    ended("the documentation", status)
}

fn on_arm() -> Result<(), String> {
    if !answers("rustup", &["target", "list", "--installed"]).contains(ARM) {
        return skipped("aarch64", &format!("rustup target add {ARM}"));
    }
    let raw = [
        "--no-default-features",
        "--features",
        "raw-signals",
        "--lib",
        "--target",
        ARM,
    ];
    cargo(&library("check", &raw))?;
    let (linker, emulator) = ("aarch64-linux-gnu-gcc", "qemu-aarch64");
    if answers(linker, &["--version"]).is_empty() || answers(emulator, &["--version"]).is_empty() {
        return skipped(
            "aarch64 tests",
            "apt-get install qemu-user gcc-aarch64-linux-gnu",
        );
    }
    let status = Command::new("cargo")
        .args(library("test", &raw))
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", linker)
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        )
        .status();
    ended("the tests for aarch64", status)
}

fn under_miri() -> Result<(), String> {
    if answers("cargo", &["+nightly", "miri", "--version"]).is_empty() {
        return skipped("miri", "rustup +nightly component add miri rust-src");
    }
    let status = Command::new("cargo")
        .args(["+nightly", "miri"])
        .args(library("test", &["--no-default-features", "--lib", "--"]))
        .args(UNDER_MIRI)
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .status();
    ended("miri", status)
}

/// Compares the public names with those of the last release, which a tag names.
fn public_names() -> Result<(), String> {
    if answers("cargo", &["semver-checks", "--version"]).is_empty() {
        return skipped(
            "cargo-semver-checks",
            "cargo install --locked cargo-semver-checks",
        );
    }
    let tags = answers(
        "git",
        &["tag", "--list", "lifecycle-v*", "--sort=-version:refname"],
    );
    let Some(last) = tags.lines().next() else {
        return skipped(
            "cargo-semver-checks",
            "git tag lifecycle-v0.1.0, at the first release",
        );
    };
    let baseline = [
        "semver-checks",
        "-p",
        "aplomb-lifecycle",
        "--baseline-rev",
        last,
    ];
    cargo(&baseline)
}

/// What a program says, or nothing where there is none.
fn answers(program: &str, words: &[&str]) -> String {
    let output = Command::new(program)
        .args(words)
        .stderr(Stdio::null())
        .output();
    output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "the last word of a step")]
fn skipped(what: &str, remedy: &str) -> Result<(), String> {
    println!("skipped: {what}; to have it: {remedy}");
    Ok(())
}

fn ended(what: &str, status: std::io::Result<std::process::ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{what} failed")),
        Err(why) => Err(format!("cannot run cargo: {why}")),
    }
}
