//! The order in which a service opens what it needs: all at once, or each after the one before (to compare).

use std::time::Duration;

use aplomb_lifecycle::{Part, PartId, Prerequisite};

use crate::settings::{Settings, Start};

/// Who is next.
#[derive(Debug)]
pub(crate) struct Turn {
    start: Start,
    warm_up: Duration,
    last: Option<PartId>,
}

impl Turn {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            start: settings.start,
            warm_up: settings.warm_up,
            last: None,
        }
    }

    pub(crate) fn warm_up(&self) -> Duration {
        self.warm_up
    }

    /// `part`, made to wait for its predecessor when one opens after the other.
    pub(crate) fn next(&self, part: Part) -> Part {
        match (self.start, &self.last) {
            (Start::Sequential, Some(last)) => part.after(last),
            (Start::Sequential, None) | (Start::Parallel, _) => part,
        }
    }

    pub(crate) fn took(&mut self, by: &impl Prerequisite) {
        self.last = Some(by.part_id());
    }
}
