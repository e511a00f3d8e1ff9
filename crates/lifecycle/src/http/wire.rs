//! A TCP stream that knows how its connection stands: between requests, in a half-sent head, or stuck on a slow reader;
//! and that closes in two steps, so that a request on its way meets FIN instead of RST.
//!
//! After an upgrade (WebSocket) the stream belongs to the program's own code. It still counts as open, is named while a stop
//! waits for it, and ends when time runs short.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::server::Counted;
use crate::ctx::{Ctx, InFlight};

/// How long we go on reading after our FIN, for the client's.
const LINGER: Duration = Duration::from_secs(1);

/// How a connection stands. Shared by its stream, its service and the task that watches it.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) under_way: AtomicU32,
    pub(super) served: AtomicBool,
    pub(super) is_h2: AtomicBool,
    times: Mutex<Times>,
    pub(super) changed: Notify,
    is_upgraded: AtomicBool,
    /// The request that was answered by an upgrade, in flight for as long as the stream lives.
    upgrade: Mutex<Option<InFlight>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Since when nothing has been asked.
    pub(super) idle: Instant,
    /// Since when a head is half sent.
    pub(super) head: Option<Instant>,
    /// Since when the client reads nothing of what we write.
    pub(super) stalled: Option<Instant>,
}

impl Standing {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            under_way: AtomicU32::new(0),
            served: AtomicBool::new(false),
            is_h2: AtomicBool::new(false),
            times: Mutex::new(Times {
                idle: Instant::now(),
                head: None,
                stalled: None,
            }),
            changed: Notify::new(),
            is_upgraded: AtomicBool::new(false),
            upgrade: Mutex::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn times(&self) -> Times {
        *self.lock()
    }

    pub(super) fn request_began(&self) {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.served.store(true, Ordering::SeqCst);
        self.lock().head = None;
        self.changed.notify_one();
    }

    pub(super) fn request_ended(&self) {
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        self.lock().idle = Instant::now();
        self.changed.notify_one();
    }

    /// From here on the stream is the program's own.
    pub(super) fn upgraded(&self, flight: Option<InFlight>) {
        self.is_upgraded.store(true, Ordering::SeqCst);
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = flight;
    }

    /// Lands the request that had been upgraded, if one had.
    fn closed(&self) {
        drop(
            self.upgrade
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    fn bytes_came(&self) {
        if self.under_way.load(Ordering::SeqCst) == 0 {
            self.lock().head.get_or_insert_with(Instant::now);
        }
    }

    fn wrote(&self, all_taken: bool) {
        let mut times = self.lock();
        if all_taken {
            times.stalled = None;
        } else if times.stalled.is_none() {
            times.stalled = Some(Instant::now());
            drop(times);
            self.changed.notify_one();
        }
    }
}

pub(super) struct Wire {
    stream: TcpStream,
    standing: Arc<Standing>,
    closing: Option<Pin<Box<Sleep>>>,
    /// Time runs short; asked only after an upgrade.
    hurry: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
    /// Open until here, whoever owns the stream.
    _counted: Counted,
}

impl Wire {
    pub(super) fn new(
        stream: TcpStream,
        standing: Arc<Standing>,
        drain: &Ctx,
        counted: Counted,
    ) -> Self {
        Self {
            stream,
            standing,
            closing: None,
            hurry: Box::pin(drain.hurry()),
            _counted: counted,
        }
    }

    /// True when an upgraded stream has to end.
    fn is_cut(&mut self, context: &mut Context<'_>) -> bool {
        self.standing.is_upgraded.load(Ordering::SeqCst)
            && self.hurry.as_mut().poll(context).is_ready()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.standing.closed();
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_cut(context) {
            // The end of the stream: whoever reads comes to it, and closes.
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.standing.bytes_came();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.standing.wrote(written.is_ready());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.standing.wrote(written.is_ready());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Sends FIN, then reads on until the client's FIN or the linger time: closing with unread bytes would send RST, and
    /// RST may destroy the answer the client has not read yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            std::task::ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.closing = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        let this = &mut *self;
        let mut bytes = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        match &mut this.closing {
            Some(linger) => linger.as_mut().poll(context).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}
