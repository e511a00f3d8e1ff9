//! How much a look may cost.

use std::time::Duration;

/// What one capture may take; whichever is reached first ends it with what is known by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// From the question to the report.
    pub time: Duration,
    /// Of the report, as JSON.
    pub bytes: usize,
}

impl Budget {
    /// What is spent before something is killed by force: a second, two megabytes.
    pub const BEFORE_A_KILL: Budget = Budget {
        time: Duration::from_secs(1),
        bytes: 2 << 20,
    };
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::BEFORE_A_KILL
    }
}
