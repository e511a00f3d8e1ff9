//! What touches the operating system the client runs on: the control endpoint, interrupts, leaving the terminal.
//!
//! The only place of this crate where code may differ between systems. What each system answers in its own way stands in
//! a room of its own, under the same names.

pub(crate) mod boot;
pub(crate) mod detach;
pub(crate) mod foreground;
pub(crate) mod interrupt;
#[cfg(any(windows, test))]
mod pace;
pub(crate) mod scm;
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

use crate::failure::Failure;

/// What the system or a copy of ourselves starts us for, and no person: what to end with.
#[cfg(unix)]
pub(crate) fn errand(_args: &[OsString]) -> Option<Result<u8, Failure>> {
    None
}

/// What the system or a copy of ourselves starts us for, and no person: what to end with.
#[cfg(windows)]
pub(crate) fn errand(args: &[OsString]) -> Option<Result<u8, Failure>> {
    if args
        .get(1)
        .is_some_and(|verb| verb == windows::service::VERB)
    {
        return Some(windows::service::run(&args[2..]));
    }
    let words = args.iter().skip(1);
    let words: Option<Vec<String>> = words.map(|word| word.to_str().map(str::to_owned)).collect();
    let code = aplomb_platform::windows::request::run(&words?)?;
    Some(Ok(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Starts an installed service that the system's own service manager carries; `None` where it carries none of that name.
pub(crate) fn start_installed(name: &str) -> Option<Result<(), Failure>> {
    let started = scm::installation::start(&mut scm::open().ok()?, name);
    match started {
        Ok(false) => None,
        Ok(true) => Some(Ok(())),
        Err(error) => Some(Err(error.into())),
    }
}

/// Hosts a service of NSSM's kind, if the service manager started us for one; what to end with.
#[cfg(unix)]
pub(crate) fn serve_registry() -> Option<Result<u8, Failure>> {
    None
}

/// Hosts a service of NSSM's kind, if the service manager started us for one; what to end with.
#[cfg(windows)]
pub(crate) fn serve_registry() -> Option<Result<u8, Failure>> {
    windows::service::run_of_registry()
}
