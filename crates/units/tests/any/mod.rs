//! Seeded chance, and specs made by it: every field of a spec takes every kind of value sooner or later.
#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests, which may panic"
)]

use aplomb_core::spec::{
    Address, Capabilities, Check, Command, Condition, ConditionKind, Depends, Directory, EnvBase,
    EnvFile, ExitAction, ExitRules, ExitSet, Expansion, GiveUp, Growth, Health, HealthAction, Hook,
    Kind, Level, Limit, LimitedResource, Listen, Log, LogTo, Moment, NotifyFrom, OwnDirectory,
    OwnDirectoryKind, PathRule, PathRuleKind, Pause, PreStop, Privilege, Process, ProtectHome,
    ProtectSystem, Ready, Reload, Request, Resources, Restart, RestartWhen, Rotate, RotateAt,
    Sandbox, Spec, StartLimit, StartMode, StderrTo, Stdin, Stop, StopStep, Timestamps, Whom,
};
use aplomb_core::{Bytes, Duration, ExitCode, Signal};

/// A small generator (SplitMix64): the same seed, the same run.
pub(crate) struct Any(u64);

impl Any {
    pub(crate) fn seeded(seed: u64) -> Any {
        Any(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub(crate) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn half(&mut self) -> bool {
        self.below(2) == 0
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Any) -> T) -> Option<T> {
        if self.half() { Some(make(self)) } else { None }
    }

    fn some<T>(&mut self, most: usize, make: impl Fn(&mut Any) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    fn u32(&mut self) -> u32 {
        self.number() as u32
    }

    fn duration(&mut self) -> Duration {
        let seconds = self.of(&[0, 1, 59, 90, 3600, 86_400, 1_000_000]);
        let nanos = self.of(&[0, 1, 1_000, 500_000_000, 999_999_999]);
        Duration::new(seconds, nanos) + Duration::from_nanos(1)
    }

    fn bytes(&mut self) -> Bytes {
        Bytes(self.of(&[1, 1000, 1024, 16 << 20, 3 << 30, u64::MAX]))
    }

    /// Any text without a zero byte, empty and awkward ones included.
    fn text(&mut self) -> String {
        const TEXTS: &[&str] = &[
            "",
            " ",
            "plain",
            "two words",
            "it's",
            "\"",
            "\\",
            "\\n",
            "a\nb",
            "\t",
            "\r\n",
            "ünïcödé",
            "日本語",
            "${instance}",
            "$${instance}",
            "$HOME",
            "%i",
            "# no comment",
            "[x]",
            "= =",
            "'''",
            "\"\"\"",
            "\u{7f}",
            "\u{1}",
            "\u{feff}x",
            "🦀",
            "none",
            "a;b|c",
            "*",
        ];
        let mut text = self.of(TEXTS).to_string();
        if self.half() {
            text.push_str(self.of(TEXTS));
        }
        text
    }

    fn path(&mut self) -> String {
        let tail = self.of(&["", "x", "x y", "ö", "it's", "a.b/c", "-", "\"q\"", "50%"]);
        format!("/srv/{tail}x")
    }

    fn name(&mut self) -> String {
        self.of(&["db", "web", "web@2", "queue.fast", "a_b-c", "1"])
            .into()
    }

    fn names(&mut self) -> Vec<String> {
        let mut names = self.some(3, Any::name);
        names.sort();
        names.dedup();
        names
    }

    fn signal(&mut self) -> Signal {
        let number = self.of(&[1, 2, 3, 9, 10, 15, 31, 34, 37, 64]);
        Signal::from_number(number).unwrap()
    }

    fn command(&mut self) -> Command {
        let plain = Command {
            program: if self.half() {
                self.path()
            } else {
                self.of(&["ls", "my prog", "ü"]).into()
            },
            args: self.some(3, Any::text),
            ..Command::default()
        };
        if self.half() {
            return plain;
        }
        Command {
            argv0: self.maybe(Any::text),
            ignore_failure: self.half(),
            privilege: self.of(&[Privilege::Service, Privilege::KeepUser, Privilege::Full]),
            expansion: self.of(&[Expansion::None, Expansion::Systemd]),
            ..plain
        }
    }

    fn commands(&mut self) -> Vec<Command> {
        self.some(2, Any::command)
    }
}

/// A spec that can be run as far as its own settings go, in the order our dialect writes lists whose order says nothing.
pub(crate) fn spec(any: &mut Any) -> Spec {
    let kind = any.of(&[
        Kind::Simple,
        Kind::Idle,
        Kind::Forking { pid_file: None },
        Kind::Forking {
            pid_file: Some("/run/x.pid".into()),
        },
        Kind::Oneshot,
        Kind::Target,
    ]);
    let runs_on = !matches!(kind, Kind::Oneshot | Kind::Target);
    let mut exit = exit(any);
    let start = match kind {
        Kind::Target => Vec::new(),
        Kind::Oneshot => any.commands(),
        Kind::Simple | Kind::Idle | Kind::Forking { .. } => vec![any.command()],
    };
    exit.remain_after_exit |= start.is_empty();
    let mut restart = restart(any);
    if kind == Kind::Oneshot {
        restart.when = RestartWhen::OnFailure;
    }
    let ready = if runs_on { ready(any) } else { Ready::Started };
    let start_timeout = match ready {
        Ready::Delay(delay) => Some(delay * 2),
        _ => any.maybe(Any::duration),
    };
    let mut hooks = any.some(3, |any| Hook {
        on: any.of(Moment::ALL).0,
        command: any.command(),
        timeout: any.of(&[Hook::TIMEOUT, Duration::from_secs(5)]),
    });
    hooks.sort_by_key(|hook| hook.on);
    Spec {
        name: any.of(&["web", "web@2", "a.b-c_d", "x@blue"]).into(),
        description: any.text(),
        documentation: any.some(2, Any::text),
        source: Some("/srv/shop/shop.toml".into()),
        kind,
        start_mode: any.of(&[StartMode::Auto, StartMode::Manual, StartMode::Disabled]),
        conditions: any.some(3, condition),
        depends: depends(any).into(),
        start,
        start_condition: any.commands(),
        start_pre: any.commands(),
        start_post: any.commands(),
        reload: reload(any),
        pause: match any.half() {
            true => Pause::Freeze,
            false => Pause::Commands {
                pause: Box::new(any.command()),
                resume: Box::new(any.command()),
            },
        },
        process: process(any).into(),
        ready,
        start_timeout,
        watchdog: any.maybe(Any::duration).filter(|_| runs_on),
        health: any.maybe(health).filter(|_| runs_on).map(Box::new),
        restart: restart.into(),
        exit: exit.into(),
        max_run_time: any.maybe(Any::duration),
        stop: stop(any).into(),
        listen: if runs_on {
            any.some(3, listen)
        } else {
            Vec::new()
        },
        log: log(any).into(),
        hooks,
    }
}

fn condition(any: &mut Any) -> Condition {
    Condition {
        kind: any.of(&[
            ConditionKind::PathExists,
            ConditionKind::Cpus,
            ConditionKind::AcPower,
            ConditionKind::KernelCommandLine,
            ConditionKind::ControlGroupController,
        ]),
        parameter: any.text(),
        negated: any.half(),
        alternative: any.half(),
        assert: any.half(),
    }
}

fn depends(any: &mut Any) -> Depends {
    let mut depends = Depends {
        requires: any.names(),
        requisite: any.names(),
        wants: any.names(),
        binds_to: any.names(),
        part_of: any.names(),
        conflicts: any.names(),
        after: any.names(),
        before: any.names(),
        on_failure: any.names(),
        on_success: any.names(),
        wanted_by: any.names(),
        required_by: any.names(),
    };
    // Which of several to wait for first says nothing; ours come in the order of the keys.
    let needed: Vec<String> = [&depends.requires, &depends.wants]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let (mut implied, own): (Vec<String>, Vec<String>) = depends
        .after
        .drain(..)
        .partition(|name| needed.contains(name));
    implied.sort_by_key(|name| needed.iter().position(|known| known == name));
    depends.after = own.into_iter().chain(implied).collect();
    depends
}

fn reload(any: &mut Any) -> Reload {
    match any.below(4) {
        0 => Reload::Impossible,
        1 => Reload::Commands(vec![any.command(); 1 + any.below(2)]),
        2 => Reload::Signal(any.signal()),
        _ => Reload::Notify(any.signal()),
    }
}

fn process(any: &mut Any) -> Process {
    let mut limits = any.some(4, limit);
    limits.sort_by_key(|limit| limit.resource);
    limits.dedup_by_key(|limit| limit.resource);
    let mut cpus = any.some(3, |any| any.below(64) as u16);
    cpus.sort_unstable();
    cpus.dedup();
    let mut env = any.some(3, |any| {
        (
            any.of(&["A", "PATH", "with.dot", "ü", "a b"]).to_string(),
            any.text(),
        )
    });
    env.sort();
    env.dedup_by(|a, b| a.0 == b.0);
    Process {
        directory: any.maybe(|any| Directory {
            path: if any.half() { "~".into() } else { any.path() },
            optional: any.half(),
        }),
        root_directory: any.maybe(Any::path),
        env_base: any.of(&[EnvBase::Inherit, EnvBase::Clean]),
        pass_env: any.some(2, Any::text),
        env,
        env_files: any.some(2, |any| EnvFile {
            path: any.path(),
            optional: any.half(),
        }),
        unset_env: any.some(2, Any::text),
        search_path: any.some(2, Any::path),
        user: any.maybe(|any| any.of(&["www-data", "1000", "none"]).into()),
        group: any.maybe(|any| any.of(&["www-data", "0"]).into()),
        supplementary_groups: any.some(2, |any| any.of(&["adm", "4"]).into()),
        umask: any.maybe(|any| any.of(&[0, 0o22, 0o777])),
        nice: any.maybe(|any| any.of(&[-20, 0, 19])),
        oom_score_adjust: any.maybe(|any| any.of(&[-1000, 0, 1000])),
        cpu_affinity: cpus,
        limits,
        resources: Resources {
            memory_max: any.maybe(Any::bytes),
            memory_high: any.maybe(Any::bytes),
            cpu_max: any.maybe(|any| any.of(&[1, 15, 500, 1000, 2505])),
            cpu_weight: any.maybe(|any| any.of(&[1, 100, 10_000])),
            pids_max: any.maybe(Any::u32),
        },
        stdin: match any.below(5) {
            0 => Stdin::Null,
            1 => Stdin::Inherit,
            2 => Stdin::File(any.path()),
            3 => Stdin::Text(any.text().into_bytes()),
            _ => Stdin::Text(vec![0, 0xFF, 0x80, b'x']),
        },
        own_directories: any.some(2, |any| OwnDirectory {
            kind: any.of(&[
                OwnDirectoryKind::Runtime,
                OwnDirectoryKind::State,
                OwnDirectoryKind::Cache,
                OwnDirectoryKind::Logs,
                OwnDirectoryKind::Configuration,
            ]),
            name: any.of(&["shop", "shop/db", "with space", " x "]).into(),
            mode: any.of(&[0o755, 0o700, 0o2775]),
            preserve: any.half(),
        }),
        sandbox: any.maybe(|any| Box::new(sandbox(any))),
        ignore_sigpipe: any.half(),
    }
}

fn limit(any: &mut Any) -> Limit {
    let hard = any.maybe(|any| any.of(&[0, 1024, 4096, i64::MAX as u64, u64::MAX - 1]));
    Limit {
        resource: any.of(LimitedResource::ALL).0,
        soft: match any.half() {
            true => hard,
            false => Some(0),
        },
        hard,
    }
}

fn sandbox(any: &mut Any) -> Sandbox {
    Sandbox {
        no_new_privileges: any.half(),
        private_tmp: any.half(),
        private_devices: any.half(),
        private_network: any.half(),
        private_mounts: any.half(),
        protect_system: any.of(&[
            ProtectSystem::Off,
            ProtectSystem::Yes,
            ProtectSystem::Full,
            ProtectSystem::Strict,
        ]),
        protect_home: any.of(&[
            ProtectHome::Off,
            ProtectHome::Yes,
            ProtectHome::ReadOnly,
            ProtectHome::Temporary,
        ]),
        protect_kernel_tunables: any.half(),
        protect_kernel_modules: any.half(),
        protect_kernel_logs: any.half(),
        protect_control_groups: any.half(),
        protect_clock: any.half(),
        protect_hostname: any.half(),
        paths: any.some(3, |any| PathRule {
            kind: any.of(&[
                PathRuleKind::ReadOnly,
                PathRuleKind::ReadWrite,
                PathRuleKind::Inaccessible,
                PathRuleKind::Temporary,
            ]),
            path: any.path(),
            optional: any.half(),
        }),
        bounding: any.maybe(|any| Capabilities(any.number() & Capabilities::ALL.0)),
        ambient: Capabilities(any.of(&[0, 1, 0x400])),
    }
}

fn check(any: &mut Any) -> Check {
    match any.below(4) {
        0 => Check::Port(
            any.of(&["127.0.0.1:80", "[::1]:8080", "db.example:5432"])
                .into(),
        ),
        1 => Check::Http {
            url: any
                .of(&["http://127.0.0.1:8080/ready?x=1&y=2", "http://[::1]/"])
                .into(),
            status: any.of(&[(200, 399), (204, 204), (100, 599)]),
            body: any.maybe(|any| any.of(&["ok", " ok ", "^\\{.*\\}$"]).into()),
        },
        2 => Check::File(any.of(&["/run/x", "ready file", "it's"]).into()),
        _ => Check::Command(Box::new(any.command())),
    }
}

fn ready(any: &mut Any) -> Ready {
    match any.below(6) {
        0 => Ready::Started,
        1 => Ready::Notify(any.of(&[
            NotifyFrom::Main,
            NotifyFrom::Exec,
            NotifyFrom::All,
            NotifyFrom::Nobody,
        ])),
        2 => Ready::Fd(any.of(&[3, 10])),
        3 => Ready::Probe {
            check: check(any),
            interval: any.of(&[Ready::INTERVAL, Duration::from_secs(1)]),
            timeout: any.of(&[Ready::TIMEOUT, Duration::from_millis(1)]),
        },
        4 => Ready::LogLine(any.of(&["listening on", " listening ", "^ready\\b"]).into()),
        _ => Ready::Delay(any.duration()),
    }
}

fn health(any: &mut Any) -> Health {
    Health {
        check: check(any),
        interval: any.of(&[Health::INTERVAL, Duration::from_secs(1)]),
        timeout: any.of(&[Health::TIMEOUT, Duration::from_secs(2)]),
        threshold: any.of(&[Health::THRESHOLD, 1]),
        then: any.of(&[HealthAction::Nothing, HealthAction::Restart]),
    }
}

fn restart(any: &mut Any) -> Restart {
    let delay = any.duration();
    let max = delay + any.of(&[Duration::ZERO, Duration::from_secs(30)]);
    Restart {
        when: any.of(&[
            RestartWhen::Never,
            RestartWhen::OnSuccess,
            RestartWhen::OnFailure,
            RestartWhen::OnAbnormal,
            RestartWhen::OnAbort,
            RestartWhen::OnWatchdog,
            RestartWhen::Always,
        ]),
        delay,
        growth: match any.below(3) {
            0 => Growth::None,
            1 => Growth::Factor {
                permille: any.of(&[1001, 1500, 2000, 10_000]),
                max,
            },
            _ => Growth::Steps {
                steps: any.of(&[1, 5, 100]),
                max,
            },
        },
        jitter: any.of(&[0, 10, 100]),
        healthy_after: any.maybe(Any::duration),
        limit: any.maybe(|any| StartLimit {
            starts: any.of(&[1, 5]),
            window: any.duration(),
        }),
        then: match any.below(3) {
            0 => GiveUp::Fail,
            1 => GiveUp::Shutdown,
            _ => GiveUp::KeepTrying {
                every: any.duration(),
            },
        },
    }
}

fn exit_set(any: &mut Any) -> ExitSet {
    ExitSet {
        codes: any.some(2, |any| ExitCode(any.of(&[0, 3, 255, u32::MAX]))),
        signals: any.some(2, Any::signal),
    }
}

fn exit(any: &mut Any) -> ExitRules {
    let mut actions = any.some(3, |any| {
        let action = any.of(&[
            ExitAction::Restart,
            ExitAction::Stop,
            ExitAction::Fail,
            ExitAction::Shutdown,
        ]);
        (ExitCode(any.of(&[0, 3, 75])), action)
    });
    actions.sort_by_key(|(code, _)| *code);
    actions.dedup_by_key(|(code, _)| *code);
    ExitRules {
        success: exit_set(any),
        prevent_restart: exit_set(any),
        force_restart: exit_set(any),
        remain_after_exit: any.half(),
        actions,
    }
}

fn stop(any: &mut Any) -> Stop {
    let mut plan = any.some(3, |any| StopStep {
        request: match any.below(7) {
            0 => Request::Signal(any.signal()),
            1 => Request::Command(any.command()),
            2 => Request::CommandOnly(any.command()),
            3 => Request::CtrlC,
            4 => Request::CtrlBreak,
            5 => Request::CloseWindows,
            _ => Request::QuitThreads,
        },
        grace: any.maybe(Any::duration),
    });
    if plan.is_empty() {
        plan = Stop::default().plan;
    }
    Stop {
        pre: any.maybe(|any| PreStop {
            command: any.command(),
            grace: any.of(&[PreStop::GRACE, Duration::from_secs(1)]),
        }),
        plan,
        budget: any.maybe(Any::duration),
        kill_margin: any.duration(),
        whom: any.of(&[Whom::Tree, Whom::Mixed, Whom::Main, Whom::Nobody]),
        kill: any.maybe(Any::signal),
        also_hup: any.half(),
        restart_signal: any.maybe(Any::signal),
        watchdog_signal: any.signal(),
        post: any.commands(),
    }
}

fn listen(any: &mut Any) -> Listen {
    let address = match any.below(6) {
        0 => Address::Tcp(any.of(&["8080", "127.0.0.1:80", "[::1]:443"]).into()),
        1 => Address::Udp("53".into()),
        2 => Address::UnixStream(any.of(&["/run/x.sock", "@abstract", "/run/a b"]).into()),
        3 => Address::UnixDatagram("/run/x".into()),
        4 => Address::UnixSeqpacket("/run/x".into()),
        _ => Address::Fifo("/run/x".into()),
    };
    let plain = Listen::new(address);
    if any.half() {
        return plain;
    }
    Listen {
        name: any.maybe(|any| any.of(&["http", "a b"]).into()),
        backlog: any.of(&[Listen::BACKLOG, 1]),
        mode: any.of(&[Listen::MODE, 0o600]),
        user: any.maybe(|any| any.of(&["www-data"]).into()),
        group: any.maybe(|any| any.of(&["www-data"]).into()),
        reuse_port: any.half(),
        ..plain
    }
}

fn log_to(any: &mut Any) -> LogTo {
    match any.below(7) {
        0 => LogTo::Default,
        1 => LogTo::Directory(any.path()),
        2 => LogTo::File(any.path()),
        3 => LogTo::Truncate(any.path()),
        4 => LogTo::Journal,
        5 => LogTo::Inherit,
        _ => LogTo::Nothing,
    }
}

fn log(any: &mut Any) -> Log {
    Log {
        to: log_to(any),
        stderr: match any.below(3) {
            0 => StderrTo::Same,
            1 => StderrTo::Own,
            _ => StderrTo::To(log_to(any)),
        },
        rotate: Rotate {
            size: any.maybe(Any::bytes),
            age: any.maybe(Any::duration),
            at: any.maybe(|any| {
                any.of(&[
                    RotateAt::Hourly { minute: 5 },
                    RotateAt::Daily { hour: 3, minute: 0 },
                    RotateAt::Weekly {
                        weekday: 7,
                        hour: 23,
                        minute: 59,
                    },
                ])
            }),
        },
        keep: any.maybe(Any::u32),
        keep_bytes: any.maybe(Any::bytes),
        keep_age: any.maybe(Any::duration),
        compress: any.half(),
        timestamps: any.of(&[Timestamps::None, Timestamps::Utc, Timestamps::Local]),
        max_level: any.of(Level::ALL).0,
        level: (any.of(Level::ALL).0, any.of(Level::ALL).0),
        level_prefix: any.half(),
        rate_limit: any.maybe(|any| (any.u32(), any.duration())),
        max_line: any.bytes(),
        identifier: any.maybe(Any::text),
    }
}
