//! What touches the operating system the client runs on: the control endpoint, interrupts, leaving the terminal.
//!
//! The only place of this crate where code may differ between systems.

pub(crate) mod boot;
pub(crate) mod detach;
pub(crate) mod directories;
pub(crate) mod endpoint;
pub(crate) mod foreground;
pub(crate) mod interrupt;
pub(crate) mod keeping;
