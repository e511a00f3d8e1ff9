//! When the file cannot be written: counting, trying again, and saying what was lost.
//!
//! Between two attempts the disk is left alone. The attempt is the saying itself: if the line that tells the loss can be
//! written, so can others. A line the full disk tore is completed before it.

use std::io;

use aplomb_core::{Duration, Instant};

use super::{At, LogFile};
use crate::clock::{Now, Wall};
use crate::fact::{Fact, Fault};
use crate::loss::Loss;

/// Why nothing is written, what that cost, and when it is tried again.
#[derive(Debug)]
pub(super) struct Trouble {
    fault: Fault,
    since: Wall,
    loss: Loss,
    /// What the file says already, because a notice was torn too.
    announced: Loss,
    /// What was told so far.
    told: Loss,
    pub(super) retry_at: Instant,
    wait: Duration,
}

impl Trouble {
    const FIRST_WAIT: Duration = Duration::from_secs(1);
    const LONGEST_WAIT: Duration = Duration::from_secs(8);

    fn new(fault: Fault, now: Now) -> Trouble {
        Trouble {
            fault,
            since: now.wall,
            loss: Loss::default(),
            announced: Loss::default(),
            told: Loss::default(),
            retry_at: now.instant + Trouble::FIRST_WAIT,
            wait: Trouble::FIRST_WAIT,
        }
    }

    pub(super) fn is_to_be_retried(&self, now: Now) -> bool {
        now.instant >= self.retry_at
    }

    /// At this very moment; another attempt would only lengthen the wait.
    pub(super) fn was_tried(&self, now: Now) -> bool {
        now.instant + self.wait == self.retry_at
    }

    fn wait_longer(&mut self, now: Now) {
        self.wait = (self.wait * 2).min(Self::LONGEST_WAIT);
        self.retry_at = now.instant + self.wait;
    }
}

impl LogFile {
    pub(super) fn lose(&mut self, parts: &[&[u8]]) {
        if let Some(trouble) = &mut self.trouble {
            trouble.loss.add(parts);
        }
    }

    /// The same fault again is no news; another one is.
    pub(super) fn fall_into_trouble(&mut self, error: &io::Error, at: &mut At<'_>) {
        let fault = Fault::of(error);
        let known = self.trouble.as_ref().map(|trouble| trouble.fault);
        let trouble = self
            .trouble
            .get_or_insert_with(|| Box::new(Trouble::new(fault, at.now)));
        trouble.fault = fault;
        if known != Some(fault) {
            let (sink, since) = (at.settings.sink.clone(), trouble.since);
            at.desk.facts.push(Fact::Dropping { sink, fault, since });
        }
    }

    /// Tries to write what is owed, then what was lost; after both, writing goes on.
    pub(super) fn retry(&mut self, at: &mut At<'_>) {
        let tried = self
            .reopen(at)
            .and_then(|()| self.pay())
            .and_then(|()| self.announce(at.now));
        if let Err(error) = tried {
            self.fall_into_trouble(&error, at);
            if let Some(trouble) = &mut self.trouble {
                trouble.wait_longer(at.now);
                let mut loss = trouble.announced;
                loss.merge(trouble.loss);
                if loss != trouble.told {
                    trouble.told = loss;
                    at.desk.facts.push(Fact::StillDropping { loss });
                }
            }
        } else if let Some(trouble) = self.trouble.take() {
            at.desk.facts.push(Fact::Recovered {
                sink: at.settings.sink.clone(),
                since: trouble.since,
                loss: trouble.announced,
            });
        }
    }

    /// The file may have gone meanwhile, and with it the line it ended in.
    fn reopen(&mut self, at: &mut At<'_>) -> io::Result<()> {
        self.look(at);
        if self.handle.is_some() {
            return Ok(());
        }
        let owed = std::mem::take(&mut self.owed);
        if !owed.is_empty() {
            self.lose(&[&owed]);
        }
        self.open(at)
    }

    /// Completes the line that was torn.
    fn pay(&mut self) -> io::Result<()> {
        let mut owed = std::mem::take(&mut self.owed);
        let (done, result) = self.write_all([&owed, &[], &[]]);
        owed.drain(..done);
        self.owed = owed;
        result
    }

    /// One line that says what is missing. Torn itself, its rest is owed and it counts as said.
    fn announce(&mut self, now: Now) -> io::Result<()> {
        let Some(trouble) = self.trouble.as_ref().filter(|known| !known.loss.is_none()) else {
            return Ok(());
        };
        let notice = trouble.loss.notice(trouble.since, now.wall, trouble.fault);
        let result = self.put(&[], notice.as_bytes(), now);
        let said = result.is_ok() || !self.owed.is_empty();
        if let Some(trouble) = self.trouble.as_mut().filter(|_| said) {
            trouble.announced.merge(std::mem::take(&mut trouble.loss));
        }
        result.map_err(|broken| broken.error)
    }
}
