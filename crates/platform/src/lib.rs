//! Acts. One list of duties, [`Platform`], and behind it one operating system or a fake one.
//!
//! The engine asks for what is to be done in the words of `aplomb-core` and is told what happened as [`Happened`].
//! Nothing here decides: when to kill, whom to ask, what counts as ready is the core's. Names are never reused where
//! the system reuses its own: a [`ProcessId`] is not a pid, a [`TreeId`] is not a group.
//!
//! The only home of `unsafe` and of operating-system `cfg`, besides the few places the house rules name.

mod abilities;
mod duties;
mod executable;
mod keepsake;
mod launch;
mod private;
mod spawn_error;

pub mod fake;
#[cfg(target_os = "linux")]
pub mod linux;
pub mod variables;
#[cfg(windows)]
pub mod windows;

/// The platform of the system this is built for.
#[cfg(target_os = "linux")]
pub use linux::Linux as Native;
#[cfg(windows)]
pub use windows::Windows as Native;

pub use abilities::{Inability, Part, inabilities, lists_accounts};
pub use duties::{
    Asking, ChannelId, Control, Happened, Holding, HostSignal, Lasting, LastingMemory, Member,
    Notification, Peer, Platform, ProcessId, Pump, PumpEvent, PumpPort, Sent, SocketId, Started,
    StreamId, TreeId, Usage,
};
pub use executable::{find_program, is_executable, program_at};
pub use keepsake::{
    Descriptor, Found, PlatformKeepsake, ProcessKeepsake, SocketKeepsake, StreamKeepsake,
    TreeKeepsake,
};
pub use launch::{Launch, Output};
pub use private::{create_private, create_private_directory, read_private};
pub use spawn_error::{SpawnError, Step};
