//! A count of what was not kept, in lines and bytes, and the sentence that says so.

use std::fmt;

use crate::clock::Wall;
use crate::fact::Fault;

/// Lines dropped since some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    pub lines: u64,
    pub bytes: u64,
}

impl Loss {
    /// Counts consecutive parts of the stream that end where a line does.
    pub(crate) fn add(&mut self, parts: &[&[u8]]) {
        let mut last = b'\n';
        for part in parts {
            self.lines += memchr::memchr_iter(b'\n', part).count() as u64;
            self.bytes += part.len() as u64;
            last = part.last().copied().unwrap_or(last);
        }
        // The last line of a run need not end in a line break.
        self.lines += u64::from(last != b'\n');
    }

    pub(crate) fn merge(&mut self, other: Loss) {
        self.lines += other.lines;
        self.bytes += other.bytes;
    }

    /// The line that says what is missing where it would have been.
    pub(crate) fn notice(self, since: Wall, until: Wall, fault: Fault) -> String {
        let (since, until) = (since.to_utc_text(), until.to_utc_text());
        let meaning = fault.meaning();
        format!("aplomb: lost {self} from {since} to {until}: {meaning}\n")
    }

    pub(crate) fn is_none(self) -> bool {
        self.lines == 0
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.lines == 1 { "" } else { "s" };
        write!(f, "{} line{plural} ({} bytes)", self.lines, self.bytes)
    }
}
