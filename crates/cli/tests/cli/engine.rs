//! An engine that plays from a script, over a real socket.
//!
//! For every request it is asked what to send back; what it was asked is remembered for the test to look at.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aplomb_protocol::{
    Answer, Ask, Event, EventKind, Fault, FaultKind, Lines, Message, Milestones, Outcome,
    Readiness, Request, ServiceStatus, State, Usage, VERSION, Wanted, encode,
};

use crate::home::Home;

/// What comes back for one request.
pub(crate) enum Reply {
    Answer(Answer),
    Fault(Fault),
    /// Events, and what follows them.
    After(Vec<Event>, Box<Reply>),
    /// A reply, and events after it.
    Both(Box<Reply>, Vec<Event>),
    /// No answer yet.
    Silence,
    /// These bytes, whatever they are.
    Raw(&'static [u8]),
    /// The connection ends.
    HangUp,
    /// The answer, and then the connection ends.
    LastWord(Answer),
}

/// A listening engine.
pub(crate) struct Engine {
    asked: Arc<Mutex<Vec<Ask>>>,
}

impl Engine {
    /// Listens at the home's socket; `script` is asked about everything but the greeting.
    pub(crate) fn listen(
        home: &Home,
        script: impl Fn(&Ask) -> Reply + Send + Sync + 'static,
    ) -> Engine {
        let listener = UnixListener::bind(home.socket()).expect("binds");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let engine = Engine {
            asked: Arc::clone(&asked),
        };
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (asked, script) = (Arc::clone(&asked), Arc::clone(&script));
                thread::spawn(move || serve(stream.expect("accepted"), &asked, &*script));
            }
        });
        engine
    }

    /// What was asked so far, without greetings.
    pub(crate) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().expect("unbroken").clone()
    }
}

fn serve(mut stream: UnixStream, asked: &Mutex<Vec<Ask>>, script: &dyn Fn(&Ask) -> Reply) {
    let mut lines = Lines::default();
    let mut chunk = [0; 4096];
    loop {
        while let Some(request) = lines.take::<Request>() {
            let request = request.expect("a request");
            assert_eq!(request.v, VERSION);
            let reply = if request.ask == Ask::Hello {
                Reply::Answer(hello())
            } else {
                asked.lock().expect("unbroken").push(request.ask.clone());
                script(&request.ask)
            };
            if !send(&mut stream, request.id, reply) {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => lines.push(&chunk[..read]),
        }
    }
}

/// Sends a reply; tells whether the connection goes on.
fn send(stream: &mut UnixStream, id: u64, reply: Reply) -> bool {
    let mut bytes = Vec::new();
    let mut goes_on = true;
    match reply {
        Reply::Answer(answer) => encode(&Message::Answer { id, answer }, &mut bytes),
        Reply::Fault(fault) => encode(&Message::Fault { id, fault }, &mut bytes),
        Reply::Raw(raw) => bytes.extend_from_slice(raw),
        Reply::HangUp => return false,
        Reply::Silence => {}
        Reply::Both(reply, events) => {
            if !send(stream, id, *reply) {
                return false;
            }
            for event in events {
                encode(&Message::Event(event), &mut bytes);
            }
        }
        Reply::LastWord(answer) => {
            encode(&Message::Answer { id, answer }, &mut bytes);
            goes_on = false;
        }
        Reply::After(events, reply) => {
            for event in events {
                encode(&Message::Event(event), &mut bytes);
            }
            stream.write_all(&bytes).expect("written");
            return send(stream, id, *reply);
        }
    }
    stream.write_all(&bytes).is_ok() && goes_on
}

/// A script for verbs that need no answer of their own.
pub(crate) fn done(_: &Ask) -> Reply {
    Reply::Answer(Answer::Done)
}

fn hello() -> Answer {
    Answer::Hello {
        v: VERSION,
        version: "0.1.0".into(),
        pid: 4000,
        started: 1_000_000_000,
        log_directory: "/var/log/aplomb".into(),
        holding: "cgroup".into(),
        services: 2,
    }
}

pub(crate) fn fault(kind: FaultKind, message: &str) -> Reply {
    Reply::Fault(Fault {
        kind,
        message: message.into(),
        action: None,
        diagnostics: Vec::new(),
    })
}

pub(crate) fn outcomes(outcomes: &[(&str, State, bool, &str)]) -> Reply {
    let outcomes = outcomes
        .iter()
        .map(|(service, state, arrived, because)| Outcome {
            service: (*service).into(),
            state: *state,
            arrived: *arrived,
            because: (*because).into(),
        })
        .collect();
    Reply::Answer(Answer::Outcomes { outcomes })
}

pub(crate) fn event(seq: u64, service: &str, kind: EventKind, because: &str) -> Event {
    Event {
        seq,
        at: 1_517_000_000 + seq * 1_000_000,
        mono: seq * 1_000_000,
        service: service.into(),
        run: None,
        kind,
        because: because.into(),
    }
}

/// A service that stands there with nothing special about it.
pub(crate) fn status(service: &str, state: State) -> ServiceStatus {
    ServiceStatus {
        service: service.into(),
        description: String::new(),
        source: None,
        state,
        since: 0,
        because: "asked for".into(),
        wanted: Wanted::Up,
        readiness: Readiness {
            ready: state == State::Running,
            by: "up without proof".into(),
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
        after: Vec::new(),
        milestones: Milestones::default(),
        members: Vec::new(),
        usage: Usage::default(),
    }
}
