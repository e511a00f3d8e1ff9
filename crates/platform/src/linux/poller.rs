//! What the engine's one loop sleeps on: an epoll instance, a timer that counts time asleep, and a bell.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use aplomb_core::Instant;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// How many events one turn takes: enough for a burst, little enough that nobody waits long for his turn.
const EVENTS: usize = 128;
const NANOS: u64 = 1_000_000_000;

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: Option<Instant>,
    bell: OwnedFd,
}

/// What a descriptor is, in the 64 bits epoll keeps for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Timer,
    Bell,
    Signals,
    TreeEvents,
    Notify,
    Control,
    Channel(u64),
    /// The pidfd of a process that is not our child.
    Adopted(u64),
    /// The reading end of a ready descriptor.
    ReadyFd(u64),
    /// What the keeper tells of orphans.
    Orphans,
    /// The pidfd of a tree's member, where trees are not held by control groups.
    Member(u64),
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        let poller = Poller {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            timer: timerfd_create(
                TimerfdClockId::Boottime,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?,
            armed: None,
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        };
        poller.add(&poller.timer, Source::Timer, epoll::EventFlags::IN)?;
        poller.add(&poller.bell, Source::Bell, epoll::EventFlags::IN)?;
        Ok(poller)
    }

    pub(crate) fn add(
        &self,
        fd: impl AsFd,
        source: Source,
        flags: epoll::EventFlags,
    ) -> io::Result<()> {
        let data = epoll::EventData::new_u64(source.pack());
        Ok(epoll::add(&self.epoll, fd, data, flags)?)
    }

    /// A second handle on the bell, for another thread.
    pub(crate) fn bell(&self) -> io::Result<OwnedFd> {
        self.bell.try_clone()
    }

    /// Sleeps until a source has something, or until `until`; `None` is for ever. Appends the sources. An `until` that has passed only looks.
    /// Timer and bell are taken care of here; that the bell rang is told by its source.
    pub(crate) fn wait(
        &mut self,
        until: Option<Instant>,
        into: &mut Vec<(Source, epoll::EventFlags)>,
    ) -> io::Result<()> {
        let timeout = if until.is_some_and(|until| until <= now()) {
            Some(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            })
        } else {
            self.arm(until)?;
            None
        };
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; EVENTS];
        let (events, _) = match epoll::wait(&self.epoll, &mut room[..], timeout.as_ref()) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            match Source::unpack(event.data.u64()) {
                Source::Timer => {
                    empty(&self.timer);
                    self.armed = None;
                }
                Source::Bell => {
                    empty(&self.bell);
                    into.push((Source::Bell, event.flags));
                }
                source @ (Source::Signals
                | Source::TreeEvents
                | Source::Notify
                | Source::Control
                | Source::Channel(_)
                | Source::Adopted(_)
                | Source::ReadyFd(_)
                | Source::Orphans
                | Source::Member(_)) => into.push((source, event.flags)),
            }
        }
        Ok(())
    }

    /// One system call when the deadline changed, none when it did not.
    fn arm(&mut self, until: Option<Instant>) -> io::Result<()> {
        if self.armed == until {
            return Ok(());
        }
        let nanos = until.map_or(0, Instant::as_nanos);
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: i64::try_from(nanos / NANOS).unwrap_or(i64::MAX),
                tv_nsec: (nanos % NANOS) as _,
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        self.armed = until;
        Ok(())
    }
}

/// The clock that goes on while the machine is asleep.
pub(crate) fn now() -> Instant {
    let time = clock_gettime(ClockId::Boottime);
    Instant::from_nanos(time.tv_sec as u64 * NANOS + time.tv_nsec as u64)
}

/// Rings a bell: its reader wakes up, once, however often it was rung.
pub(crate) fn ring(bell: impl AsFd) {
    // Full means that it has rung and nobody has looked yet.
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// Reads a counter (timer, bell) back to zero.
pub(crate) fn empty(counter: impl AsFd) {
    // Nothing to read means that somebody was faster: the same.
    let _ = rustix::io::read(counter, &mut [0_u8; 8]);
}

impl Source {
    fn pack(self) -> u64 {
        let (kind, id) = match self {
            Source::Timer => (0, 0),
            Source::Bell => (1, 0),
            Source::Signals => (2, 0),
            Source::TreeEvents => (3, 0),
            Source::Notify => (4, 0),
            Source::Control => (5, 0),
            Source::Channel(id) => (6, id),
            Source::Adopted(id) => (7, id),
            Source::ReadyFd(id) => (8, id),
            Source::Member(id) => (9, id),
            Source::Orphans => (10, 0),
        };
        id << 4 | kind
    }

    fn unpack(data: u64) -> Source {
        let id = data >> 4;
        match data & 0xf {
            0 => Source::Timer,
            1 => Source::Bell,
            2 => Source::Signals,
            3 => Source::TreeEvents,
            4 => Source::Notify,
            5 => Source::Control,
            6 => Source::Channel(id),
            7 => Source::Adopted(id),
            8 => Source::ReadyFd(id),
            10 => Source::Orphans,
            _ => Source::Member(id),
        }
    }
}
