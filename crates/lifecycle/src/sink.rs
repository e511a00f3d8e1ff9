//! A writer whose last bytes are not lost: buffered while the program runs, written out in its stage, unbuffered after.
//!
//! Programs lose their last log lines because the buffer dies with the process. A sink is a component, so it is flushed
//! when everything that could still log is over; and because something always logs later still (the end of `main`, a
//! destructor), it then writes straight through.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::app::App;
use crate::ctx::Ctx;
use crate::life::record::LOG_BYTES;
use crate::part::Part;

/// A full buffer is written out by whoever fills it.
const FULL: usize = 64 * 1024;
/// No byte waits longer than this, unless the writer does not take it.
const EVERY: Duration = Duration::from_millis(500);

/// A buffered writer that is written out at the stop; made with [`App::sink`]. Clones write to the same place.
///
/// ```no_run
/// # fn register(app: &aplomb_lifecycle::App) -> std::io::Result<()> {
/// use std::io::Write;
/// use aplomb_lifecycle::Stage;
///
/// let mut log = app.sink(Stage::TELEMETRY.part("log"), std::fs::File::create("orders.log")?);
/// writeln!(log, "one line, whole, in the order of the calls")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sink(Arc<Mutex<Buffered>>);

struct Buffered {
    writer: Box<dyn Write + Send>,
    waiting: Vec<u8>,
    /// The last flush is over: nobody would come for what waits.
    through: bool,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").finish_non_exhaustive()
    }
}

impl Buffered {
    fn write_out(&mut self) -> io::Result<u64> {
        let bytes = std::mem::take(&mut self.waiting);
        self.writer.write_all(&bytes)?;
        self.writer.flush()?;
        Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }
}

impl Sink {
    fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes out twice a second until the stop, a last time then, and nothing is held back from there on.
    fn carry(&self, ctx: &Ctx) -> io::Result<()> {
        loop {
            let over = ctx.park_timeout(EVERY);
            let mut buffered = self.lock();
            buffered.through |= over;
            let bytes = buffered.write_out().inspect_err(|_| {
                // Nobody would come for what waits; from here on whoever writes is told.
                buffered.through = true;
            });
            if over {
                ctx.count(LOG_BYTES, bytes?);
                return Ok(());
            }
            bytes?;
        }
    }
}

impl Write for Sink {
    /// Takes all of `bytes`, in one piece.
    ///
    /// # Errors
    /// What the writer says, when the buffer is full or the stop is over.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffered = self.lock();
        buffered.waiting.extend_from_slice(bytes);
        if buffered.through || buffered.waiting.len() >= FULL {
            buffered.write_out()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().write_out().map(drop)
    }
}

impl App {
    /// Puts a buffer before `writer` that is written out twice a second, when 64 KiB wait, and in the part's stage (take
    /// [`crate::Stage::TELEMETRY`] for logs); after that every write goes straight through. What the last flush saved is
    /// counted in the report as `log_bytes_flushed`.
    ///
    /// A writer that blocks blocks those who fill the buffer; a stop then names the component and goes on without it.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use std::io::{self, Write};
    /// use aplomb_lifecycle::{Stage, app};
    ///
    /// struct Line(std::sync::mpsc::Sender<Vec<u8>>);
    /// impl Write for Line {
    ///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
    ///         self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
    ///         Ok(bytes.len())
    ///     }
    ///     fn flush(&mut self) -> io::Result<()> { Ok(()) }
    /// }
    ///
    /// let (sender, written) = channel();
    /// app("batch").run_sync(move |app| {
    ///     let mut log = app.sink(Stage::TELEMETRY.part("log"), Line(sender));
    ///     writeln!(log, "the last line")?;
    ///     app.stop();
    ///     Ok(())
    /// });
    /// assert_eq!(written.iter().flatten().collect::<Vec<u8>>(), b"the last line\n");
    /// ```
    pub fn sink(&self, part: Part, writer: impl Write + Send + 'static) -> Sink {
        let sink = Sink(Arc::new(Mutex::new(Buffered {
            writer: Box::new(writer),
            waiting: Vec::new(),
            through: false,
        })));
        let own = sink.clone();
        self.thread(part, move |ctx| Ok(own.carry(&ctx)?));
        sink
    }
}
