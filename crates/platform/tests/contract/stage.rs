//! The stage a promise is tried on: a platform of some world, programs that behave as asked, and a look at what happens.

use std::time::Duration;

use aplomb_core::spec::{Privilege, Process, Resources};
use aplomb_core::{End, ExitCode, Instant, Signal};
use aplomb_platform::fake::{self, Script};
#[cfg(target_os = "linux")]
use aplomb_platform::linux::{Linux, Means};
use aplomb_platform::{
    Happened, Launch, Output, Platform, ProcessId, PumpEvent, PumpPort, SpawnError, Started,
    StreamId, TreeId,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    windows,
    expect(dead_code, reason = "other systems' worlds are named in shared tests")
)]
pub(crate) enum World {
    Fake,
    Linux,
    /// Children join their groups themselves, and begin with a copy of our descriptors.
    LinuxWithoutClone3,
    /// Trees are sessions.
    LinuxWithoutGroups,
    Windows,
}

impl World {
    #[cfg(target_os = "linux")]
    pub(crate) const ALL: &[World] = &[
        World::Fake,
        World::Linux,
        World::LinuxWithoutClone3,
        World::LinuxWithoutGroups,
    ];
    #[cfg(windows)]
    pub(crate) const ALL: &[World] = &[World::Fake, World::Windows];

    pub(crate) fn name(self) -> &'static str {
        match self {
            World::Fake => "fake",
            World::Linux => "linux",
            World::LinuxWithoutClone3 => "linux_without_clone3",
            World::LinuxWithoutGroups => "linux_without_groups",
            World::Windows => "windows",
        }
    }
}

