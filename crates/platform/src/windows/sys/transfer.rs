//! One transfer at a time over a pipe or a socket, carried out by the system while we do other things.
//!
//! The system writes into memory of ours until it says that it is done, so that memory lies in a box that is not let go
//! of before: who drops a transfer under way cancels it and waits for the answer. Pipes and sockets answer a
//! cancellation at once.

use std::cell::UnsafeCell;
use std::io;
use std::net::SocketAddr;
use std::os::windows::io::{
    AsRawHandle, AsRawSocket, FromRawHandle, OwnedHandle, OwnedSocket, RawHandle,
};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Networking::WinSock::{WSAGetLastError, WSAGetOverlappedResult};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;
use windows_sys::Win32::System::Threading::CreateEventW;

use super::{done, socket};

/// What a transfer goes over.
#[derive(Debug)]
pub(crate) enum Wire {
    Pipe(OwnedHandle),
    Socket(OwnedSocket),
}

impl Wire {
    pub(crate) fn raw(&self) -> RawHandle {
        match self {
            Wire::Pipe(handle) => handle.as_raw_handle(),
            Wire::Socket(socket) => socket.as_raw_socket() as RawHandle,
        }
    }
}

/// Room for one transfer, used again and again.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// In a box, because the system keeps its address.
    overlapped: Box<UnsafeCell<OVERLAPPED>>,
    /// Set by the system when the transfer is over; what a drop waits for.
    over: OwnedHandle,
    /// Never grown or shrunk while a transfer is under way.
    buffer: Vec<u8>,
    under_way: Option<Arc<Wire>>,
}

// SAFETY: the system does not care which thread holds the memory; nothing in it is bound to the one that began.
unsafe impl Send for Transfer {}

impl Transfer {
    pub(crate) fn new() -> io::Result<Transfer> {
        // SAFETY: no name and no attributes: a new event of our own, that stays set until it is reset.
        let event = unsafe { CreateEventW(null(), 1, 0, null()) };
        if event.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Transfer {
            overlapped: Box::new(UnsafeCell::new(OVERLAPPED::default())),
            // SAFETY: made just now, valid, owned by nobody else.
            over: unsafe { OwnedHandle::from_raw_handle(event) },
            buffer: Vec::new(),
            under_way: None,
        })
    }

    /// What a packet of this transfer carries as its operation.
    pub(crate) fn token(&self) -> usize {
        self.overlapped.get().addr()
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// What was read. Only for one that is over.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Begins to read up to `room` bytes. `Ok` means that a packet will follow.
    pub(crate) fn read(&mut self, wire: &Arc<Wire>, room: u32) -> io::Result<()> {
        let overlapped = self.blank();
        self.buffer.resize(room as usize, 0);
        let buffer = self.buffer.as_mut_ptr();
        // SAFETY: the buffer holds `room` bytes; it and the structure stay where they are until the transfer is over
        // (see `Drop`), and the wire is kept open by the Arc taken in `begun`.
        let answer = unsafe { ReadFile(wire.raw(), buffer, room, null_mut(), overlapped) };
        self.begun(wire, done(answer))
    }

    /// Begins to write a copy of these bytes. `Ok` means that a packet will follow.
    pub(crate) fn write(&mut self, wire: &Arc<Wire>, bytes: &[u8]) -> io::Result<()> {
        let overlapped = self.blank();
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let buffer = self.buffer.as_ptr();
        // SAFETY: as for reading; `length` is not more than the buffer has.
        let answer = unsafe { WriteFile(wire.raw(), buffer, length, null_mut(), overlapped) };
        self.begun(wire, done(answer))
    }

    /// Begins to wait for a client on a pipe's serving end. `Ok(true)`: a packet will follow. `Ok(false)`: one is there.
    pub(crate) fn accept(&mut self, wire: &Arc<Wire>) -> io::Result<bool> {
        const ERROR_PIPE_CONNECTED: i32 = 535;
        let overlapped = self.blank();
        // SAFETY: the structure stays where it is until the transfer is over, the pipe open as long.
        let answer = unsafe { ConnectNamedPipe(wire.raw(), overlapped) };
        match self.begun(wire, done(answer)) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_CONNECTED) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to connect a socket. `Ok` means that a packet will follow.
    pub(crate) fn connect(&mut self, wire: &Arc<Wire>, to: SocketAddr) -> io::Result<()> {
        let Wire::Socket(socket) = &**wire else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let overlapped = self.blank();
        let answer = socket::connect(socket, to, overlapped);
        self.begun(wire, answer)
    }

    /// How a transfer came out whose packet has arrived: the bytes carried.
    pub(crate) fn finish(&mut self) -> io::Result<usize> {
        let wire = self.under_way.take().ok_or(io::ErrorKind::NotConnected)?;
        let carried = self.result(&wire, 0);
        self.buffer.truncate(carried.as_ref().copied().unwrap_or(0));
        carried
    }

    /// Waits until the transfer under way is over: the bytes carried.
    pub(crate) fn settle(&mut self) -> io::Result<usize> {
        let wire = self.under_way.take().ok_or(io::ErrorKind::NotConnected)?;
        let carried = self.result(&wire, 1);
        self.buffer.truncate(carried.as_ref().copied().unwrap_or(0));
        carried
    }

    /// A clean structure for the next transfer; nothing is under way.
    fn blank(&mut self) -> *mut OVERLAPPED {
        debug_assert!(self.under_way.is_none(), "one at a time");
        let overlapped = self.overlapped.get_mut();
        *overlapped = OVERLAPPED::default();
        overlapped.hEvent = self.over.as_raw_handle();
        self.overlapped.get()
    }

    fn begun(&mut self, wire: &Arc<Wire>, answer: io::Result<()>) -> io::Result<()> {
        match answer {
            Err(error) if error.raw_os_error() != Some(ERROR_IO_PENDING as i32) => {
                self.buffer.clear();
                Err(error)
            }
            // Also one that is over already is told by a packet.
            Ok(()) | Err(_) => {
                self.under_way = Some(Arc::clone(wire));
                Ok(())
            }
        }
    }

    fn result(&self, wire: &Wire, wait: i32) -> io::Result<usize> {
        let overlapped = self.overlapped.get();
        let mut carried = 0;
        let answer = match wire {
            Wire::Pipe(pipe) => {
                let pipe: HANDLE = pipe.as_raw_handle();
                // SAFETY: the structure is the one the transfer was begun with on this very handle.
                done(unsafe { GetOverlappedResult(pipe, overlapped, &raw mut carried, wait) })
            }
            Wire::Socket(socket) => {
                let (socket, mut flags) = (socket.as_raw_socket() as usize, 0);
                let (carried, flags) = (&raw mut carried, &raw mut flags);
                // SAFETY: as above; both numbers are ours.
                let answer =
                    unsafe { WSAGetOverlappedResult(socket, overlapped, carried, wait, flags) };
                if answer == 0 {
                    // SAFETY: reads a number of this thread.
                    let error = unsafe { WSAGetLastError() };
                    Err(io::Error::from_raw_os_error(error))
                } else {
                    Ok(())
                }
            }
        };
        answer.map(|()| carried as usize)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let Some(wire) = self.under_way.take() else {
            return;
        };
        // SAFETY: the structure is the one the transfer was begun with; that it may be over already is allowed.
        unsafe { CancelIoEx(wire.raw(), self.overlapped.get()) };
        // Cancelled or done: either way the system has let go of our memory when this returns.
        let _ = self.result(&wire, 1);
    }
}
