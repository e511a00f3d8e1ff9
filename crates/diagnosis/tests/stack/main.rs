//! Stacks of real programs, compiled here, whose functions call each other in an order the test knows.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod corpus;
mod hostile;
mod native;
mod process;
