//! When each service of a start waited, began and was ready, and which of them made the whole take so long.
//!
//! Made from the milestones of a status; all times are nanoseconds since the first of these services was asked for.

use aplomb_protocol::{Milestones, ServiceStatus};

/// A service asked for this much later than the others were ready was started on its own, in nanoseconds.
const APART: u64 = 1_000_000_000;

/// The start of several services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// From the first asked for to the last ready.
    pub(crate) total: u64,
    /// By the time they began.
    pub(crate) bars: Vec<Bar>,
    /// Services that were started later, each on its own.
    pub(crate) later: Vec<String>,
    /// Services on their way.
    pub(crate) unfinished: Vec<String>,
}

/// The start of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) service: String,
    pub(crate) asked: u64,
    /// What it had to wait for had arrived.
    pub(crate) begun: u64,
    pub(crate) ready: u64,
    after: Vec<String>,
}

impl Bar {
    /// What the service itself took.
    pub(crate) fn own(&self) -> u64 {
        self.ready.saturating_sub(self.begun)
    }

    /// What it waited for others.
    pub(crate) fn waited(&self) -> u64 {
        self.begun.saturating_sub(self.asked)
    }
}

impl Timeline {
    /// The last start of these services.
    pub(crate) fn of(services: &[ServiceStatus]) -> Timeline {
        let mut bars: Vec<Bar> = services.iter().filter_map(bar).collect();
        let unfinished = services
            .iter()
            .filter(|status| status.milestones.asked.is_some() && bar(status).is_none())
            .map(|status| status.service.clone())
            .collect();
        bars.sort_by_key(|bar| (bar.asked, bar.begun, bar.ready));
        let later = split_off_later(&mut bars);
        let origin = bars.first().map_or(0, |bar| bar.asked);
        for bar in &mut bars {
            bar.asked -= origin;
            bar.begun = bar.begun.saturating_sub(origin);
            bar.ready = bar.ready.saturating_sub(origin);
        }
        bars.sort_by_key(|bar| (bar.begun, bar.ready));
        Timeline {
            total: bars.iter().map(|bar| bar.ready).max().unwrap_or(0),
            bars,
            later: later.into_iter().map(|bar| bar.service).collect(),
            unfinished,
        }
    }

    /// The slowest first.
    pub(crate) fn blame(&self) -> Vec<&Bar> {
        let mut blame: Vec<&Bar> = self.bars.iter().collect();
        blame.sort_by_key(|bar| std::cmp::Reverse(bar.own()));
        blame
    }

    /// From the last that became ready back to one that waited for nobody: each held up the one before it.
    pub(crate) fn critical_chain(&self) -> Vec<&Bar> {
        let mut chain: Vec<&Bar> = Vec::new();
        let mut next = self.bars.iter().max_by_key(|bar| bar.ready);
        while let Some(bar) = next {
            chain.push(bar);
            next = self
                .bars
                .iter()
                .filter(|other| bar.after.contains(&other.service))
                .filter(|other| other.ready <= bar.begun && other.service != bar.service)
                .filter(|other| !chain.iter().any(|seen| seen.service == other.service))
                .max_by_key(|other| other.ready);
        }
        chain
    }
}

fn bar(status: &ServiceStatus) -> Option<Bar> {
    let Milestones {
        asked,
        begun,
        ready,
        ..
    } = status.milestones;
    let (asked, ready) = (asked?, ready?);
    if ready < asked {
        // Asked for anew, not ready yet: the ready of the run before.
        return None;
    }
    let mut after = status.after.clone();
    after.extend(status.requires.iter().cloned());
    Some(Bar {
        service: status.service.clone(),
        asked,
        begun: begun.unwrap_or(asked).clamp(asked, ready),
        ready,
        after,
    })
}

