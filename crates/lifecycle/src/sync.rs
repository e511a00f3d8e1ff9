//! The locks of `cell.rs`. In `loom/` this name stands for loom's, which try every order of events.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
