//! Carries. One loop on one thread: wait, ask the core, do what it says.
//!
//! The engine owns what the core must not know (processes, pipes, connections, files) and decides nothing the core
//! decides. It is written against [`aplomb_platform::Platform`] and runs over the fake one as well. The log pump is a
//! second loop of the same kind, on a thread of its own, that talks to this one in messages.
//!
//! Not here: reading units (`aplomb-units`), words for people (`aplomb`'s `ui`), anything of one operating system.

mod books;
mod carry;
mod desk;
mod engine;
mod explaining;
mod hold;
mod hooking;
mod hooks;
mod host;
mod http;
mod launch;
mod library;
mod load;
mod machine;
mod names;
mod notify;
mod outlet;
mod probing;
mod prove;
mod pump;
mod record;
mod requests;
mod runs;
mod state_directory;
mod status;
mod succession;
mod timers;

pub use engine::{Ending, Engine, EngineError, Options};
pub use explaining::Explainer;
pub use host::{Host, Overview, Stage};
pub use machine::Machine;
pub use record::{FORMAT, Storage, check, is_record, reads};
pub use state_directory::StateDirectory;
pub use succession::{Inheritance, Succession};
