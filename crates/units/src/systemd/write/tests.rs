//! The law of the writer: what both can say reads back as it was.

use std::time::Duration;

use aplomb_core::spec::{
    Address, Capabilities, Command, Condition, Directory, EnvFile, ExitSet, Expansion, GiveUp,
    Growth, Hook, Limit, LimitedResource, Listen, LogTo, Moment, NotifyFrom, OwnDirectory,
    OwnDirectoryKind, PathRule, PathRuleKind, Privilege, ProtectHome, ProtectSystem, Ready, Reload,
    Request, RestartWhen, Sandbox, StartLimit, StderrTo, Stdin, StopStep, Whom,
};
use aplomb_core::{Bytes, ExitCode, Signal};

use super::super::draft::Draft;
use super::super::restart::WHEN;
use super::super::tests::{Machine, difference, load_on};
use super::super::{service, stop};
use super::*;
use crate::source::Options;

/// Reads what was written, as it would lie on a machine with a journal. Nothing may be wrong with it.
fn read_back(written: &Written) -> Spec {
    let mut machine = Machine::with_journal();
    let files: Vec<(String, &str)> = written
        .files
        .iter()
        .map(|(name, text)| (format!("/u/{name}"), text.as_str()))
        .collect();
    for (path, text) in &files {
        machine.files.insert(path.clone(), (*text).to_owned());
    }
    let given: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let (mut loaded, diagnostics) = load_on(&machine, &given, Options::default());
    assert_eq!(diagnostics, [], "{}", written.files[0].1);
    assert_eq!(loaded.len(), 1);
    let mut spec = loaded.remove(0).spec;
    spec.source = None;
    spec
}

/// Numbers that look random and are the same each time (xorshift64*).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap();
        of[at].clone()
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Chance) -> T) -> Option<T> {
        if self.coin() { Some(make(self)) } else { None }
    }

    fn many<T>(&mut self, mut make: impl FnMut(&mut Chance) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }

    fn signal(&mut self) -> Signal {
        self.one(&[
            Signal::TERM,
            Signal::INT,
            Signal::HUP,
            Signal::QUIT,
            Signal::USR1,
            Signal::from_number(37).unwrap(),
        ])
    }

    fn span(&mut self) -> Duration {
        self.one(&[
            Duration::from_micros(1),
            Duration::from_millis(250),
            Duration::from_secs(1),
            Duration::from_secs(90),
            Duration::from_secs(86_400),
        ])
    }

    /// A word with everything in it that could go wrong.
    fn word(&mut self) -> String {
        self.one(&[
            "a",
            "-x",
            "a b",
            "it's",
            "\"q\"",
            "50%",
            "%i",
            "$HOME",
            "\\x41",
            "tab\t",
            "line\nline",
            "ä€",
            ";",
            "#",
            "a=b",
            "\\",
        ])
        .to_owned()
    }

    fn path(&mut self) -> String {
        self.one(&["/a", "/srv/a b", "/100%", "/x/y.z", "/ä"])
            .to_owned()
    }

    fn command(&mut self) -> Command {
        let program = self
            .one(&["/bin/web", "/opt/a b/c", "tool", "/x%y"])
            .to_owned();
        Command {
            argv0: self.some(|chance| chance.one(&["name", "odd name"]).to_owned()),
            program,
            args: self.many(Chance::word),
            ignore_failure: self.coin(),
            privilege: self.one(&[Privilege::Service, Privilege::KeepUser, Privilege::Full]),
            expansion: self.one(&[Expansion::None, Expansion::Systemd]),
        }
    }

    fn exit_set(&mut self) -> ExitSet {
        ExitSet {
            codes: self
                .some(|chance| ExitCode(u32::try_from(chance.below(256)).unwrap()))
                .into_iter()
                .collect(),
            signals: self.some(Chance::signal).into_iter().collect(),
        }
    }

    fn log_to(&mut self) -> LogTo {
        let path = self.path();
        self.one(&[
            LogTo::Journal,
            LogTo::Nothing,
            LogTo::File(path.clone()),
            LogTo::Truncate(path),
        ])
    }
}

