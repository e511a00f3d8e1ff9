//! The client as a person or a script meets it: the real program, in a home of its own, against an engine that plays
//! from a script. Whole outputs are compared, so that a changed word is a decision.
//!
//! On Linux; `windows` is its counterpart there.

#![cfg(unix)]

mod engine;
mod home;
mod snapshot;

mod asks;
mod files;
mod forms;
mod helps;
mod installed;
mod logs;
mod real;
mod trouble;
mod up;
#[cfg(target_os = "linux")]
mod why;