/// Takes out those asked for well after all before them were ready.
fn split_off_later(bars: &mut Vec<Bar>) -> Vec<Bar> {
    let mut end = bars.first().map_or(0, |bar| bar.ready);
    let later = bars.iter().position(|bar| {
        let apart = bar.asked > end.saturating_add(APART);
        end = end.max(bar.ready);
        apart
    });
    later.map_or_else(Vec::new, |at| bars.split_off(at))
}

#[cfg(test)]
pub(crate) mod tests {
    use aplomb_protocol::{Readiness, State, Usage, Wanted};

    use super::*;

    /// A service with these milestones in milliseconds.
    pub(crate) fn status(name: &str, times: [u64; 3], after: &[&str]) -> ServiceStatus {
        let [asked, begun, ready] = times.map(|ms| Some(ms * 1_000_000));
        ServiceStatus {
            service: name.into(),
            description: String::new(),
            source: None,
            state: State::Running,
            since: 0,
            because: String::new(),
            wanted: Wanted::Up,
            readiness: Readiness {
                ready: true,
                by: String::new(),
            },
            says: None,
            run: None,
            pid: None,
            restarts: 0,
            next: None,
            last_run: None,
            why: None,
            unhealthy: false,
            log_dropped: 0,
            log_files: Vec::new(),
            requires: Vec::new(),
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            milestones: Milestones {
                asked,
                begun,
                spawned: begun,
                ready,
                ..Milestones::default()
            },
            members: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// The example stack: two services that wait for the store, one that waits for both.
    pub(crate) fn shop() -> Vec<ServiceStatus> {
        vec![
            status("gateway", [1000, 1500, 1620], &["orders"]),
            status("orders", [1000, 1400, 1500], &["payment", "stock"]),
            status("payment", [1000, 1300, 1350], &["store"]),
            status("stock", [1000, 1300, 1400], &["store"]),
            status("store", [1000, 1000, 1300], &[]),
        ]
    }

    fn names(bars: Vec<&Bar>) -> Vec<&str> {
        bars.into_iter().map(|bar| bar.service.as_str()).collect()
    }

    #[test]
    fn the_whole_lasts_from_the_first_asked_for_to_the_last_ready() {
        let timeline = Timeline::of(&shop());
        assert_eq!(timeline.total, 620_000_000);
        assert_eq!(timeline.bars[0].service, "store");
        assert_eq!(timeline.bars[0].asked, 0);
    }

    #[test]
    fn the_slowest_is_blamed_first_for_its_own_time_only() {
        let timeline = Timeline::of(&shop());
        let blame = names(timeline.blame());
        assert_eq!(blame[..2], ["store", "gateway"]);
    }

    #[test]
    fn the_chain_goes_back_over_those_that_held_up_the_next() {
        let timeline = Timeline::of(&shop());
        let chain = names(timeline.critical_chain());
        assert_eq!(chain, ["gateway", "orders", "stock", "store"]);
    }

    #[test]
    fn a_service_started_an_hour_later_does_not_make_the_start_last_an_hour() {
        let mut services = shop();
        services.push(status("batch", [3_600_000, 3_600_000, 3_600_010], &[]));
        let timeline = Timeline::of(&services);
        assert_eq!(timeline.total, 620_000_000);
        assert_eq!(timeline.later, ["batch"]);
    }

    #[test]
    fn a_start_under_way_is_named_and_not_measured_by_the_ready_of_before() {
        let mut services = shop();
        services.push(status("again", [2000, 2000, 1900], &[]));
        services[0].milestones.ready = None;
        let timeline = Timeline::of(&services);
        assert_eq!(timeline.unfinished, ["gateway", "again"]);
        assert_eq!(timeline.total, 500_000_000);
    }

    #[test]
    fn services_that_wait_for_each_other_cannot_hang_us() {
        let services = [
            status("a", [0, 0, 0], &["b"]),
            status("b", [0, 0, 0], &["a"]),
        ];
        assert_eq!(Timeline::of(&services).critical_chain().len(), 2);
        assert!(Timeline::of(&[]).critical_chain().is_empty());
    }
}
