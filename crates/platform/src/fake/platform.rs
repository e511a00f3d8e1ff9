//! The fake world as a [`Platform`].

use std::io;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use aplomb_core::spec::{Listen, OwnDirectory, Resources};
use aplomb_core::{Instant, Signal, Wall};

use super::Launched;
use super::pump;
use super::state::{Due, FakeTree, Newborn, State, Watch};
use super::stream::PortState;
use super::world::Shared;
use crate::{
    ChannelId, Happened, Holding, Launch, Member, Output, Platform, ProcessId, Pump, PumpPort,
    Sent, SocketId, SpawnError, Started, TreeId, Usage,
};

/// The engine's half of a fake world.
#[derive(Debug)]
pub struct Fake {
    shared: Arc<Shared>,
}

/// How long a connection is under way.
const TRAVEL: Duration = Duration::from_micros(100);
const HOUR: i128 = 3_600_000_000_000;

impl Fake {
    pub(super) fn new(shared: Arc<Shared>) -> Fake {
        Fake { shared }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Platform for Fake {
    fn now(&mut self) -> Instant {
        self.state().now
    }

    fn wall(&mut self) -> Wall {
        let state = self.state();
        let nanos = i128::from(state.now.as_nanos()) + state.wall_offset;
        Wall(u64::try_from(nanos).unwrap_or(0))
    }

    fn wait(&mut self, until: Option<Instant>, into: &mut Vec<Happened>) -> io::Result<()> {
        let mut state = self.state();
        let jumps = state.disturbances.wall_jumps;
        if state.random.strikes(jumps) {
            let direction = if state.random.strikes(2) { HOUR } else { -HOUR };
            state.wall_offset += direction;
        }
        loop {
            if !state.untold.is_empty() {
                into.extend(state.untold.drain(..));
                return Ok(());
            }
            if until.is_some_and(|until| until <= state.now) {
                return Ok(());
            }
            // Time stands still while the pump works, or there would be two stories.
            let port = state.streams.port;
            if port == PortState::New {
                // Whoever moves it to a thread means to hear from it; whoever does not has to wait this once.
                state = self.shared.nap(state);
                if state.streams.port == PortState::New {
                    state.streams.port = PortState::Absent;
                }
                continue;
            }
            let pump_works = match port {
                PortState::Absent | PortState::New => false,
                PortState::Busy => true,
                PortState::Asleep(_) => state.streams.has_events(),
            };
            if pump_works {
                self.shared.notify();
                state = self.shared.sleep(state);
                continue;
            }
            let pump_until = match port {
                PortState::Asleep(until) => until,
                PortState::Absent | PortState::New | PortState::Busy => None,
            };
            let moments = [state.next_due(), until, pump_until];
            let Some(next) = moments.into_iter().flatten().min() else {
                return Err(io::Error::other(
                    "nothing can happen any more in this world",
                ));
            };
            state.advance(next);
            self.shared.notify();
            if pump_until.is_some_and(|until| until <= next) {
                state.streams.port = PortState::Busy;
            }
        }
    }

    fn holding(&self) -> Holding {
        Holding::Fake
    }

    fn plant(&mut self, name: &str, resources: &Resources) -> io::Result<TreeId> {
        let mut state = self.state();
        if !state.limits_work && *resources != Resources::default() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this world has no limits on trees",
            ));
        }
        state.last_tree += 1;
        let id = TreeId(state.last_tree);
        let tree = FakeTree {
            name: name.to_owned(),
            frozen: false,
            watch: Watch::No,
        };
        state.trees.insert(id, tree);
        Ok(id)
    }

    fn spawn(&mut self, launch: &Launch<'_>) -> Result<Started, SpawnError> {
        let mut state = self.state();
        let stdout = given(launch.stdout, None);
        let stderr = given(launch.stderr, stdout);
        let born = begin(&mut state, launch, [stdout, stderr]);
        drop(state);
        self.shared.notify();
        born
    }

    fn adopt(&mut self, tree: TreeId, pid: u32) -> io::Result<Started> {
        let mut state = self.state();
        let there = state.members(tree).contains(&pid);
        if !there {
            let why = "no such process in this tree";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        let known = state.processes.get(&pid).and_then(|process| process.known);
        let process = known.unwrap_or_else(|| state.name(pid));
        Ok(Started { process, pid })
    }

    fn signal(&mut self, process: ProcessId, signal: Signal) -> io::Result<Sent> {
        let mut state = self.state();
        let Some(pid) = state.known(process) else {
            return Ok(Sent { reached: 0 });
        };
        state.deliver(pid, signal);
        drop(state);
        self.shared.notify();
        Ok(Sent { reached: 1 })
    }

    fn signal_tree(&mut self, tree: TreeId, signal: Signal) -> io::Result<Sent> {
        let mut state = self.state();
        planted(&mut state, tree)?;
        let members = state.members(tree);
        for pid in &members {
            state.deliver(*pid, signal);
        }
        drop(state);
        self.shared.notify();
        Ok(Sent {
            reached: members.len(),
        })
    }

    fn kill_tree(&mut self, tree: TreeId) -> io::Result<()> {
        let mut state = self.state();
        planted(&mut state, tree)?;
        for pid in state.members(tree) {
            state.deliver(pid, Signal::KILL);
        }
        drop(state);
        self.watch_empty(tree);
        self.shared.notify();
        Ok(())
    }

    fn freeze(&mut self, tree: TreeId) -> io::Result<()> {
        planted(&mut self.state(), tree)?.frozen = true;
        Ok(())
    }

    fn thaw(&mut self, tree: TreeId) -> io::Result<()> {
        let mut state = self.state();
        planted(&mut state, tree)?.frozen = false;
        for pid in state.members(tree) {
            state.resume(pid);
        }
        Ok(())
    }

    fn watch_empty(&mut self, id: TreeId) {
        let mut state = self.state();
        if let Some(tree) = state.trees.get_mut(&id)
            && tree.watch == Watch::No
        {
            tree.watch = Watch::Waiting;
            state.tell_if_empty(id);
        }
    }

    fn members(&mut self, tree: TreeId) -> Vec<Member> {
        let state = self.state();
        let frozen = state.trees.get(&tree).is_some_and(|tree| tree.frozen);
        let mut members = Vec::new();
        for pid in state.members(tree) {
            let Some(process) = state.processes.get(&pid) else {
                continue;
            };
            let stopped = frozen || state.is_stopped(pid);
            members.push(Member {
                pid,
                parent: process.parent,
                name: process
                    .program
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                state: if stopped { 'T' } else { 'S' },
                command_line: process.program.clone(),
            });
        }
        members
    }

    fn usage(&mut self, tree: TreeId) -> Usage {
        let processes = self.state().members(tree).len() as u64;
        Usage {
            processes: Some(processes),
            threads: Some(processes),
            memory: Some(processes * 1024 * 1024),
            cpu: Some(Duration::ZERO),
            open_files: Some(processes * 3),
        }
    }

    fn uproot(&mut self, tree: TreeId) {
        self.state().trees.remove(&tree);
    }

    fn notify_address(&mut self) -> io::Result<String> {
        Ok("@fake-notify".to_owned())
    }

    fn directory_of(&self, directory: &OwnDirectory) -> String {
        format!("/fake/{:?}/{}", directory.kind, directory.name).to_lowercase()
    }

    fn open_socket(&mut self, _listen: &Listen) -> io::Result<SocketId> {
        let mut state = self.state();
        state.last_socket += 1;
        let id = state.last_socket;
        state.sockets.insert(id);
        Ok(SocketId(id))
    }

    fn close_socket(&mut self, socket: SocketId) {
        self.state().sockets.remove(&socket.0);
    }

    fn listen_control(&mut self, address: &str) -> io::Result<()> {
        let mut state = self.state();
        if state.channels.taken.iter().any(|taken| taken == address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.channels.control = Some(address.to_owned());
        Ok(())
    }

    fn connect(&mut self, address: &str) -> io::Result<ChannelId> {
        let mut state = self.state();
        let channel = state.channels.connect(address);
        state.schedule(TRAVEL, Due::Connected { channel });
        Ok(ChannelId(channel))
    }

    fn read(&mut self, channel: ChannelId, into: &mut [u8]) -> io::Result<usize> {
        self.state().channels.read(channel, into)
    }

    fn write(&mut self, channel: ChannelId, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        let every = state.disturbances.short_writes;
        let short = bytes.len() > 1 && state.random.strikes(every);
        let most = if short {
            1 + state.random.below(bytes.len() - 1)
        } else {
            usize::MAX
        };
        let (count, told) = state.channels.write(channel, bytes, most)?;
        state.untold.extend(told);
        Ok(count)
    }

    fn close(&mut self, channel: ChannelId) {
        self.state().channels.close(channel);
    }

    fn pump(&mut self) -> io::Result<(Box<dyn Pump>, Box<dyn PumpPort>)> {
        Ok(pump::open(&self.shared))
    }

    fn make_room(&mut self, _services: usize) -> io::Result<()> {
        Ok(())
    }
}

/// Looks the program up, and begins it unless misfortune strikes.
fn begin(
    state: &mut State,
    launch: &Launch<'_>,
    [stdout, stderr]: [Option<crate::StreamId>; 2],
) -> Result<Started, SpawnError> {
    let program = launch.program.to_owned();
    let every = state.disturbances.spawn_fails;
    if let Some(error) = state
        .failing
        .get_mut(&program)
        .and_then(|errors| errors.pop_front())
    {
        return Err(error);
    }
    if !state.trees.contains_key(&launch.tree) {
        return Err(SpawnError::Setup {
            step: crate::Step::ControlGroup,
            source: io::ErrorKind::NotFound.into(),
        });
    }
    if ![stdout, stderr]
        .into_iter()
        .flatten()
        .all(|stream| state.streams.is_open(stream))
    {
        return Err(SpawnError::Setup {
            step: crate::Step::Stdout,
            source: io::ErrorKind::NotFound.into(),
        });
    }
    let Some(script) = state.programs.get(&program).cloned() else {
        return Err(SpawnError::NotFound { program });
    };
    if state.random.strikes(every) {
        let source = io::ErrorKind::WouldBlock.into();
        return Err(SpawnError::NoRoom { source });
    }
    let pid = state.bear(Newborn {
        tree: launch.tree,
        parent: 1,
        program: program.clone(),
        script,
        stdout,
        stderr,
        ready_fd: launch.ready_fd.is_some(),
    });
    if let Some(tree) = state.trees.get_mut(&launch.tree)
        && tree.watch == Watch::Told
    {
        tree.watch = Watch::No;
    }
    let process = state.name(pid);
    state.launched.push(Launched {
        at: state.now,
        pid,
        program,
        argv: launch.argv.to_vec(),
        env: launch.env.to_vec(),
    });
    Ok(Started { process, pid })
}

fn given(output: Output, stdout: Option<crate::StreamId>) -> Option<crate::StreamId> {
    match output {
        Output::Pump(stream) => Some(stream),
        Output::SameAsStdout => stdout,
        Output::Null | Output::Inherit => None,
    }
}

fn planted(state: &mut State, tree: TreeId) -> io::Result<&mut FakeTree> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no such tree");
    state.trees.get_mut(&tree).ok_or_else(missing)
}
