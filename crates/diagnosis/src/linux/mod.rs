//! Reads Linux. Never stops or signals what it looks at.
#![cfg(target_os = "linux")]

mod modules;

pub use modules::ProcessFiles;
