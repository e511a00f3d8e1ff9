//! Builds the probes: the small C programs in `probe/` that are started, watched and compared with.
//!
//! C and not Rust, because the child and the raw loops are to be as little as the system allows,
//! and because vfork cannot be had in Rust without pretending.

use std::fs;
use std::path::Path;

use crate::obtain::run;
use crate::trouble::{Outcome, Trouble};

/// Without libc: a process of two pages.
const BARE: &[&str] = &[
    "-O2",
    "-ffreestanding",
    "-nostdlib",
    "-static",
    "-fno-pie",
    "-no-pie",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-tree-loop-distribute-patterns",
    "-Wl,-z,noseparate-code,--build-id=none",
];
const LIBC: &[&str] = &["-O2", "-static"];

const PROBES: &[(&str, &[&str])] = &[
    ("child", BARE),
    ("launch", BARE),
    ("writer", BARE),
    ("raw", LIBC),
    ("rawlog", LIBC),
];

/// Builds all into `directory` with the system's C compiler.
pub(crate) fn build(sources: &Path, directory: &Path) -> Outcome<()> {
    fs::create_dir_all(directory).map_err(|why| Trouble::at(directory, why))?;
    for (name, flags) in PROBES {
        let source = sources.join(format!("{name}.c")).display().to_string();
        let target = directory.join(name).display().to_string();
        let mut words = flags.to_vec();
        words.extend(["-Wall", "-Wextra", "-Werror", "-s", "-o", &target, &source]);
        run("cc", &words)?;
    }
    Ok(())
}
