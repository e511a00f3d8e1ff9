//! From where a thread stands in the system to what it waits for.
//!
//! The table of calls says which argument matters; what is behind a descriptor, and at its other end, is asked of
//! `between`. Nothing is claimed of a call whose arguments cannot be read: then the kernel's name for the place where
//! it waits has to do.

use std::time::Duration;

use super::between::{Behind, Between};
use super::calls::{self, NoLimit, Waits};
use super::futex::{self, FutexCall};
use super::proc::{Call, State};
use super::target::{Sample, Target};
use crate::memory::Memory;
use crate::scene::{Doing, Event, Frame, Source, Turn, Wait};

/// As many descriptors of one `poll` as are looked at.
const MOST_POLLED: u64 = 4096;
const POLLIN: u32 = 1;
const POLLOUT: u32 = 4;
const TIMER_ABSTIME: u64 = 1;
const F_SETLKW: u64 = 7;
const F_OFD_SETLKW: u64 = 38;

/// What a thread waits for; what it meets on the way is noted in `between`.
pub(super) fn wait_of(
    sample: &Sample,
    target: &Target,
    between: &mut Between<'_>,
    frames: &[Frame],
) -> Wait {
    match sample.state {
        State::Stopped | State::Traced => return Wait::Stopped,
        State::Running => return Wait::Nothing,
        State::Sleeping | State::Deep | State::Zombie | State::Other => {}
    }
    let mut seen = Looking {
        sample,
        target,
        between,
        frames,
    };
    match sample.call {
        Some(Call::In { number, args, .. }) => seen.in_call(number, &args),
        Some(Call::Running) => Wait::Nothing,
        Some(Call::Outside { .. }) if sample.state == State::Deep => seen.disk(),
        Some(Call::Outside { .. }) | None => seen.by_channel(),
    }
}

struct Looking<'a, 'b> {
    sample: &'a Sample,
    target: &'a Target,
    between: &'a mut Between<'b>,
    frames: &'a [Frame],
}

impl Looking<'_, '_> {
    fn in_call(&mut self, number: u32, args: &[u64; 6]) -> Wait {
        let waits = calls::waits(number);
        if self.sample.state == State::Deep {
            return match waits {
                Some(Waits::Birth) => Wait::Child { pid: None },
                Some(_) | None => self.disk(),
            };
        }
        let Some(waits) = waits else {
            return self.other(number);
        };
        match waits {
            Waits::Futex => match FutexCall::of(args) {
                Some(call) => self.futex(call),
                None => self.other(number),
            },
            Waits::Read => self.on(args[0], Doing::Receive, number),
            Waits::Write => self.on(args[0], Doing::Send, number),
            Waits::Accept => self.on(args[0], Doing::Accept, number),
            Waits::Connect => self.on(args[0], Doing::Connect, number),
            Waits::Move { from, to } => self.moves(args[from], args[to], number),
            Waits::Poll { limit, none } => {
                let asked = self.polled(args);
                self.any(&asked, !none.is(args[limit]))
            }
            Waits::Select { limit } => {
                let asked = self.selected(args);
                self.any(&asked, !NoLimit::Null.is(args[limit]))
            }
            Waits::Epoll { limit, none } => {
                let asked = self.watched(args[0]);
                self.any(&asked, !none.is(args[limit]))
            }
            // Until a moment, not for a while: how long is left is not to be seen from here.
            Waits::Sleep { length: 2 } if args[1] & TIMER_ABSTIME != 0 => {
                Wait::Sleep { length: None }
            }
            Waits::Sleep { length } => self.sleep(args[length]),
            Waits::Wait4 => self.child(args[0] as u32 as i32),
            Waits::WaitId => match args[0] {
                1 => self.child(args[1] as u32 as i32),
                _ => self.child(-1),
            },
            Waits::FileControl => match args[1] {
                F_SETLKW | F_OFD_SETLKW => self.file_lock(args[0]),
                _ => self.other(number),
            },
            Waits::FileLock => self.file_lock(args[0]),
            Waits::Signal => Wait::Signal,
            Waits::Birth => Wait::Child { pid: None },
            Waits::Sync => self.disk(),
            Waits::Ring | Waits::Ipc | Waits::Open => self.other(number),
            Waits::Restart => self.by_channel(),
        }
    }

