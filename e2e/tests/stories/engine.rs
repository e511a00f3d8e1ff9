//! An engine in a process of its own, asked and listened to over its control protocol.
//!
//! Stories wait for events and never for time: `until` reads on from where the last one was found, so a story tells
//! what it sees in order. The engine lives only as long as the story's connection, so that it ends with the test
//! program, whatever happens to that.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aplomb_protocol::{
    Answer, Ask, Event, EventKind, Fault, Lines, Message, Outcome, Request, ServiceStatus, State,
    StopHow, VERSION, encode,
};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{PATIENCE, Stage, until, wait};

/// Why no message came.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Silence {
    /// The other side has closed the connection.
    Ended,
    /// Nothing in time.
    Still,
}

/// One connection.
pub(crate) struct Line {
    stream: UnixStream,
    lines: Lines,
    asked: u64,
}

impl Line {
    /// As soon as somebody listens there.
    pub(crate) fn to(socket: &Path) -> Line {
        let mut stream = None;
        until("the engine listens", || {
            stream = UnixStream::connect(socket).ok();
            stream.is_some()
        });
        Line {
            stream: stream.expect("connected"),
            lines: Lines::default(),
            asked: 0,
        }
    }

    fn send(&mut self, ask: Ask) -> u64 {
        self.asked += 1;
        let mut bytes = Vec::new();
        encode(
            &Request {
                v: VERSION,
                id: self.asked,
                ask,
            },
            &mut bytes,
        );
        // Who is not there any more does not answer.
        let _gone = self.stream.write_all(&bytes);
        self.asked
    }

    /// The next message.
    fn next(&mut self, end: Instant) -> Result<Message, Silence> {
        let mut chunk = [0; 1 << 16];
        loop {
            if let Some(message) = self.lines.take() {
                return Ok(message.expect("a message"));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Silence::Still);
            }
            self.stream.set_read_timeout(Some(left)).expect("set");
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Silence::Ended),
                Ok(read) => self.lines.push(&chunk[..read]),
                Err(why) if why.kind() == ErrorKind::ConnectionReset => return Err(Silence::Ended),
                Err(why)
                    if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(why) => panic!("the connection broke: {why}"),
            }
        }
    }

    /// Asks; tells whether an answer came.
    fn tries(&mut self, ask: Ask) -> bool {
        self.send(ask);
        self.next(Instant::now() + PATIENCE).is_ok()
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, ask: Ask) -> Result<Answer, Fault> {
        let asked = self.send(ask);
        loop {
            match self.next(Instant::now() + PATIENCE).expect("an answer") {
                Message::Answer { id, answer } if id == asked => return Ok(answer),
                Message::Fault { id, fault } if id == asked => return Err(fault),
                Message::Answer { .. } | Message::Fault { .. } | Message::Event(_) => {}
            }
        }
    }
}

/// The event stream from the engine's beginning.
pub(crate) struct Ears {
    line: Line,
    /// All that was heard.
    pub(crate) heard: Vec<Event>,
    /// The first not yet looked at.
    next: usize,
}

impl Ears {
    pub(crate) fn at(socket: &Path) -> Ears {
        let mut line = Line::to(socket);
        line.send(Ask::Events {
            names: Vec::new(),
            replay: true,
        });
        Ears {
            line,
            heard: Vec::new(),
            next: 0,
        }
    }

    /// Reads on to the first event that fits.
    pub(crate) fn find(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + PATIENCE;
        loop {
            while self.next < self.heard.len() {
                self.next += 1;
                if fits(&self.heard[self.next - 1]) {
                    return self.heard[self.next - 1].clone();
                }
            }
            if let Err(silence) = self.hear(end) {
                panic!("never heard ({silence:?}): {what}; but:\n{}", self.told());
            }
        }
    }

    /// The service came to stand there.
    pub(crate) fn state(&mut self, service: &str, state: State) -> Event {
        self.find(&format!("{service} is {}", state.name()), |event| {
            event.service == service
                && matches!(event.kind, EventKind::State { to, .. } if to == state)
        })
    }

    /// Something of this kind happened to the service.
    pub(crate) fn kind(
        &mut self,
        service: &str,
        what: &str,
        fits: impl Fn(&EventKind) -> bool,
    ) -> Event {
        self.find(&format!("{service}: {what}"), |event| {
            event.service == service && fits(&event.kind)
        })
    }

    /// The service's next run was spawned as this process.
    pub(crate) fn spawned(&mut self, service: &str) -> u32 {
        let event = self.kind(service, "spawned", |kind| {
            matches!(kind, EventKind::Spawned { .. })
        });
        let EventKind::Spawned { pid } = event.kind else {
            unreachable!("it was just looked for");
        };
        pid
    }

    /// Looks at everything once more from the start.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Reads until the engine ends; everything there was.
    pub(crate) fn until_its_end(mut self) -> Vec<Event> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.hear(end) {
                Ok(()) => {}
                Err(Silence::Ended) => return self.heard,
                Err(Silence::Still) => panic!("the engine does not end:\n{}", self.told()),
            }
        }
    }

    /// One message more.
    fn hear(&mut self, end: Instant) -> Result<(), Silence> {
        match self.line.next(end)? {
            Message::Event(event) => self.heard.push(event),
            Message::Answer { .. } | Message::Fault { .. } => {}
        }
        Ok(())
    }

    /// All that was heard, for people.
    fn told(&self) -> String {
        let line =
            |event: &Event| format!("  {} {:?}: {}\n", event.service, event.kind, event.because);
        self.heard.iter().map(line).collect()
    }
}

