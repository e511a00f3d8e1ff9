//! Explains. Measures a stuck process tree without stopping it, and says who waits for whom, and why.
//!
//! Two snapshots of everything that waits become a graph; the graph is judged; the judgement keeps the evidence it
//! rests on. What reads an operating system lives in `linux` and `windows` beside each other; everything else here is
//! pure: it is given memory, facts and time, and can be tested with recorded ones.
//!
//! Not here: when to ask (`aplomb-engine`), how it looks on a terminal (`aplomb`'s `ui`).

pub mod linux;
mod memory;
pub mod stack;

pub use memory::{Mapping, Memory, ReadError};
