//! Speaks. The control protocol between a client and the engine, as types: JSON, one message a line.
//!
//! A client sends [`Request`]s and receives [`Message`]s; answers carry the request's `id`, events carry none. Nothing
//! here opens a socket: messages are encoded to and decoded from byte slices. What is not understood is an error with
//! its reason, never ignored; fields added later are ignored by older readers (serde's default), so that within one
//! `VERSION` both sides may differ in age.

mod ask;
mod event;
mod line;
mod status;

pub use ask::{Ask, LoadFile, Request, StopHow};
pub use event::{Event, EventKind};
pub use line::{DecodeError, Lines, MAX_ANSWER, MAX_LINE, encode};
pub use status::{
    Answer, Explanation, Fault, FaultKind, LastRun, Member, Message, Milestones, NextStep, Outcome,
    Readiness, ServiceStatus, State, Usage, WallNanos, Wanted,
};

/// Raised when something changes that an older side would misunderstand.
pub const VERSION: u32 = 1;
