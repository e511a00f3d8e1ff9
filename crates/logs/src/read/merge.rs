//! Several logs as one, by time.
//!
//! Lines of one log never change places, even if the clock went back between them; lines of equal time stand in the
//! order of their readers.

use std::collections::VecDeque;

use super::{Line, ReadError, Reader};

/// Interleaves readers.
#[derive(Debug)]
pub struct Merge {
    logs: Vec<(Reader, Option<Line>)>,
}

impl Merge {
    /// Nothing is read yet; call `refresh`.
    pub fn new(readers: Vec<Reader>) -> Merge {
        let logs = readers.into_iter().map(|reader| (reader, None)).collect();
        Merge { logs }
    }

    /// Asks the readers that had nothing whether they have now. At the beginning, and whenever a file changed.
    ///
    /// # Errors
    /// If a file cannot be read; called again it goes on behind it.
    pub fn refresh(&mut self) -> Result<(), ReadError> {
        for (reader, head) in &mut self.logs {
            if head.is_none() {
                *head = reader.next()?;
            }
        }
        Ok(())
    }

    /// The earliest line at hand; `None` when no reader has any, until the next `refresh`.
    ///
    /// # Errors
    /// If a file cannot be read; called again it goes on behind it.
    #[expect(
        clippy::should_implement_trait,
        reason = "`None` is not the end, as an iterator's would be"
    )]
    pub fn next(&mut self) -> Result<Option<Line>, ReadError> {
        let earliest = self
            .logs
            .iter_mut()
            .filter(|(_, head)| head.is_some())
            .min_by_key(|(_, head)| head.as_ref().and_then(|line| line.time));
        let Some((reader, head)) = earliest else {
            return Ok(None);
        };
        let line = head.take();
        match reader.next() {
            Ok(next) => *head = next,
            Err(error) => {
                // The line is not lost for the fault behind it.
                *head = line;
                return Err(error);
            }
        }
        Ok(line)
    }

    /// The last so many lines of all together; the readers are then at their ends.
    ///
    /// # Errors
    /// As `next`.
    pub fn last(&mut self, lines: usize) -> Result<Vec<Line>, ReadError> {
        self.refresh()?;
        let mut last = VecDeque::new();
        while let Some(line) = self.next()? {
            if last.len() == lines {
                last.pop_front();
            }
            if lines > 0 {
                last.push_back(line);
            }
        }
        Ok(last.into())
    }

    /// Last lines without a line break, for those who will not ask again.
    pub fn rest(&mut self) -> Vec<Line> {
        let mut rest: Vec<Line> = self
            .logs
            .iter_mut()
            .filter_map(|(reader, _)| reader.rest())
            .collect();
        rest.sort_by_key(|line| line.time);
        rest
    }
}
