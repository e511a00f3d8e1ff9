//! What touches the operating system the client runs on: the control endpoint, interrupts, leaving the terminal.
//!
//! The only place of this crate where code may differ between systems. What each system answers in its own way stands in
//! a room of its own, under the same names.

pub(crate) mod boot;
pub(crate) mod detach;
pub(crate) mod foreground;
pub(crate) mod interrupt;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as of_system;
#[cfg(windows)]
use windows as of_system;

pub(crate) use of_system::{directories, endpoint};

use std::ffi::OsString;

/// The work of a short-lived copy of ourselves, where these words are for one; what it ends with.
#[cfg(unix)]
pub(crate) fn errand(_args: &[OsString]) -> Option<i32> {
    None
}

/// The work of a short-lived copy of ourselves, where these words are for one; what it ends with.
#[cfg(windows)]
pub(crate) fn errand(args: &[OsString]) -> Option<i32> {
    let words = args.iter().skip(1);
    let words: Option<Vec<String>> = words.map(|word| word.to_str().map(str::to_owned)).collect();
    aplomb_platform::windows::request::run(&words?)
}
