//! The test's hand on the fake world.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aplomb_core::{Instant, Signal};

use super::platform::Fake;
use super::script::Script;
use super::state::{Due, State};
use super::{Delivered, Disturbances, Launched};
use crate::{Happened, HostSignal, Peer, SpawnError, TreeId};

/// A fake world. Clones are hands on the same one.
#[derive(Debug, Clone)]
pub struct World {
    shared: Arc<Shared>,
}

/// What the engine's thread and the pump's look at.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something changed for whoever waits.
    changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked has said what it has to say.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sleep<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Shared::sleep`], but not for long.
    pub(super) fn nap<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        // A new thread begins sooner, also on a busy machine.
        const LONG_ENOUGH: Duration = Duration::from_secs(2);
        let slept = self.changed.wait_timeout(state, LONG_ENOUGH);
        slept.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }
}

/// A living process, as the test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    pub pid: u32,
    pub parent: u32,
    pub program: String,
    pub tree: TreeId,
    /// The name its tree was planted under.
    pub tree_name: String,
}

/// A control client played by the test.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    id: u64,
}

impl World {
    /// An empty world. `seed` decides what is left to chance.
    pub fn new(seed: u64) -> World {
        World {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(seed)),
                changed: Condvar::new(),
            }),
        }
    }

    /// The platform of this world, for the engine.
    pub fn platform(&self) -> Fake {
        Fake::new(Arc::clone(&self.shared))
    }

    /// From now on there is a program of this name; without, a spawn finds nothing.
    pub fn program(&self, path: &str, script: Script) {
        self.state().programs.insert(path.to_owned(), script);
    }

    /// There is no such program any more.
    pub fn remove_program(&self, path: &str) {
        self.state().programs.remove(path);
    }

    /// The next spawn of this program fails so; called twice, the two next.
    pub fn fail_spawn(&self, path: &str, error: SpawnError) {
        let mut state = self.state();
        state
            .failing
            .entry(path.to_owned())
            .or_default()
            .push_back(error);
    }

    /// Lets chance strike.
    pub fn disturb(&self, disturbances: Disturbances) {
        self.state().disturbances = disturbances;
    }

    /// Limits on trees cannot be set in this world.
    pub fn forbid_limits(&self) {
        self.state().limits_work = false;
    }

    /// Another engine answers at this control address.
    pub fn take_control_address(&self, address: &str) {
        self.state().channels.taken.push(address.to_owned());
    }

    /// Somebody signals the engine, `after` now.
    pub fn signal_engine(&self, after: Duration, signal: Signal) {
        let signal = HostSignal {
            signal,
            pid: Some(1),
            uid: Some(0),
        };
        self.state().schedule(after, Due::Host(signal));
    }

    /// Somebody signals every process of this program, `after` now.
    pub fn signal_program(&self, after: Duration, path: &str, signal: Signal) {
        let program = path.to_owned();
        self.state()
            .schedule(after, Due::SignalTo { program, signal });
    }

    /// The wall clock jumps, `after` now; the monotonic one does not.
    pub fn jump_wall(&self, after: Duration, nanos: i128) {
        self.state().schedule(after, Due::WallJump { nanos });
    }

    /// A client connects to the control endpoint; `None` if that is not open.
    pub fn connect_client(&self) -> Option<Client> {
        let mut state = self.state();
        state.channels.control.as_ref()?;
        let peer = Peer {
            pid: Some(2),
            uid: Some(0),
        };
        let (id, accepted) = state.channels.accept(peer);
        state.untold.push_back(accepted);
        drop(state);
        self.shared.notify();
        Some(Client {
            shared: Arc::clone(&self.shared),
            id,
        })
    }

    /// The monotonic clock.
    pub fn now(&self) -> Instant {
        self.state().now
    }

    /// Every process that lives, by number.
    pub fn living(&self) -> Vec<Living> {
        let state = self.state();
        let living = state.processes.iter();
        let seen = living.map(|(pid, process)| Living {
            pid: *pid,
            parent: process.parent,
            program: process.program.clone(),
            tree: process.tree,
            tree_name: state
                .trees
                .get(&process.tree)
                .map_or_else(String::new, |tree| tree.name.clone()),
        });
        seen.collect()
    }

    /// Every signal any process got, in order.
    pub fn signals(&self) -> Vec<Delivered> {
        self.state().delivered.clone()
    }

    /// Every program that was begun, in order.
    pub fn launches(&self) -> Vec<Launched> {
        self.state().launched.clone()
    }

    /// Trees planted and not yet uprooted.
    pub fn trees(&self) -> Vec<TreeId> {
        self.state().trees.keys().copied().collect()
    }

    /// Every datagram the pump sent, with its address.
    pub fn datagrams(&self) -> Vec<(String, Vec<u8>)> {
        self.state().streams.datagrams.clone()
    }

    /// Nobody listens for datagrams at this address.
    pub fn deafen(&self, address: &str) {
        self.state().streams.deaf.push(address.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Client {
    /// Says something to the engine.
    pub fn send(&self, bytes: &[u8]) {
        self.tell(|state| state.channels.client_sends(self.id, bytes));
    }

    /// Everything the engine has said since last time.
    pub fn receive(&self) -> Vec<u8> {
        let mut received = Vec::new();
        self.tell(|state| {
            let (bytes, told) = state.channels.client_receives(self.id);
            received = bytes;
            told
        });
        received
    }

    /// Goes away without a word.
    pub fn close(self) {
        self.tell(|state| state.channels.client_closes(self.id));
    }

    /// From now on takes no more than so many bytes before it [receives](Client::receive).
    pub fn narrow(&self, bytes: usize) {
        self.shared.lock().channels.narrow(self.id, bytes);
    }

    /// Whether the engine still holds the connection.
    pub fn is_open(&self) -> bool {
        self.shared.lock().channels.is_open(self.id)
    }

    fn tell(&self, change: impl FnOnce(&mut State) -> Option<Happened>) {
        let mut state = self.shared.lock();
        let told = change(&mut state);
        state.untold.extend(told);
        drop(state);
        self.shared.notify();
    }
}
