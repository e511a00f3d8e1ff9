//! `cargo xtask bench …`: builds Aplomb and the benchmark in release, then lets the benchmark run.
//!
//! The benchmark is a workspace of its own (`bench/`), so that nothing else here is slower for it.
//! Every word behind `bench` is passed on; without `--aplomb PATH` the present sources are measured.

use std::env;

pub(crate) fn run() -> Result<(), String> {
    let words: Vec<String> = env::args().skip(2).collect();
    if !words.iter().any(|word| word == "--aplomb") {
        super::cargo(&["build", "--release", "--locked", "--bin", "aplomb"])?;
    }
    let mut arguments = vec![
        "run",
        "--release",
        "--locked",
        "--quiet",
        "--manifest-path",
        "bench/Cargo.toml",
        "--",
    ];
    arguments.extend(words.iter().map(String::as_str));
    super::cargo(&arguments)
}