/// The services something of this kind happened to, in order.
pub(crate) fn order(events: &[Event], fits: impl Fn(&EventKind) -> bool) -> Vec<&str> {
    let such = events.iter().filter(|event| fits(&event.kind));
    such.map(|event| event.service.as_str()).collect()
}

/// Whether a service came to stand there.
pub(crate) fn came_to(state: State) -> impl Fn(&EventKind) -> bool {
    move |kind| matches!(kind, EventKind::State { to, .. } if *to == state)
}

/// A running engine.
pub(crate) struct Engine {
    pub(crate) child: Child,
    pub(crate) ears: Ears,
    line: Line,
}

impl Engine {
    /// One that has loaded these files of the stage.
    pub(crate) fn start(stage: &Stage, files: &[&str]) -> Engine {
        let mut command = stage.engine_command();
        for file in files {
            command.arg("--load").arg(stage.path(file));
        }
        Engine::of(stage, command)
    }

    /// One that has loaded this TOML text.
    pub(crate) fn playing(stage: &Stage, toml: &str) -> Engine {
        stage.write("stack.toml", toml);
        Engine::start(stage, &["stack.toml"])
    }

    pub(crate) fn of(stage: &Stage, mut command: Command) -> Engine {
        let child = command.stdout(Stdio::null()).spawn().expect("spawned");
        let ears = Ears::at(&stage.socket());
        let mut line = Line::to(&stage.socket());
        line.ask(Ask::Lifeline).expect("held");
        Engine { child, ears, line }
    }

    pub(crate) fn ask(&mut self, ask: Ask) -> Result<Answer, Fault> {
        self.line.ask(ask)
    }

    /// Asks, and does not wait for what comes of it.
    pub(crate) fn send(&mut self, ask: Ask) {
        self.line.send(ask);
    }

    /// The engine's own number; `child` is its keeper.
    pub(crate) fn pid(&mut self) -> i32 {
        let Answer::Hello { pid, .. } = self.ask(Ask::Hello).expect("hello") else {
            panic!("an answer that is no greeting");
        };
        i32::try_from(pid).expect("a pid")
    }

    /// What came of asking for something to be done.
    pub(crate) fn outcomes(&mut self, ask: Ask) -> Vec<Outcome> {
        let Answer::Outcomes { outcomes } = self.ask(ask).expect("outcomes") else {
            panic!("an answer without outcomes");
        };
        outcomes
    }

    pub(crate) fn start_service(&mut self, name: &str) -> Outcome {
        self.outcomes(Ask::Start {
            names: vec![name.into()],
        })
        .remove(0)
    }

    pub(crate) fn stop(&mut self, name: &str) -> Outcome {
        self.outcomes(Ask::Stop {
            names: vec![name.into()],
            how: StopHow::Plan,
        })
        .remove(0)
    }

    pub(crate) fn restart(&mut self, name: &str) -> Outcome {
        self.outcomes(Ask::Restart {
            names: vec![name.into()],
        })
        .remove(0)
    }

    pub(crate) fn status(&mut self, name: &str) -> ServiceStatus {
        let ask = Ask::Status {
            names: vec![name.into()],
            detail: true,
        };
        let Answer::Status { mut services } = self.ask(ask).expect("a status") else {
            panic!("an answer without a status");
        };
        services.remove(0)
    }

    /// Kills the engine, not its keeper; goes on with the one that takes over, from its first event on. Returns the number
    /// of the dead one.
    pub(crate) fn die(&mut self, stage: &Stage) -> i32 {
        let dead = self.pid();
        kill(Pid::from_raw(dead), Signal::SIGKILL).expect("killed");
        self.turn_to_successor(stage);
        dead
    }

    /// Speaks to the engine that is there now.
    pub(crate) fn turn_to_successor(&mut self, stage: &Stage) {
        // Who knocks while there is none is heard by the next, unless it has to open an endpoint of its own.
        until("the next engine answers", || {
            self.line = Line::to(&stage.socket());
            self.line.tries(Ask::Lifeline)
        });
        self.ears = Ears::at(&stage.socket());
    }

    /// The words with which an engine says that it has taken over.
    pub(crate) fn takeover(&mut self) -> String {
        let says = |event: &Event| event.because.starts_with("took over from engine");
        self.ears.find("an engine has taken over", says).because
    }

    /// Stops everything by plan; all events of the engine's life.
    pub(crate) fn end(mut self) -> Vec<Event> {
        self.line.send(Ask::Shutdown { how: StopHow::Plan });
        let events = self.ears.until_its_end();
        let status = wait(&mut self.child);
        assert!(status.success(), "the engine ended with {status}");
        events
    }
}

/// How long after `earlier` it happened.
pub(crate) fn between(earlier: &Event, later: &Event) -> Duration {
    Duration::from_nanos(later.mono.saturating_sub(earlier.mono))
}
