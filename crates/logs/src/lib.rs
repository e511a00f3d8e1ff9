//! Keeps what services write: framing, rotation, retention, and the way back for `aplomb logs`.
//!
//! Told what a pipe gave and what time it is, a [`Stream`] brings whole lines to a file, to the journal or to the
//! engine's own output; what several streams share lies on a [`Desk`]. It waits for nothing, reads no clock, starts no
//! thread and returns no errors: what cannot be stored is dropped, counted and said. Reading from pipes, waiting and
//! sockets are the engine's.
#![forbid(unsafe_code)]

mod clock;
mod compress;
mod desk;
mod fact;
mod file;
mod files;
mod gate;
mod index;
pub mod journal;
mod ledger;
mod loss;
mod name;
pub mod read;
mod rotated;
mod settings;
mod stream;

pub use clock::{Now, Wall, Zone};
pub use compress::Progress;
pub use desk::{Carrier, Desk};
pub use fact::{Because, Fact, Fault};
pub use index::{Mark, marks};
pub use ledger::{Ledger, Step, undo};
pub use loss::Loss;
pub use name::{service_of, stem};
pub use settings::{Origin, Outputs, Settings, Sink};
pub use stream::Stream;

#[cfg(test)]
mod tests;
