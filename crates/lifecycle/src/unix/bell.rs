//! The stop as a file descriptor, for programs that wait in poll.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;

use crate::ctx::Ctx;
use crate::machine::Level;

/// A pipe nobody writes to: closing its writing end makes the reading end readable for good.
#[derive(Debug)]
pub(crate) struct Bell {
    reader: PipeReader,
    writer: Option<PipeWriter>,
}

impl Bell {
    pub(crate) fn ring(&mut self) {
        self.writer = None;
    }
}

impl Ctx {
    /// A descriptor that is readable from the stop on, for poll loops (Unix). It is yours; nothing needs to be read from it.
    ///
    /// ```no_run
    /// # fn component(ctx: aplomb_lifecycle::Ctx) -> std::io::Result<()> {
    /// let stop = ctx.as_fd()?;
    /// // add it to your poll set, for reading
    /// # drop(stop); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn as_fd(&self) -> std::io::Result<OwnedFd> {
        let mut seen = self.cell.seen();
        if let Some(bell) = &seen.bell {
            return Ok(bell.reader.try_clone()?.into());
        }
        let (reader, writer) = std::io::pipe()?;
        let own = reader.try_clone()?;
        let writer = (seen.level < Level::Stop).then_some(writer);
        seen.bell = Some(Bell { reader, writer });
        Ok(own.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Duration;

    use super::*;
    use crate::cell::Cell;

    #[test]
    fn a_descriptor_taken_before_the_stop_becomes_readable_with_it() {
        let (post, _inbox) = crate::os::mailbox().unwrap();
        let link = crate::life::Link { post, group: 0 };
        let cell = Cell::new("x".into());
        let ctx = Ctx {
            cell: cell.clone(),
            whole: cell.clone(),
            link,
            id: crate::PartId(0),
            run: 1,
        };
        let mut before = std::fs::File::from(ctx.as_fd().unwrap());
        let reading = std::thread::spawn(move || before.read(&mut [0; 1]).unwrap());
        assert!(!ctx.park_timeout(Duration::from_millis(1)));
        cell.tell(Level::Stop, None);
        assert_eq!(reading.join().unwrap(), 0);
        assert_eq!(
            std::fs::File::from(ctx.as_fd().unwrap())
                .read(&mut [0; 1])
                .unwrap(),
            0
        );
    }
}
