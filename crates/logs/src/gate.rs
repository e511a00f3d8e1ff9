//! What is asked of a line before it is stored: its level, and whether there are too many.

use aplomb_core::spec::Level;
use aplomb_core::{Duration, Instant};

use crate::loss::Loss;

/// Takes `<N>` from the start of a line (sd-daemon(3)). A line without keeps its bytes.
pub(crate) fn level_prefix(line: &[u8]) -> (Option<Level>, &[u8]) {
    if let [b'<', digit @ b'0'..=b'7', b'>', text @ ..] = line {
        (Level::from_number(digit - b'0'), text)
    } else {
        (None, line)
    }
}

/// At most so many lines in each window; windows begin with a line, not with the clock.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    began: Option<Instant>,
    admitted: u32,
    loss: Loss,
}

impl RateLimit {
    /// Whether one more line may pass. Call `ended` before.
    pub(crate) fn admits(&mut self, line: &[u8], limit: (u32, Duration), now: Instant) -> bool {
        self.began.get_or_insert(now);
        let admits = self.admitted < limit.0;
        if admits {
            self.admitted += 1;
        } else {
            self.loss.add(&[line]);
        }
        admits
    }

    /// Ends a window that is over, and tells what it dropped, if anything.
    pub(crate) fn ended(&mut self, limit: (u32, Duration), now: Instant) -> Option<Loss> {
        let began = self.began?;
        if now - began < limit.1 {
            return None;
        }
        std::mem::take(self).so_far()
    }

    /// What was dropped and not said yet; the window goes on.
    pub(crate) fn so_far(&mut self) -> Option<Loss> {
        let loss = std::mem::take(&mut self.loss);
        (!loss.is_none()).then_some(loss)
    }

    /// When a window that dropped lines is over.
    pub(crate) fn wakes_at(&self, limit: (u32, Duration)) -> Option<Instant> {
        self.began
            .filter(|_| !self.loss.is_none())
            .map(|began| began + limit.1)
    }
}