/// A spec of which every part can be said in a unit.
fn common(chance: &mut Chance) -> Spec {
    let mut spec = Draft::new("web").spec;
    spec.start_mode = chance.one(&[StartMode::Auto, StartMode::Manual]);
    spec.description = chance
        .one(&["", "The web", "100% of it", "=#;", "ä \\n \"b\""])
        .to_owned();
    spec.documentation = chance.many(|chance| {
        chance
            .one(&["man:web(8)", "https://x.example/%20a", "file:/a b"])
            .to_owned()
    });
    spec.conditions = chance.many(|chance| {
        let (kind, _) = chance.one(condition::KINDS);
        let parameter = match condition::is_path(kind) {
            true => chance.path(),
            false => chance.one(&["yes", "a b", "<= 5%"]).to_owned(),
        };
        Condition {
            kind,
            parameter,
            negated: chance.coin(),
            alternative: chance.coin(),
            assert: chance.coin(),
        }
    });
    kind(&mut spec, chance);
    spec.start_condition = chance.many(Chance::command);
    spec.start_pre = chance.many(Chance::command);
    spec.start_post = chance.many(Chance::command);
    spec.watchdog = chance.some(Chance::span);
    spec.max_run_time = chance.some(Chance::span);
    restart(&mut spec, chance);
    stop_plan(&mut spec, chance);
    surroundings(&mut spec, chance);
    limits(&mut spec, chance);
    sandbox(&mut spec, chance);
    sockets(&mut spec, chance);
    spec.log.to = chance.log_to();
    spec.log.stderr = match chance.log_to() {
        to if to == spec.log.to => StderrTo::Same,
        to => StderrTo::To(to),
    };
    spec.log.identifier = chance.some(|chance| chance.one(&["web", "a b%"]).to_owned());
    spec.log.level_prefix = chance.coin();
    spec.log.rate_limit = chance.some(|chance| (7, chance.span()));
    spec
}

fn kind(spec: &mut Spec, chance: &mut Chance) {
    spec.start = vec![chance.command()];
    spec.start_timeout = chance.one(&[
        None,
        Some(Duration::from_secs(5)),
        Some(Duration::from_secs(90)),
    ]);
    let reload = Reload::Commands(vec![chance.command()]);
    spec.reload = chance.one(&[Reload::Impossible, reload]);
    match chance.below(5) {
        0 => {
            spec.kind = Kind::Oneshot;
            spec.start.extend(chance.many(Chance::command));
            spec.exit.remain_after_exit = chance.coin();
        }
        1 => {
            spec.kind = Kind::Forking {
                pid_file: chance.some(Chance::path),
            }
        }
        2 => spec.kind = Kind::Idle,
        3 => {
            spec.ready =
                Ready::Notify(chance.one(&[NotifyFrom::Main, NotifyFrom::Exec, NotifyFrom::All]));
            if chance.coin() {
                spec.reload = Reload::Notify(chance.signal());
            }
        }
        _ => {}
    }
}

fn restart(spec: &mut Spec, chance: &mut Chance) {
    let (when, _) = chance.one(WHEN);
    let succeeds = matches!(when, RestartWhen::Always | RestartWhen::OnSuccess);
    if spec.kind != Kind::Oneshot || !succeeds {
        spec.restart.when = when;
    }
    spec.restart.delay = chance.span();
    let max = spec.restart.delay + Duration::from_secs(60);
    spec.restart.growth = chance.one(&[Growth::None, Growth::Steps { steps: 3, max }]);
    spec.restart.limit = chance.some(|chance| StartLimit {
        starts: chance.one(&[1, 5, 100]),
        window: chance.span(),
    });
    spec.restart.then = chance.one(&[GiveUp::Fail, GiveUp::Shutdown]);
    spec.exit.success = chance.exit_set();
    spec.exit.prevent_restart = chance.exit_set();
    spec.exit.force_restart = chance.exit_set();
}

fn stop_plan(spec: &mut Spec, chance: &mut Chance) {
    spec.stop.whom = chance.one(&[Whom::Tree, Whom::Mixed, Whom::Main, Whom::Nobody]);
    let mut requests: Vec<Request> = chance
        .many(Chance::command)
        .into_iter()
        .map(Request::CommandOnly)
        .collect();
    if spec.stop.whom != Whom::Nobody {
        requests.push(Request::Signal(chance.signal()));
    }
    // Without a step there is no grace period to tell.
    let grace = match requests.is_empty() {
        true => Some(stop::TIMEOUT),
        false => chance.some(Chance::span),
    };
    spec.stop.budget = stop::budget(grace, requests.len(), spec.stop.kill_margin);
    spec.stop.plan = requests
        .into_iter()
        .map(|request| StopStep { request, grace })
        .collect();
    spec.stop.kill = chance.one(&[None, Some(Signal::KILL), Some(Signal::QUIT)]);
    spec.stop.also_hup = chance.coin();
    spec.stop.restart_signal = chance.some(Chance::signal);
    spec.stop.watchdog_signal = chance.signal();
    spec.stop.post = chance.many(Chance::command);
}

