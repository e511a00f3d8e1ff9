//! The real `aplomb` with actors that misbehave: one story a file, one promise a story, its name the promise.
//!
//! Each story has directories, a home and an engine of its own, waits for events and not for time, and leaves nobody
//! behind. What needs root is skipped without it, and says so.
#![cfg(target_os = "linux")]

mod engine;
mod stage;

mod crash_loop;
mod dependency_order;
mod exit_codes;
mod flood;
mod forker;
mod half_line;
mod notify;
mod probes;
mod stubborn;
mod watchdog;
