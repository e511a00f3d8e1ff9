//! The second signal backend (feature `raw-signals`): rt_sigaction by the system call itself. What it gains and costs
//! stands in `docs/raw-signals.md`. All of it is system calls, so all of it is in `sys.rs`.

mod sys;

pub(super) use sys::{catch, current, restore};
