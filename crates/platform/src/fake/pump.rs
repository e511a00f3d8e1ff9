//! The pump's half of a fake world. It may live in a thread of its own: then simulated time stands still while it works.

use std::io;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::state::State;
use super::stream::PortState;
use super::world::Shared;
use crate::{Happened, Pump, PumpEvent, PumpPort, StreamId};

#[derive(Debug)]
struct FakePump {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct FakePort {
    shared: Arc<Shared>,
    engine: ThreadId,
}

pub(super) fn open(shared: &Arc<Shared>) -> (Box<dyn Pump>, Box<dyn PumpPort>) {
    let pump = FakePump {
        shared: Arc::clone(shared),
    };
    let port = FakePort {
        shared: Arc::clone(shared),
        engine: thread::current().id(),
    };
    shared.lock().streams.port = PortState::New;
    (Box::new(pump), Box::new(port))
}

impl Pump for FakePump {
    fn attach(&mut self, stream: StreamId) -> io::Result<()> {
        self.shared.lock().streams.attach(stream)
    }

    fn seal(&mut self, stream: StreamId) {
        let mut state = self.shared.lock();
        state.streams.seal(stream);
        state.release([Some(stream), None]);
        drop(state);
        self.shared.notify();
    }

    fn wake(&mut self) {
        self.shared.lock().streams.rung = true;
        self.shared.notify();
    }
}

impl PumpPort for FakePort {
    fn wait(&mut self, until: Option<Duration>, into: &mut Vec<PumpEvent>) -> io::Result<()> {
        let mut state = self.lock();
        if thread::current().id() == self.engine {
            // One thread plays both: it cannot wait for itself.
            into.extend(state.streams.events());
            return Ok(());
        }
        let until = until.map(|left| state.now + left);
        loop {
            let over = until.is_some_and(|until| until <= state.now);
            if over || state.streams.has_events() {
                state.streams.port = PortState::Busy;
                into.extend(state.streams.events());
                return Ok(());
            }
            state.streams.port = PortState::Asleep(until);
            self.shared.notify();
            state = self.shared.sleep(state);
        }
    }

    fn read(&mut self, stream: StreamId, into: &mut [u8]) -> io::Result<usize> {
        self.lock().streams.read(stream, into)
    }

    fn detach(&mut self, stream: StreamId) {
        self.lock().streams.detach(stream);
    }

    fn send_datagram(&mut self, address: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        if state.streams.deaf.iter().any(|deaf| deaf == address) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        state
            .streams
            .datagrams
            .push((address.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn wake_engine(&mut self) {
        let mut state = self.lock();
        if !state.untold.contains(&Happened::Woken) {
            state.untold.push_back(Happened::Woken);
        }
        drop(state);
        self.shared.notify();
    }
}

impl FakePort {
    /// The world, and in it the fact whether the pump has a thread of its own.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.lock();
        if state.streams.port == PortState::New {
            state.streams.port = if thread::current().id() == self.engine {
                PortState::Absent
            } else {
                PortState::Busy
            };
        }
        state
    }
}

impl Drop for FakePort {
    fn drop(&mut self) {
        self.shared.lock().streams.port = PortState::Absent;
        self.shared.notify();
    }
}