fn surroundings(spec: &mut Spec, chance: &mut Chance) {
    let process = &mut spec.process;
    process.directory = chance.some(|chance| {
        let path = chance.path();
        Directory {
            path: chance.one(&["~".to_owned(), path]),
            optional: chance.coin(),
        }
    });
    process.root_directory = chance.some(Chance::path);
    process.env = vec![("A".into(), chance.word()), ("B_1".into(), chance.word())];
    process.env_files = chance.many(|chance| EnvFile {
        path: chance.path(),
        optional: chance.coin(),
    });
    process.pass_env = chance.some(|_| "LANG".to_owned()).into_iter().collect();
    process.unset_env = chance
        .some(|chance| format!("C={}", chance.word()))
        .into_iter()
        .collect();
    process.search_path = chance.many(Chance::path);
    process.user = chance.some(|chance| chance.one(&["web", "1000"]).to_owned());
    process.group = chance.some(|_| "web".to_owned());
    process.supplementary_groups = chance.some(|_| "ssl-cert".to_owned()).into_iter().collect();
    process.umask = Some(chance.one(&[0o022, 0o077, 0]));
    process.nice = chance.some(|chance| chance.one(&[-20, 0, 19]));
    process.oom_score_adjust = chance.some(|chance| chance.one(&[-1000, 0, 1000]));
    process.cpu_affinity = chance.one(&[vec![], vec![0, 1, 2, 7]]);
    process.ignore_sigpipe = chance.coin();
    let path = chance.path();
    process.stdin = chance.one(&[
        Stdin::Null,
        Stdin::File(path),
        Stdin::Text(vec![0, 1, 2, 255, 10]),
        Stdin::Text(Vec::new()),
    ]);
    let (mode, preserve) = (chance.one(&[0o755, 0o700]), chance.coin());
    if chance.coin() {
        process.own_directories = vec![
            OwnDirectory {
                kind: OwnDirectoryKind::Runtime,
                name: "web".into(),
                mode,
                preserve,
            },
            OwnDirectory {
                kind: OwnDirectoryKind::State,
                name: "web/a b%".into(),
                mode: 0o750,
                preserve: false,
            },
            OwnDirectory {
                kind: OwnDirectoryKind::Runtime,
                name: "web2".into(),
                mode,
                preserve,
            },
        ];
    }
}

fn limits(spec: &mut Spec, chance: &mut Chance) {
    for (resource, ..) in LimitedResource::ALL {
        if chance.coin() {
            let limit = Limit {
                resource: *resource,
                soft: Some(chance.below(40)),
                hard: chance.one(&[None, Some(40)]),
            };
            spec.process.limits.push(limit);
        }
    }
    let resources = &mut spec.process.resources;
    resources.memory_max = chance.some(|chance| Bytes(chance.next() >> 8));
    resources.memory_high = chance.some(|chance| Bytes(chance.below(1 << 40)));
    resources.cpu_max = chance.some(|chance| chance.one(&[1, 15, 500, 12_345]));
    resources.cpu_weight = chance.some(|chance| chance.one(&[1, 100, 10_000]));
    resources.pids_max = chance.some(|chance| chance.one(&[1, 4096]));
}

fn sandbox(spec: &mut Spec, chance: &mut Chance) {
    let sandbox = Sandbox {
        no_new_privileges: chance.coin(),
        private_tmp: chance.coin(),
        private_devices: chance.coin(),
        private_network: chance.coin(),
        private_mounts: chance.coin(),
        protect_system: chance.one(&[
            ProtectSystem::Off,
            ProtectSystem::Yes,
            ProtectSystem::Full,
            ProtectSystem::Strict,
        ]),
        protect_home: chance.one(&[
            ProtectHome::Off,
            ProtectHome::Yes,
            ProtectHome::ReadOnly,
            ProtectHome::Temporary,
        ]),
        protect_kernel_tunables: chance.coin(),
        protect_kernel_modules: chance.coin(),
        protect_kernel_logs: chance.coin(),
        protect_control_groups: chance.coin(),
        protect_clock: chance.coin(),
        protect_hostname: chance.coin(),
        paths: chance.many(|chance| {
            let kind = chance.one(&[
                PathRuleKind::ReadOnly,
                PathRuleKind::ReadWrite,
                PathRuleKind::Inaccessible,
                PathRuleKind::Temporary,
            ]);
            PathRule {
                kind,
                path: chance.path(),
                optional: kind != PathRuleKind::Temporary && chance.coin(),
            }
        }),
        bounding: chance.some(|chance| Capabilities(chance.next() & (Capabilities::ALL.0 >> 1))),
        ambient: Capabilities(chance.next() & Capabilities::ALL.0),
    };
    spec.process.sandbox = Some(Box::new(sandbox))
        .filter(|_| chance.coin())
        .filter(|sandbox| **sandbox != Sandbox::default());
}