    fn futex(&self, call: FutexCall) -> Wait {
        let memory = self.target.memory.as_ref();
        let memory = memory.map(|memory| memory as &dyn Memory);
        let mut wait = futex::wait_of(call, memory, self.target, self.frames);
        // Some libraries never say that a word is private; where it lies tells.
        if let Wait::Event(Event::Word {
            address, is_shared, ..
        }) = &mut wait
        {
            *is_shared = *is_shared && self.target.shares(*address);
        }
        wait
    }

    fn on(&mut self, fd: u64, doing: Doing, number: u32) -> Wait {
        let fd = fd as u32;
        match self.between.behind(self.target, fd) {
            Behind::Connection(socket) => {
                self.between.follow_connection(socket);
                Wait::Socket {
                    doing,
                    socket,
                    is_timed: false,
                }
            }
            Behind::Listener(socket) => Wait::Socket {
                doing: Doing::Accept,
                socket,
                is_timed: false,
            },
            Behind::Pipe(pipe) => {
                self.between.follow_pipe(self.target, fd, pipe);
                Wait::Pipe { doing, pipe }
            }
            Behind::Device(path) => Wait::Device { path },
            Behind::Waker => Wait::Any {
                sources: vec![Source::Waker],
                is_timed: false,
            },
            Behind::Epoll | Behind::Other => self.other(number),
        }
    }

    /// Of two descriptors, the one it stands still at: the full one, else the empty one.
    fn moves(&mut self, from: u64, to: u64, number: u32) -> Wait {
        let writes = [
            "pipe_write",
            "pipe_wait_writable",
            "sock_alloc",
            "sk_stream",
            "wait_for_space",
        ];
        let is_writing = writes
            .iter()
            .any(|place| self.sample.channel.contains(place));
        match is_writing {
            true => self.on(to, Doing::Send, number),
            false => self.on(from, Doing::Receive, number),
        }
    }

    fn polled(&self, args: &[u64; 6]) -> Vec<(u32, u32)> {
        let mut asked = Vec::new();
        let Some(memory) = self.target.memory.as_ref() else {
            return asked;
        };
        for nth in 0..args[1].min(MOST_POLLED) {
            let Some(at) = args[0].checked_add(nth * 8) else {
                break;
            };
            let (Ok(fd), Ok(events)) = (memory.u32(at), memory.u32(at.saturating_add(4))) else {
                break;
            };
            // A negative descriptor is one left out for now.
            if fd <= i32::MAX as u32 {
                asked.push((fd, events & 0xffff));
            }
        }
        asked
    }

    /// Seconds and nanoseconds of what it asked for.
    fn sleep(&self, at: u64) -> Wait {
        let memory = self.target.memory.as_ref();
        let word = |offset| memory?.u64(at.checked_add(offset)?).ok();
        let length = word(0).zip(word(8)).and_then(|(seconds, nanos)| {
            let nanos = u32::try_from(nanos)
                .ok()
                .filter(|nanos| *nanos < 1_000_000_000)?;
            Some(Duration::new(seconds, nanos))
        });
        Wait::Sleep { length }
    }

    fn selected(&self, args: &[u64; 6]) -> Vec<(u32, u32)> {
        let mut asked = Vec::new();
        let limit = (args[0]).min(MOST_POLLED) as u32;
        for (set, events) in [(args[1], POLLIN), (args[2], POLLOUT)] {
            let words = limit.div_ceil(64);
            for word in (0..words).take_while(|_| set != 0) {
                let at = set.saturating_add(u64::from(word) * 8);
                let memory = self.target.memory.as_ref();
                let Some(bits) = memory.and_then(|memory| memory.u64(at).ok()) else {
                    break;
                };
                let fds = (0..64).filter(|bit| bits & (1 << bit) != 0);
                let fds = fds.map(|bit| word * 64 + bit).filter(|fd| *fd < limit);
                asked.extend(fds.map(|fd| (fd, events)));
            }
        }
        asked
    }

