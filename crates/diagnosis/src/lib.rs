//! Explains. Measures a stuck process tree without stopping it, and says who waits for whom, and why.
//!
//! Two snapshots of everything that waits become a scene; its waits become a graph; the graph is judged; the judgement
//! keeps the evidence it rests on and is put into words. What reads an operating system lives in `linux` and `windows`
//! beside each other; everything else here is pure: it is given memory, facts and time, and can be tested with recorded
//! ones.
//!
//! Not here: when to ask (`aplomb-engine`), how it looks on a terminal (`aplomb`'s `ui`).

mod budget;
mod capture;
pub mod go;
pub mod graph;
pub mod judge;
mod memory;
mod report;
pub mod scene;
pub mod stack;
mod verdict;
mod words;

#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as system;

pub use budget::Budget;
pub use capture::{Answer, ask, capture};
pub use memory::{Mapping, Memory, ReadError};
pub use report::{Actor, Cost, Harmed, Other, Report};
pub use system::{lives, named};
pub use verdict::{Evidence, Strength, VerdictKind};
