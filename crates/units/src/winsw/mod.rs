//! WinSW's definition of a service: one XML file beside its program.
//!
//! Read only, with one table of its elements ([`elements`]): what each becomes, or why it becomes nothing. The rules are
//! those of WinSW 2 and 3. A password in the file is never carried over. Variables (`%BASE%`, `%SERVICE_ID%`) are
//! replaced where the file itself settles them.

mod elements;
mod log;
mod read;
#[cfg(test)]
mod tests;
mod time;

pub use elements::{Described, described};
pub use read::read;
