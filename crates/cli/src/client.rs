//! The client's end of the control protocol: asks, and hears answers, events and interrupts through one channel.
//!
//! A thread reads the connection, so that one wait covers everything that can happen while a verb is under way. No
//! verb reads the socket itself.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use aplomb_protocol::{
    Answer, Ask, Event, Fault, Lines, MAX_ANSWER, Message, Request, StopHow, VERSION, WallNanos,
    encode,
};

use crate::failure::{Exit, Failure};
use crate::host::detach::{self, Started};
use crate::host::endpoint::{Endpoint, Stream};
use crate::host::interrupt;

/// How long an engine may take to say who it is; everything else may take as long as the services do.
const GREETING: Duration = Duration::from_secs(10);
/// How long nobody may listen between one engine and the next, which as a rule is never.
const SUCCESSION: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);
const CHUNK: usize = 16 * 1024;

/// What reaches a verb that waits.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The answer to the request of this number.
    Answer(u64, Answer),
    Fault(u64, Fault),
    Event(Event),
    /// The person at the terminal wants an end.
    Interrupt,
    /// The time is over.
    Nothing,
}

/// What goes through the channel.
#[derive(Debug)]
enum Sound {
    Message(Message),
    Interrupt,
    /// The engine speaks nonsense, in words.
    Garbled(String),
    Gone,
}

/// Who the engine says it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Greeting {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) started: WallNanos,
    pub(crate) log_directory: String,
    pub(crate) holding: String,
    pub(crate) services: u64,
}

/// A connection to an engine that has introduced itself.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Stream,
    endpoint: Endpoint,
    /// Where the engine's last words would be.
    words: PathBuf,
    /// The engine, if we started it.
    child: Option<Child>,
    next: u64,
    into: Sender<Sound>,
    from: Receiver<Sound>,
    /// Heard while waiting for something else.
    early: VecDeque<Heard>,
    pub(crate) greeting: Greeting,
}

impl Client {
    /// Connects to the engine at the endpoint.
    pub(crate) fn connect(endpoint: &Endpoint) -> Result<Client, Failure> {
        Client::over(endpoint.connect()?, endpoint)
    }

    /// Speaks over a connection that stands already.
    pub(crate) fn over(stream: Stream, endpoint: &Endpoint) -> Result<Client, Failure> {
        let (into, from) = mpsc::channel();
        let hearing = stream
            .try_clone()
            .map_err(|error| Failure::failed("cannot use the connection").because(error))?;
        let sounds = into.clone();
        thread::spawn(move || hear(hearing, &sounds));
        let mut client = Client {
            stream,
            endpoint: endpoint.clone(),
            words: endpoint.words(),
            child: None,
            next: 1,
            into,
            from,
            early: VecDeque::new(),
            greeting: Greeting {
                version: String::new(),
                pid: 0,
                started: 0,
                log_directory: String::new(),
                holding: String::new(),
                services: 0,
            },
        };
        client.greet()?;
        Ok(client)
    }

    /// To an engine we have just started.
    pub(crate) fn of(started: Started, endpoint: &Endpoint) -> Result<Client, Failure> {
        let mut client = Client::over(started.stream, endpoint)?;
        client.child = Some(started.child);
        Ok(client)
    }

