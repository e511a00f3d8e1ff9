//! Probes: asking from outside whether a run is ready, or still healthy, again and again.
//!
//! Each probe is a small machine: it waits, tries, and the try ends with yes, no, or the end of patience. What follows is
//! the core's business.

use std::collections::BTreeMap;

use aplomb_core::spec::Check;
use aplomb_core::{Duration, InstanceId, Instant, RunId};
use aplomb_platform::{ChannelId, ProcessId};
use regex_lite::Regex;

use crate::http;

/// One probe. Not reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProbeId(pub u64);

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Ready,
    Health,
}

/// One probe at work.
#[derive(Debug)]
pub(crate) struct Probe {
    pub instance: InstanceId,
    pub run: RunId,
    pub purpose: Purpose,
    pub check: Check,
    pub interval: Duration,
    pub timeout: Duration,
    /// When the try under way began; the next is an interval after that.
    pub began: Instant,
    pub attempt: Attempt,
}

/// The try under way.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// None: the next begins at its time.
    Waiting,
    /// A connection is wanted.
    Connecting { channel: ChannelId, until: Instant },
    /// A question has been put, and the answer comes in.
    Asking {
        channel: ChannelId,
        until: Instant,
        unsent: Vec<u8>,
        answer: Vec<u8>,
    },
    /// A command runs.
    Command { process: ProcessId, until: Instant },
}

/// What an answer so far means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Yes,
    No,
    NotYet,
}

/// A body longer than this is not looked at any further.
const BODY: usize = 64 << 10;

/// All probes at work.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    all: BTreeMap<ProbeId, Probe>,
    channels: BTreeMap<ChannelId, ProbeId>,
    next: u64,
}

impl Probes {
    pub(crate) fn add(&mut self, probe: Probe) -> ProbeId {
        let id = ProbeId(self.next);
        self.next += 1;
        self.all.insert(id, probe);
        id
    }

    pub(crate) fn get(&self, id: ProbeId) -> Option<&Probe> {
        self.all.get(&id)
    }

    /// Sets what a probe waits for, and gives back what it waited for before.
    pub(crate) fn attempt(&mut self, id: ProbeId, attempt: Attempt) -> Option<Attempt> {
        let probe = self.all.get_mut(&id)?;
        let before = std::mem::replace(&mut probe.attempt, attempt);
        if let Some(channel) = before.channel() {
            self.channels.remove(&channel);
        }
        if let Some(channel) = probe.attempt.channel() {
            self.channels.insert(channel, id);
        }
        Some(before)
    }

    pub(crate) fn began(&mut self, id: ProbeId, at: Instant) {
        if let Some(probe) = self.all.get_mut(&id) {
            probe.began = at;
        }
    }

    pub(crate) fn of_channel(&self, channel: ChannelId) -> Option<ProbeId> {
        self.channels.get(&channel).copied()
    }

    pub(crate) fn get_mut(&mut self, id: ProbeId) -> Option<&mut Probe> {
        self.all.get_mut(&id)
    }

    /// The probe of a run for this purpose.
    pub(crate) fn find(&self, run: RunId, purpose: Purpose) -> Option<ProbeId> {
        self.all
            .iter()
            .find(|(_, probe)| probe.run == run && probe.purpose == purpose)
            .map(|(id, _)| *id)
    }

    /// All probes of a run.
    pub(crate) fn of_run(&self, run: RunId) -> Vec<ProbeId> {
        self.all
            .iter()
            .filter(|(_, probe)| probe.run == run)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn remove(&mut self, id: ProbeId) -> Option<Probe> {
        let probe = self.all.remove(&id)?;
        if let Some(channel) = probe.attempt.channel() {
            self.channels.remove(&channel);
        }
        Some(probe)
    }
}

impl Attempt {
    pub(crate) fn channel(&self) -> Option<ChannelId> {
        match self {
            Attempt::Connecting { channel, .. } | Attempt::Asking { channel, .. } => Some(*channel),
            Attempt::Waiting | Attempt::Command { .. } => None,
        }
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        match self {
            Attempt::Waiting => None,
            Attempt::Connecting { until, .. }
            | Attempt::Asking { until, .. }
            | Attempt::Command { until, .. } => Some(*until),
        }
    }
}

/// What the HTTP answer so far means; `ended`: no more will come.
pub(crate) fn judge(check: &Check, answer: &[u8], ended: bool) -> Judgement {
    let Check::Http {
        status: (low, high),
        body: wanted,
        ..
    } = check
    else {
        return Judgement::No;
    };
    let undecided = if ended {
        Judgement::No
    } else {
        Judgement::NotYet
    };
    match http::status(answer) {
        None => undecided,
        Some(Ok(code)) if (*low..=*high).contains(&code) => {
            let Some(wanted) = wanted else {
                return Judgement::Yes;
            };
            let body = http::body(answer).unwrap_or_default();
            let found = Regex::new(wanted)
                .is_ok_and(|wanted| wanted.is_match(&String::from_utf8_lossy(body)));
            match found {
                true => Judgement::Yes,
                false if body.len() >= BODY => Judgement::No,
                false => undecided,
            }
        }
        Some(_) => Judgement::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Option<&str>) -> Check {
        Check::Http {
            url: "http://x/".into(),
            status: (200, 399),
            body: body.map(str::to_owned),
        }
    }

    #[test]
    fn a_good_status_is_a_yes_at_once_where_no_body_is_wanted() {
        assert_eq!(
            judge(&check(None), b"HTTP/1.1 204 x\r\n", false),
            Judgement::Yes
        );
        assert_eq!(
            judge(&check(None), b"HTTP/1.1 503 x\r\n", false),
            Judgement::No
        );
        assert_eq!(judge(&check(None), b"HTTP/1.1", false), Judgement::NotYet);
        assert_eq!(judge(&check(None), b"", true), Judgement::No);
    }

    #[test]
    fn a_wanted_body_is_waited_for() {
        let answer = b"HTTP/1.1 200 OK\r\n\r\nstate: warm";
        assert_eq!(judge(&check(Some("warm$")), answer, false), Judgement::Yes);
        assert_eq!(judge(&check(Some("hot")), answer, false), Judgement::NotYet);
        assert_eq!(judge(&check(Some("hot")), answer, true), Judgement::No);
    }
}
