//! Programs that are stuck, or look as if they were, and what is to be said of each.
//!
//! Every case is a program of its own that says who it will be stuck at before it is; the answer is held against that.
//! An answer that is marked certain must be right the first time it is given.
#![cfg(target_os = "linux")]

mod between;
mod cpp;
mod healthy;
mod locks;
mod moving;
mod python;
mod rust;
mod stage;
