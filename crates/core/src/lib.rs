//! Decides. Told what happened and the time, the core answers with actions.
//!
//! No clock, no files, no threads, no operating system: everything here is a pure function of what it was told, so
//! that every promise can be tested in simulated time. The words are those of the glossary: a *spec* is what an
//! operator wrote, free of dialect and system; an *instance* is a place where it runs; a *run* is one life of it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod because;
mod event;
mod graph;
mod instance;
pub mod quantity;
pub mod restart;
pub mod signal;
pub mod spec;
#[cfg(test)]
mod tests;
mod world;

pub use because::{Because, seconds};
pub use event::{
    Action, Checked, Do, Event, Fact, Health, How, InstanceId, Notify, Question, RunEvent, Shown,
    Target, Task, Wish,
};
pub use quantity::{Bytes, Duration, End, ExitCode, Instant, RunId, Wall};
pub use signal::Signal;
pub use spec::Spec;
pub use world::{Carried, Next, Standing, Underway, Wanted, World};
