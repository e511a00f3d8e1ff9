//! The completion port: the one thing a loop waits on.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE, WAIT_TIMEOUT};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY,
    PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::INFINITE;

use super::done;

/// Packets taken from the port at once.
const TURN: usize = 128;

/// What the port tells: which of its members, and what about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The member's name, as it was joined or posted with.
    pub key: usize,
    /// The transfer that is over, as [`super::transfer::Transfer::token`]; what a job or a post makes of it otherwise.
    pub operation: usize,
    /// Bytes carried; the message's number where a job speaks.
    pub amount: u32,
}

/// A completion port with one loop that waits on it.
#[derive(Debug)]
pub(crate) struct Port {
    handle: Arc<OwnedHandle>,
}

/// Puts packets into a port, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Poster {
    handle: Arc<OwnedHandle>,
}

impl Port {
    pub(crate) fn new() -> io::Result<Port> {
        // SAFETY: without a file handle the call makes a new port; no pointer is passed.
        let made = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, 1) };
        if made.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle was made just now, is valid, and nobody else owns it.
        let handle = unsafe { OwnedHandle::from_raw_handle(made) };
        Ok(Port {
            handle: Arc::new(handle),
        })
    }

    /// Transfers on this handle are told here from now on.
    pub(crate) fn join(&self, member: HANDLE, key: usize) -> io::Result<()> {
        // SAFETY: both handles are open for the time of the call; no pointer is passed.
        let joined = unsafe { CreateIoCompletionPort(member, self.raw(), key, 0) };
        if joined.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    pub(crate) fn poster(&self) -> Poster {
        Poster {
            handle: Arc::clone(&self.handle),
        }
    }

    pub(crate) fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }

    /// Waits for packets, at most this long; `None`: for ever. Nothing told means that the time is over.
    pub(crate) fn wait(&self, time: Option<Duration>, into: &mut Vec<Packet>) -> io::Result<()> {
        let millis = time.map_or(INFINITE, millis);
        let mut room = [OVERLAPPED_ENTRY::default(); TURN];
        let mut count = 0;
        let (first, length) = (room.as_mut_ptr(), TURN as u32);
        // SAFETY: `first` points to `length` entries and `count` to a number, all writable and ours during the call.
        let waited = unsafe {
            GetQueuedCompletionStatusEx(self.raw(), first, length, &raw mut count, millis, 0)
        };
        if let Err(error) = done(waited) {
            let over = error.raw_os_error() == Some(WAIT_TIMEOUT as i32);
            return if over { Ok(()) } else { Err(error) };
        }
        let told = room.iter().take(count as usize);
        into.extend(told.map(|entry| Packet {
            key: entry.lpCompletionKey,
            operation: entry.lpOverlapped.addr(),
            amount: entry.dwNumberOfBytesTransferred,
        }));
        Ok(())
    }
}

impl Poster {
    /// Puts a packet into the port.
    pub(crate) fn post(&self, packet: Packet) -> io::Result<()> {
        let operation = without_provenance_mut(packet.operation);
        let port = self.handle.as_raw_handle();
        // SAFETY: the port is open as long as we are; the pointer is handed through and never followed, not here and
        // not by who takes the packet.
        let posted =
            unsafe { PostQueuedCompletionStatus(port, packet.amount, packet.key, operation) };
        done(posted)
    }
}

/// Whole milliseconds, never too few.
fn millis(time: Duration) -> u32 {
    let whole = time.as_nanos().div_ceil(1_000_000);
    u32::try_from(whole).unwrap_or(INFINITE).min(INFINITE - 1)
}
