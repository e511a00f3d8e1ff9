//! The real `aplomb` with actors that misbehave: one story a file, one promise a story, its name the promise.
//!
//! Each story has directories, a home and an engine of its own, waits for events and not for time, and leaves nobody
//! behind. What needs root is skipped without it, and says so.
#![cfg(target_os = "linux")]

mod engine;
mod stage;

mod broken_file;
mod crash_loop;
mod dependency_order;
mod engine_killed;
mod engine_killed_flood;
mod engine_killed_listen;
mod engine_killed_pid_one;
mod exit_codes;
mod explained;
mod five_hundred;
mod flood;
mod forker;
mod full_disk;
mod half_line;
mod hooks;
mod instances;
mod interrupt;
mod later_load;
mod lifeline;
mod listen;
mod log_permission;
mod max_run_time;
mod names;
mod notify;
mod pause;
mod pid_one;
mod probes;
mod reload;
mod restart_dependents;
mod soak;
mod stale_socket;
mod state_file;
mod stubborn;
mod systemd_unit;
mod two_engines;
mod upgrade;
mod watchdog;