    /// After the engine has gone: speaks to the one that took over from it, if there is one. What was asked and not
    /// answered has to be asked again.
    ///
    /// Errors: nobody is there, after a moment.
    pub(crate) fn turn_to_successor(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        let next = loop {
            match self.endpoint.connect() {
                Ok(stream) => break Client::over(stream, &self.endpoint)?,
                Err(_) if begun.elapsed() < SUCCESSION => thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        };
        let child = self.child.take();
        let number = self.next;
        *self = next;
        self.child = child;
        // Numbers of questions the one before never answered are not used again.
        self.next += number;
        Ok(())
    }

    fn greet(&mut self) -> Result<(), Failure> {
        let id = self.send(Ask::Hello)?;
        let until = Instant::now() + GREETING;
        loop {
            match self.hear(Some(until))? {
                Heard::Answer(answered, answer) if answered == id => {
                    self.greeting = greeting_of(answer)?;
                    return Ok(());
                }
                Heard::Fault(_, fault) => return Err(fault.into()),
                Heard::Nothing => {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!("the engine does not answer within {} s", GREETING.as_secs()),
                    ));
                }
                other @ (Heard::Answer(..) | Heard::Event(_) | Heard::Interrupt) => {
                    self.early.push_back(other);
                }
            }
        }
    }

    /// From now on Ctrl+C is heard instead of ending the program.
    pub(crate) fn hear_interrupts(&self) {
        let sounds = self.into.clone();
        interrupt::listen(move || drop(sounds.send(Sound::Interrupt)));
    }

    /// Asks; the answer is heard under the returned number.
    pub(crate) fn send(&mut self, ask: Ask) -> Result<u64, Failure> {
        let id = self.next;
        self.next += 1;
        let request = Request {
            v: VERSION,
            id,
            ask,
        };
        let mut line = Vec::new();
        encode(&request, &mut line);
        // If the engine is gone the reader tells so, in better words than the system's.
        let _ = self.stream.write_all(&line);
        Ok(id)
    }

    /// Asks and waits for the answer; what else is heard meanwhile is kept.
    pub(crate) fn ask(&mut self, ask: Ask) -> Result<Answer, Failure> {
        let id = self.send(ask)?;
        let mut kept = VecDeque::new();
        let answer = loop {
            match self.hear(None)? {
                Heard::Answer(answered, answer) if answered == id => break Ok(answer),
                Heard::Fault(answered, fault) if answered == id => break Err(fault.into()),
                other @ (Heard::Answer(..)
                | Heard::Fault(..)
                | Heard::Event(_)
                | Heard::Interrupt
                | Heard::Nothing) => kept.push_back(other),
            }
        };
        kept.append(&mut self.early);
        self.early = kept;
        answer
    }

    /// What is heard next; [`Heard::Nothing`] once `until` has passed.
    pub(crate) fn hear(&mut self, until: Option<Instant>) -> Result<Heard, Failure> {
        if let Some(early) = self.early.pop_front() {
            return Ok(early);
        }
        let sound = match until {
            None => self.from.recv().unwrap_or(Sound::Gone),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                match self.from.recv_timeout(left) {
                    Ok(sound) => sound,
                    Err(RecvTimeoutError::Timeout) => return Ok(Heard::Nothing),
                    Err(RecvTimeoutError::Disconnected) => Sound::Gone,
                }
            }
        };
        match sound {
            Sound::Message(Message::Answer { id, answer }) => Ok(Heard::Answer(id, answer)),
            Sound::Message(Message::Fault { id, fault }) => Ok(Heard::Fault(id, fault)),
            Sound::Message(Message::Event(event)) => Ok(Heard::Event(event)),
            Sound::Interrupt => Ok(Heard::Interrupt),
            Sound::Garbled(why) => Err(Failure::new(
                Exit::Unreachable,
                "what listens there does not speak Aplomb's control protocol",
            )
            .because(why)),
            Sound::Gone => Err(self.gone()),
        }
    }

    /// Ends the engine and waits until it is gone.
    pub(crate) fn shut_down(&mut self, how: StopHow) -> Result<(), Failure> {
        let id = self.send(Ask::Shutdown { how })?;
        loop {
            match self.from.recv() {
                Ok(Sound::Gone) | Err(_) => break,
                Ok(Sound::Message(Message::Fault {
                    id: answered,
                    fault,
                })) if answered == id => return Err(fault.into()),
                Ok(Sound::Message(_) | Sound::Interrupt | Sound::Garbled(_)) => {}
            }
        }
        if let Some(child) = self.child.as_mut() {
            detach::how_it_ended(child);
        }
        Ok(())
    }

    fn gone(&mut self) -> Failure {
        let pid = self.greeting.pid;
        if pid == 0 {
            return Failure::new(
                Exit::Unreachable,
                "the engine closed the connection before it answered",
            );
        }
        let failure = Failure::new(
            Exit::Unreachable,
            format!("the engine (pid {pid}) ended unexpectedly"),
        );
        let ended = self.child.as_mut().and_then(detach::how_it_ended);
        let failure = match ended {
            Some(status) => failure.because(status),
            None => failure,
        };
        let words = detach::last_words(&self.words);
        let failure = if words.is_empty() {
            failure
        } else {
            failure.because(words)
        };
        failure.action("`aplomb up FILE…` starts a new one")
    }
}

impl Drop for Client {
    /// The reading thread holds the connection too; it must end all the same.
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn greeting_of(answer: Answer) -> Result<Greeting, Failure> {
    let Answer::Hello {
        v,
        version,
        pid,
        started,
        log_directory,
        holding,
        services,
    } = answer
    else {
        return Err(unexpected("hello"));
    };
    if v != VERSION {
        return Err(Failure::new(
            Exit::Unreachable,
            format!("the engine ({version}) speaks version {v} of the control protocol, this `aplomb` version {VERSION}"),
        )
        .action("use the `aplomb` the engine was started with, or start the engine anew"));
    }
    Ok(Greeting {
        version,
        pid,
        started,
        log_directory,
        holding,
        services,
    })
}

/// An answer that does not fit the question.
pub(crate) fn unexpected(asked: &str) -> Failure {
    Failure::failed(format!(
        "the engine's answer to `{asked}` is not of the expected kind"
    ))
    .action("start the engine anew: it may be of another version than this `aplomb`")
}

/// Reads until the connection ends, or nobody listens any more.
fn hear(mut stream: Stream, sounds: &Sender<Sound>) {
    let mut lines = Lines::with_limit(MAX_ANSWER);
    let mut chunk = [0; CHUNK];
    loop {
        while let Some(message) = lines.take() {
            let garbled = message.is_err();
            let sound = match message {
                Ok(message) => Sound::Message(message),
                Err(error) => Sound::Garbled(error.to_string()),
            };
            if sounds.send(sound).is_err() || garbled {
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => lines.push(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = sounds.send(Sound::Gone);
}
