//! What the streams of one loop share: a buffer, the local time, the facts to tell, the files to compress.
//!
//! A stream by itself stays small because everything it needs only while writing lies here.

use std::fmt::Debug;
use std::io;

use crate::clock::{Now, Zone};
use crate::compress::{Compression, Progress};
use crate::fact::Fact;
use crate::files::{Disk, Files};
use crate::ledger::{Ledger, Told};
use crate::settings::Origin;

/// Where lines go that are not kept in files. Neither may wait: what cannot be taken is refused, and counted here.
pub trait Carrier: Debug + Send {
    /// Sends one datagram of the journal's native protocol.
    ///
    /// # Errors
    /// Whatever the socket says; the entry counts as lost.
    fn journal(&mut self, datagram: &[u8]) -> io::Result<()>;

    /// Writes whole lines to the engine's own output.
    ///
    /// # Errors
    /// If none of them can be taken; they count as lost.
    fn inherit(&mut self, from: Origin, lines: &[u8]) -> io::Result<()>;
}

/// Shared by all streams of a loop. Each call leaves its facts here, to be drained by the caller, who knows which
/// stream it called.
#[derive(Debug)]
pub struct Desk {
    pub facts: Vec<Fact>,
    pub(crate) compression: Compression,
    pub(crate) zone: Zone,
    pub(crate) scratch: Vec<u8>,
    pub(crate) datagram: Vec<u8>,
    pub(crate) files: Box<dyn Files>,
    pub(crate) carrier: Box<dyn Carrier>,
}

impl Desk {
    /// A desk over the real file system. `zone` is the operator's, for local timestamps and rotation by the clock.
    pub fn new(zone: Zone, carrier: Box<dyn Carrier>) -> Desk {
        Desk::over(Box::new(Disk), zone, carrier)
    }

    /// As [`Desk::new`]; the ledger hears of what is done to log files, before it is done.
    pub fn told(zone: Zone, carrier: Box<dyn Carrier>, ledger: Box<dyn Ledger>) -> Desk {
        Desk::over(Box::new(Told::new(ledger)), zone, carrier)
    }

    pub(crate) fn over(files: Box<dyn Files>, zone: Zone, carrier: Box<dyn Carrier>) -> Desk {
        Desk {
            facts: Vec::new(),
            compression: Compression::default(),
            zone,
            scratch: Vec::new(),
            datagram: Vec::new(),
            files,
            carrier,
        }
    }

    /// Compresses rotated files, reading at most so many bytes: a megabyte is some ten milliseconds of work. To be
    /// called when there is nothing better to do, until it is `Idle`.
    pub fn compress(&mut self, budget: usize, now: Now) -> Progress {
        self.compression.step(budget, now.instant, &mut *self.files)
    }
}
