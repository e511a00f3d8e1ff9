//! Goroutines of a program that is written so that each waits in a way its function's name tells.
//!
//! Read from recorded memory, and, where a Go toolchain is installed, from the living program.

mod expected;
#[cfg(target_os = "linux")]
mod live;
mod recorded;
mod recording;