fn sockets(spec: &mut Spec, chance: &mut Chance) {
    spec.listen = chance.many(|chance| {
        let path = chance.path();
        let address = chance.one(&[
            Address::Tcp("80".into()),
            Address::Tcp("[::1]:80".into()),
            Address::Udp("127.0.0.1:53".into()),
            Address::UnixStream("@web".into()),
            Address::UnixDatagram(path.clone()),
            Address::UnixSeqpacket(path.clone()),
            Address::Fifo(path),
        ]);
        Listen {
            mode: chance.one(&[0o666, 0o600]),
            backlog: chance.one(&[128, 4096]),
            name: chance.some(|_| "main".to_owned()),
            user: chance.some(|_| "web".to_owned()),
            reuse_port: chance.coin(),
            ..Listen::new(address)
        }
    });
}

#[test]
fn what_both_can_say_reads_back_as_it_was() {
    for seed in 1..=300 {
        let spec = common(&mut Chance(seed * 0x9e37_79b9));
        let written = write(&spec);
        assert_eq!(written.lost, [], "seed {seed}");
        let again = read_back(&written);
        // A file given alone is started, whether it asks for that or not.
        let expected = Spec {
            start_mode: StartMode::Auto,
            ..spec
        };
        assert!(
            again == expected,
            "seed {seed}: {}",
            difference(&expected, &again)
        );
    }
}

#[test]
fn what_a_unit_cannot_say_is_named() {
    let mut spec = Draft::new("web").spec;
    spec.start = vec![Command {
        program: "/bin/web".into(),
        expansion: Expansion::Systemd,
        ..Command::default()
    }];
    stop_defaults(&mut spec);
    assert_eq!(write(&spec).lost, []);
    type Change = fn(&mut Spec);
    let changes: &[Change] = &[
        |spec| spec.name = "my web".into(),
        |spec| spec.description = "two\nlines".into(),
        |spec| spec.start_mode = StartMode::Disabled,
        |spec| spec.ready = Ready::Fd(3),
        |spec| spec.ready = Ready::Delay(Duration::from_secs(1)),
        |spec| spec.reload = Reload::Signal(Signal::HUP),
        |spec| spec.restart.jitter = 10,
        |spec| spec.restart.healthy_after = Some(Duration::from_secs(600)),
        |spec| {
            spec.restart.growth = Growth::Factor {
                permille: 2000,
                max: Duration::from_secs(1),
            }
        },
        |spec| {
            spec.restart.then = GiveUp::KeepTrying {
                every: Duration::from_secs(60),
            }
        },
        |spec| spec.stop.kill_margin = Duration::from_secs(3),
        |spec| {
            spec.stop.plan.insert(
                0,
                StopStep {
                    request: Request::Signal(Signal::INT),
                    grace: None,
                },
            )
        },
        |spec| spec.stop.plan[0].grace = Some(Duration::from_secs(1)),
        |spec| spec.log.to = LogTo::Directory("/var/log/web".into()),
        |spec| spec.log.stderr = StderrTo::Own,
        |spec| spec.log.compress = true,
        |spec| spec.process.umask = None,
        |spec| spec.process.env_base = aplomb_core::spec::EnvBase::Inherit,
        |spec| spec.process.stdin = Stdin::Inherit,
        |spec| {
            let hook = Hook {
                on: Moment::Ready,
                command: Command::default(),
                timeout: Hook::TIMEOUT,
            };
            spec.hooks.push(hook);
        },
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut changed = spec.clone();
        change(&mut changed);
        assert!(!write(&changed).lost.is_empty(), "change {at}");
    }
}

fn stop_defaults(spec: &mut Spec) {
    let grace = Some(stop::TIMEOUT);
    spec.stop.plan = vec![StopStep {
        request: Request::Signal(Signal::TERM),
        grace,
    }];
    spec.stop.budget = stop::budget(grace, 1, spec.stop.kill_margin);
}

#[test]
fn every_type_has_one_name() {
    let mut names: Vec<_> = service::TYPES.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), service::TYPES.len());
}