    fn watched(&self, set: u64) -> Vec<(u32, u32)> {
        let info = self.target.info(set as u32);
        let members = info.map(|info| info.watched).unwrap_or_default();
        members
            .iter()
            .map(|member| (member.fd, member.events))
            .collect()
    }

    fn any(&mut self, asked: &[(u32, u32)], is_timed: bool) -> Wait {
        let sources: Vec<Source> = asked
            .iter()
            .map(|(fd, events)| self.source(*fd, *events))
            .collect();
        // A wait for nothing but time is a sleep in other words.
        if sources.is_empty() && is_timed {
            return Wait::Sleep { length: None };
        }
        Wait::Any { sources, is_timed }
    }

    fn source(&mut self, fd: u32, events: u32) -> Source {
        let doing = match events & (POLLIN | POLLOUT) {
            POLLOUT => Doing::Send,
            _ => Doing::Receive,
        };
        match self.between.behind(self.target, fd) {
            Behind::Connection(socket) => {
                let turn = self.between.connections[&socket].turn;
                if turn == Turn::Theirs || turn == Turn::TheirsProven || doing == Doing::Send {
                    self.between.follow_connection(socket);
                }
                Source::Socket { doing, socket }
            }
            Behind::Listener(socket) => Source::Socket {
                doing: Doing::Accept,
                socket,
            },
            Behind::Pipe(pipe) => {
                self.between.follow_pipe(self.target, fd, pipe);
                Source::Pipe { doing, pipe }
            }
            Behind::Waker => Source::Waker,
            Behind::Epoll | Behind::Device(_) | Behind::Other => Source::Other,
        }
    }

    fn child(&mut self, wanted: i32) -> Wait {
        let (alive, _) = self.between.host.kin().children(self.target.pid);
        let pid = u32::try_from(wanted).ok().filter(|pid| *pid != 0);
        match pid {
            // Its number is the process's own count; ours may differ in a container.
            Some(pid) if alive.contains(&pid) => {
                self.between.met.insert(pid);
                Wait::Child { pid: Some(pid) }
            }
            Some(_) | None => {
                self.between.met.extend(&alive);
                match alive.as_slice() {
                    [only] => Wait::Child { pid: Some(*only) },
                    [] | [_, ..] => Wait::Child { pid: None },
                }
            }
        }
    }

    fn file_lock(&mut self, fd: u64) -> Wait {
        Wait::FileLock {
            lock: self.between.follow_file_lock(self.target, fd as u32),
        }
    }

    fn disk(&self) -> Wait {
        Wait::Disk {
            place: self.sample.channel.clone(),
        }
    }

    fn other(&self, number: u32) -> Wait {
        let place = match self.sample.channel.as_str() {
            "" => String::new(),
            channel => format!(" ({channel})"),
        };
        Wait::Other {
            what: format!("{}{place}", calls::name(number)),
        }
    }

    /// The arguments are not to be had: the kernel's own name for the place tells the kind of wait, not the object.
    fn by_channel(&mut self) -> Wait {
        let channel = self.sample.channel.as_str();
        if self.sample.state == State::Deep {
            return self.disk();
        }
        if ["nanosleep", "hrtimer"]
            .iter()
            .any(|part| channel.contains(part))
        {
            return Wait::Sleep { length: None };
        }
        if channel == "do_wait" {
            return self.child(-1);
        }
        if [
            "ep_poll",
            "poll_schedule_timeout",
            "do_sys_poll",
            "do_select",
        ]
        .contains(&channel)
        {
            return Wait::Any {
                sources: vec![Source::Other],
                is_timed: true,
            };
        }
        if ["do_signal_stop", "ptrace_stop"].contains(&channel) {
            return Wait::Stopped;
        }
        if ["sigsuspend", "do_sigtimedwait", "__x64_sys_pause"].contains(&channel) {
            return Wait::Signal;
        }
        Wait::Other {
            what: match channel {
                "" => "a place the system does not tell us".into(),
                channel => channel.to_owned(),
            },
        }
    }
}