/// How a program behaves. Each tells by a line on its ready descriptor, 3, that it has arranged itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Does nothing, for ever.
    Sleeps,
    Exits(u32),
    /// Dies of a signal it sends itself.
    Crashes,
    /// Cannot be asked to end.
    IgnoresTerm,
    /// Takes SIGTERM as a request, and answers with this code.
    ExitsOnTerm(u32),
    /// Has a child that sleeps, and sleeps.
    HasChild,
    /// Leaves a child behind that sleeps.
    LeavesChild,
    /// Leaves a daemon behind: two forks, a session of its own.
    Daemon,
    /// Prints this and ends.
    Prints(&'static str),
    /// Sends this to the notify socket and sleeps.
    Notifies(&'static str),
}

pub(crate) struct Stage {
    pub(crate) platform: Box<dyn Platform>,
    pub(crate) fake: Option<fake::World>,
    /// Told, and not waited for by anybody yet.
    pub(crate) told: Vec<Happened>,
}

/// Longer than anything takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough for what must not happen to happen.
const A_WHILE: Duration = Duration::from_millis(150);

impl Stage {
    pub(crate) fn new(world: World) -> Stage {
        let fake = (world == World::Fake).then(|| fake::World::new(7));
        let platform: Box<dyn Platform> = match (&fake, world) {
            (Some(fake), _) => Box::new(fake.platform()),
            #[cfg(target_os = "linux")]
            (None, _) => Box::new(
                Linux::with(Means {
                    control_groups: world != World::LinuxWithoutGroups,
                    clone3: world != World::LinuxWithoutClone3,
                    shared_descriptors: world != World::LinuxWithoutClone3,
                })
                .expect("a platform"),
            ),
            #[cfg(windows)]
            (None, _) => Box::new(aplomb_platform::windows::Windows::new().expect("a platform")),
        };
        Stage {
            platform,
            fake,
            told: Vec::new(),
        }
    }

    pub(crate) fn plant(&mut self) -> TreeId {
        let tree = self
            .platform
            .plant("an instance@1/ü", &Resources::default());
        tree.expect("a tree")
    }

    /// Begins an actor, with its output thrown away, and waits until it has arranged itself.
    pub(crate) fn begin(&mut self, tree: TreeId, actor: Actor) -> Started {
        let started = self.spawn(tree, actor, Output::Null).expect("it starts");
        let arranges_itself = !matches!(actor, Actor::Exits(_) | Actor::Crashes | Actor::Prints(_));
        if arranges_itself {
            self.until(|happened| *happened == Happened::ReadyLine { tree });
        }
        started
    }

    pub(crate) fn spawn(
        &mut self,
        tree: TreeId,
        actor: Actor,
        stdout: Output,
    ) -> Result<Started, SpawnError> {
        let (program, argv) = self.cast(actor);
        let process = Process::default();
        let notify = self.platform.notify_address().expect("a notify socket");
        let env = [
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("APLOMB_RUN".to_owned(), format!("run of {}", tree.0)),
            ("NOTIFY_SOCKET".to_owned(), notify),
        ];
        self.platform.spawn(&Launch {
            tree,
            program: &program,
            argv: &argv,
            env: &env,
            search_path: &[],
            process: &process,
            privilege: Privilege::Service,
            stdout,
            stderr: Output::SameAsStdout,
            sockets: &[],
            ready_fd: Some(3),
        })
    }

    /// The program that behaves so.
    fn cast(&self, actor: Actor) -> (String, Vec<String>) {
        match &self.fake {
            Some(world) => {
                let name = format!("/actors/{actor:?}");
                world.program(&name, script(actor));
                (name.clone(), vec![name])
            }
            #[cfg(target_os = "linux")]
            None => shell(&shell_script(actor)),
            #[cfg(windows)]
            None => crate::windows::cast(actor),
        }
    }

    /// Waits until something like this is told; returns it. What has been waited for once is not seen again.
    pub(crate) fn until(&mut self, what: impl Fn(&Happened) -> bool) -> Happened {
        let deadline = self.platform.now() + PATIENCE;
        loop {
            if let Some(at) = self.told.iter().position(&what) {
                return self.told.remove(at);
            }
            assert!(
                self.platform.now() < deadline,
                "not told; told was {:?}",
                self.told
            );
            let waited = self.platform.wait(Some(deadline), &mut self.told);
            waited.expect("a world that goes on");
        }
    }

    pub(crate) fn end_of(&mut self, process: ProcessId) -> End {
        let ended = |happened: &Happened| matches!(happened, Happened::Ended { process: p, .. } if *p == process);
        let Happened::Ended { end, .. } = self.until(ended) else {
            unreachable!("it was waited for");
        };
        end
    }

    pub(crate) fn until_empty(&mut self, tree: TreeId) {
        self.until(|happened| *happened == Happened::TreeEmpty { tree });
    }

    /// Everything told within a while that nobody has waited for yet.
    pub(crate) fn rest(&mut self) -> Vec<Happened> {
        let until = self.platform.now() + A_WHILE;
        while self.platform.now() < until {
            let waited = self.platform.wait(Some(until), &mut self.told);
            waited.expect("a world that goes on");
        }
        std::mem::take(&mut self.told)
    }

    /// The numbers of the living members, sorted.
    pub(crate) fn members(&mut self, tree: TreeId) -> Vec<u32> {
        let members = self.platform.members(tree);
        let living = members.iter().filter(|member| member.state != 'Z');
        let mut pids: Vec<u32> = living.map(|member| member.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Ends a tree and waits for it.
    pub(crate) fn clear(&mut self, tree: TreeId) {
        self.platform.kill_tree(tree).expect("a kill");
        self.until_empty(tree);
        self.platform.uproot(tree);
    }
}

/// Reads a stream to its end.
pub(crate) fn read_to_end(port: &mut dyn PumpPort, stream: StreamId) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let mut events = Vec::new();
        port.wait(Some(PATIENCE), &mut events)
            .expect("a pump that waits");
        assert!(events.contains(&PumpEvent::Readable(stream)), "{events:?}");
        match port.read(stream, &mut buffer) {
            Ok(0) => return text,
            Ok(count) => text.extend(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
}

pub(crate) fn code(code: u32) -> End {
    End::Code(ExitCode(code))
}

pub(crate) fn killed_by(signal: Signal) -> End {
    End::Signal {
        signal,
        core_dumped: false,
    }
}

pub(crate) fn after(stage: &mut Stage, millis: u64) -> Instant {
    stage.platform.now() + Duration::from_millis(millis)
}

/// What becomes of a program that takes SIGTERM as it comes.
pub(crate) fn asked_to_end(world: World) -> End {
    match world {
        #[cfg(windows)]
        World::Windows => crate::windows::ended_by_ctrl_c(),
        _ => killed_by(Signal::TERM),
    }
}

/// What becomes of a program that reads where nothing is.
pub(crate) fn is_a_crash(world: World, end: End) -> bool {
    match (world, end) {
        (World::Windows, End::Code(code)) => code.0 == 0xc000_0005,
        (_, End::Signal { signal, .. }) => signal == Signal::SEGV,
        (_, End::Code(_) | End::Unattended | End::Unknown) => false,
    }
}

#[cfg(target_os = "linux")]
pub(crate) fn shell(script: &str) -> (String, Vec<String>) {
    let argv = ["sh", "-c", script].map(str::to_owned);
    ("/bin/sh".to_owned(), argv.to_vec())
}

#[cfg(target_os = "linux")]
fn shell_script(actor: Actor) -> String {
    const READY: &str = "echo >&3; exec 3>&-;";
    match actor {
        Actor::Sleeps => format!("{READY} exec sleep 1000"),
        Actor::Exits(code) => format!("exit {code}"),
        Actor::Crashes => "ulimit -c 0; kill -SEGV $$".to_owned(),
        Actor::IgnoresTerm => format!("trap '' TERM; {READY} exec sleep 1000"),
        Actor::ExitsOnTerm(code) => {
            format!("trap 'kill $!; exit {code}' TERM; sleep 1000 & {READY} wait")
        }
        Actor::HasChild => format!("sleep 1000 & {READY} exec sleep 1000"),
        Actor::LeavesChild => format!("sleep 1000 & {READY} exit 0"),
        Actor::Daemon => "setsid sh -c 'sleep 1000 >&- 2>&- 3>&- &' ; echo >&3; exit 0".to_owned(),
        Actor::Prints(text) => format!("printf '{text}'"),
        Actor::Notifies(text) => {
            let own = std::env::current_exe().expect("we are a file");
            let own = own.display();
            format!("'{own}' --notify '{text}' --barrier; {READY} exec sleep 1000")
        }
    }
}

fn script(actor: Actor) -> Script {
    const SOON: Duration = Duration::from_millis(2);
    let ready = || Script::new().writes_ready_line(SOON);
    match actor {
        Actor::Sleeps => ready(),
        Actor::Exits(code) => Script::new().exits(SOON, code),
        Actor::Crashes => Script::new().crashes(SOON, Signal::SEGV),
        Actor::IgnoresTerm => ready().ignores(Signal::TERM),
        Actor::ExitsOnTerm(code) => ready().on_exits(Signal::TERM, SOON, code),
        Actor::HasChild => Script::new()
            .forks(Duration::ZERO, Script::new())
            .writes_ready_line(SOON),
        Actor::LeavesChild | Actor::Daemon => Script::new()
            .forks(Duration::ZERO, Script::new())
            .writes_ready_line(SOON)
            .exits(SOON * 2, 0),
        Actor::Prints(text) => Script::new().prints(SOON, text).exits(SOON * 2, 0),
        Actor::Notifies(text) => ready().notifies(SOON, text),
    }
}
