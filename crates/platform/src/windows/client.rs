//! The client's end of a control pipe: plain reading and writing, each of which may wait while the other goes on.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Security::Authorization::SE_KERNEL_OBJECT;

use super::sys::pipe;
use super::sys::security::{is_trusted, own_sid};
use super::sys::transfer::{Transfer, Wire};

/// How long to wait for a serving end.
const PATIENCE: Duration = Duration::from_secs(2);
const AT_ONCE: usize = 64 << 10;

/// A connection to a pipe's server.
#[derive(Debug)]
pub struct PipeStream {
    shared: Arc<Shared>,
    reading: Transfer,
    writing: Transfer,
}

#[derive(Debug)]
struct Shared {
    wire: Arc<Wire>,
    closed: AtomicBool,
}

impl PipeStream {
    /// Connects. Errors: `NotFound` where nobody serves it; `PermissionDenied` where it is not for us, or neither ours,
    /// the administrators' nor the system's.
    pub fn connect(name: &str) -> io::Result<PipeStream> {
        let end = pipe::connect(name, PATIENCE)?;
        if !is_trusted(&end, SE_KERNEL_OBJECT)? {
            let why = "the pipe belongs to another user";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        PipeStream::over(Arc::new(Shared {
            wire: Arc::new(Wire::Pipe(end)),
            closed: AtomicBool::new(false),
        }))
    }

    fn over(shared: Arc<Shared>) -> io::Result<PipeStream> {
        Ok(PipeStream {
            shared,
            reading: Transfer::new()?,
            writing: Transfer::new()?,
        })
    }

    /// Another name for the same connection.
    pub fn try_clone(&self) -> io::Result<PipeStream> {
        PipeStream::over(Arc::clone(&self.shared))
    }

    /// Ends what is under way, under every name of the connection; nothing more can be read.
    pub fn shutdown(&self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        if let Wire::Pipe(end) = &*self.shared.wire {
            pipe::cancel_all(end);
        }
    }
}

impl Read for PipeStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.shared.closed.load(Ordering::SeqCst) {
            return Ok(0);
        }
        let room = u32::try_from(into.len().min(AT_ONCE)).unwrap_or(0);
        let carried = self
            .reading
            .read(&self.shared.wire, room)
            .and_then(|()| self.reading.settle());
        match carried {
            Ok(count) => {
                into[..count].copy_from_slice(self.reading.bytes());
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
            Err(error) => Err(error),
        }
    }
}

impl Write for PipeStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(AT_ONCE);
        self.writing.write(&self.shared.wire, &bytes[..count])?;
        self.writing.settle()
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name of the pipe an engine of this user serves where nobody names one.
pub fn usual_pipe() -> io::Result<String> {
    if super::is_elevated() {
        return Ok(r"\\.\pipe\aplomb-control".to_owned());
    }
    Ok(format!(r"\\.\pipe\aplomb-control-{}", own_sid()?))
}
