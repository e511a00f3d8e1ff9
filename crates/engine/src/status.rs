//! What is known of a service, in the words of the protocol.

use aplomb_core::{InstanceId, Next, Shown, Standing, Wanted};
use aplomb_platform::{Member, Platform, Usage};
use aplomb_protocol as protocol;
use aplomb_protocol::{NextStep, Readiness, ServiceStatus};

use crate::books::{Book, state};
use crate::engine::Engine;
use crate::probing::by_words;

impl<P: Platform> Engine<P> {
    /// How a service stands; `detail`: with the members of its tree and what they use.
    pub(crate) fn status(&mut self, id: InstanceId, detail: bool) -> Option<ServiceStatus> {
        let tree = {
            let run = self.world.standing(id)?.run;
            run.and_then(|run| self.runs.get(run))
                .and_then(|held| held.tree)
        };
        let (members, usage) = match tree.filter(|_| detail) {
            Some(tree) => (self.platform.members(tree), self.platform.usage(tree)),
            None => (Vec::new(), Usage::default()),
        };
        let wall = self.platform.wall().0;
        let now = self.now;
        let standing = self.world.standing(id)?;
        let blank = Book::default();
        let book = self.books.get(id).unwrap_or(&blank);
        let ago = |at: aplomb_core::Instant| {
            wall.saturating_sub(u64::try_from(now.since(at).as_nanos()).unwrap_or(0))
        };
        Some(ServiceStatus {
            service: standing.name.to_string(),
            description: standing.spec.description.clone(),
            source: standing.spec.source.clone(),
            state: state(standing.shown),
            since: ago(standing.since),
            because: standing.because.to_string(),
            wanted: match standing.wanted {
                Wanted::Up => protocol::Wanted::Up,
                Wanted::Down => protocol::Wanted::Down,
            },
            readiness: Readiness {
                ready: book.ready && standing.shown == Shown::Running,
                by: by_words(standing.spec),
            },
            says: book.says.clone(),
            run: standing.run.map(|run| run.0),
            pid: standing.run.and_then(|run| self.main_pid(run)),
            restarts: standing.restarts,
            next: next_step(&standing, now),
            last_run: book.last_run.as_deref().cloned(),
            why: book.why.as_deref().cloned(),
            unhealthy: book.unhealthy,
            log_dropped: book.dropped_lines + book.dropping.values().sum::<u64>(),
            log_files: self.log_files(standing.spec),
            requires: standing.spec.depends.requires.clone(),
            after: standing.spec.depends.after.clone(),
            milestones: book.milestones,
            members: members.into_iter().map(member).collect(),
            usage: usage_words(&usage),
        })
    }
}

fn next_step(standing: &Standing<'_>, now: aplomb_core::Instant) -> Option<NextStep> {
    let (next, at) = standing.next?;
    let what = match next {
        Next::Restart => "restart",
        Next::StartTimeout => "given up as not ready",
        Next::Watchdog => "sign of life due",
        Next::MaxRunTime => "end of the time a run may take",
        Next::NextStopStep => "next stop step",
        Next::Kill => "kill",
    };
    let in_ms = u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
    Some(NextStep {
        what: what.to_owned(),
        in_ms,
    })
}

fn member(member: Member) -> protocol::Member {
    let Member {
        pid,
        parent,
        name,
        state,
        command_line,
    } = member;
    protocol::Member {
        pid,
        parent,
        name,
        state,
        command_line,
    }
}

fn usage_words(usage: &Usage) -> protocol::Usage {
    protocol::Usage {
        processes: usage.processes,
        threads: usage.threads,
        memory_bytes: usage.memory,
        cpu_ms: usage
            .cpu
            .map(|cpu| u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX)),
        open_files: usage.open_files,
    }
}
