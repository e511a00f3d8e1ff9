//! `[service.NAME]`: the table of all keys of a service, and what must hold among them.

use aplomb_core::Spec;
use aplomb_core::spec::{ExitRules, Hook, Kind, Log, Restart, Stop};

use super::MOST_INSTANCES;
use super::command::Commands;
use super::depends::{Names, OnFailure, names};
use super::form::{Blank, Form, read_integer};
use super::health::MaybeHealth;
use super::hooks::Hooks;
use super::key::{Key, Section, Via, at};
use super::kind::KindWord;
use super::limits::Limits;
use super::listen::Mode;
use super::process::{Account, Cpus, Env, FilePath};
use super::reader::{Node, Reader};
use super::sandbox::MaybeSandbox;
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;

/// A service while it is read or written: the spec, and what the text says in other terms than the spec.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) spec: Spec,
    pub(super) kind: KindWord,
    pub(super) pid_file: Option<FilePath>,
    /// Required or wanted, but not waited for.
    pub(super) unordered: Vec<String>,
    /// From commands in `on-failure`.
    pub(super) failure_hooks: Vec<Hook>,
    /// How many of it there are; each is a spec of its own, so this is only ever read.
    instances: Option<Instances>,
}

/// A number of instances.
#[derive(Debug, Clone, PartialEq)]
struct Instances(i64);

impl Form for Instances {
    fn shape() -> Shape {
        Shape::Integer {
            min: 1,
            max: MOST_INSTANCES,
        }
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(count) = read_integer(node, reader, 1, MOST_INSTANCES) {
            self.0 = count;
        }
    }

    fn write(&self) -> Value {
        Value::Integer(self.0)
    }
}

impl Blank for Instances {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> Instances {
        Instances(1)
    }
}

impl Service {
    /// The service a spec describes, in the terms of the text.
    pub(super) fn of(spec: &Spec) -> Service {
        let (kind, pid_file) = match &spec.kind {
            Kind::Simple => (KindWord::Simple, None),
            Kind::Idle => (KindWord::Idle, None),
            Kind::Forking { pid_file } => (KindWord::Forking, pid_file.clone().map(FilePath)),
            Kind::Oneshot => (KindWord::Oneshot, None),
            Kind::Target => (KindWord::Target, None),
        };
        let mut spec = spec.clone();
        let depends = &mut spec.depends;
        let needed: Vec<String> = [&depends.requires, &depends.wants]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let unordered = needed
            .iter()
            .filter(|name| !depends.after.contains(name))
            .cloned()
            .collect();
        depends.after.retain(|name| !needed.contains(name));
        Service {
            spec,
            kind,
            pid_file,
            unordered,
            failure_hooks: Vec::new(),
            instances: None,
        }
    }

    /// The spec, once everything is read.
    pub(super) fn into_spec(mut self) -> Spec {
        self.spec.kind = match self.kind {
            KindWord::Simple => Kind::Simple,
            KindWord::Idle => Kind::Idle,
            KindWord::Forking => Kind::Forking {
                pid_file: self.pid_file.map(|path| path.0),
            },
            KindWord::Oneshot => Kind::Oneshot,
            KindWord::Target => Kind::Target,
        };
        let depends = &mut *self.spec.depends;
        for name in depends.requires.iter().chain(&depends.wants) {
            if !depends.after.contains(name) && !self.unordered.contains(name) {
                depends.after.push(name.clone());
            }
        }
        self.spec.hooks.extend(self.failure_hooks);
        self.spec.hooks.sort_by_key(|hook| hook.on);
        self.spec
    }
}

/// A slot of commands run in turn.
macro_rules! commands {
    ($field:ident) => {
        &Via {
            get: |service: &Service| Commands(service.spec.$field.clone()),
            set: |service, commands| service.spec.$field = commands.0,
        }
    };
}

impl Section for Service {
    const KEYS: &'static [Key<Service>] = &[
        Key {
            name: "description",
            doc: "What it is, for people",
            slot: at!(spec.description),
        },
        Key {
            name: "documentation",
            doc: "Where to read more: addresses, manual pages",
            slot: at!(spec.documentation),
        },
        Key {
            name: "kind",
            doc: "How the program lives: it is the service (simple), the same but started last (idle), it leaves the real one behind (forking), it does its work and ends (oneshot), there is none (target)",
            slot: at!(kind),
        },
        Key {
            name: "pid-file",
            doc: "Where a forking service writes the number of its main process",
            slot: at!(pid_file),
        },
        Key {
            name: "start-mode",
            doc: "Who starts it: the engine as soon as it runs; an operator or a service that needs it; nobody",
            slot: at!(spec.start_mode),
        },
        Key {
            name: "conditions",
            doc: "What must hold on the machine when it starts, else the start is skipped; \"not\" turns one round, one of all with \"any\" is enough, with \"assert\" the start fails",
            slot: at!(spec.conditions),
        },
        Key {
            name: "command",
            doc: "The program and its arguments; a oneshot may have several, as an array of arrays",
            slot: commands!(start),
        },
        Key {
            name: "start-condition",
            doc: "Commands run first; an exit code from 1 to 254 of any skips the start without failing it",
            slot: commands!(start_condition),
        },
        Key {
            name: "start-pre",
            doc: "Commands run in turn before the program",
            slot: commands!(start_pre),
        },
        Key {
            name: "start-post",
            doc: "Commands run in turn once the program counts as started",
            slot: commands!(start_post),
        },
        Key {
            name: "reload",
            doc: "How it is told to read its settings again: a signal, a signal answered on the notify socket, or commands",
            slot: at!(spec.reload),
        },
        Key {
            name: "pause",
            doc: "What pause and continue do",
            slot: at!(spec.pause),
        },
        Key {
            name: "directory",
            doc: "The working directory; \"~\" is the user's home; the engine's own where absent",
            slot: at!(spec.process.directory),
        },
        Key {
            name: "root-directory",
            doc: "Another root for the file system",
            slot: &Via {
                get: |service: &Service| service.spec.process.root_directory.clone().map(FilePath),
                set: |service, root: Option<FilePath>| {
                    service.spec.process.root_directory = root.map(|root| root.0);
                },
            },
        },
        Key {
            name: "env",
            doc: "Environment variables",
            slot: &Via {
                get: |service: &Service| Env(service.spec.process.env.clone()),
                set: |service, env| service.spec.process.env = env.0,
            },
        },
        Key {
            name: "env-file",
            doc: "Files of NAME=VALUE lines, read at each start over `env`",
            slot: at!(spec.process.env_files),
        },
        Key {
            name: "env-base",
            doc: "What the environment starts from: everything the engine has, or only what it sets for every service",
            slot: at!(spec.process.env_base),
        },
        Key {
            name: "pass-env",
            doc: "Variables of the engine handed on where `env-base` is \"clean\"",
            slot: at!(spec.process.pass_env),
        },
        Key {
            name: "unset-env",
            doc: "Variables removed last, by name or as NAME=VALUE",
            slot: at!(spec.process.unset_env),
        },
        Key {
            name: "search-path",
            doc: "Where bare program names are looked up; the service's PATH where empty",
            slot: at!(spec.process.search_path),
        },
        Key {
            name: "user",
            doc: "As whom it runs, by name or number; as the engine where absent",
            slot: &Account {
                field: Field::User,
                get: |process| &process.user,
                get_mut: |process| &mut process.user,
            },
        },
        Key {
            name: "group",
            doc: "With which group, by name or number; the user's where absent",
            slot: &Account {
                field: Field::Group,
                get: |process| &process.group,
                get_mut: |process| &mut process.group,
            },
        },
        Key {
            name: "groups",
            doc: "Supplementary groups",
            slot: at!(spec.process.supplementary_groups),
        },
        Key {
            name: "umask",
            doc: "Permission bits taken away from new files, in octal; the engine's where absent",
            slot: &Via {
                get: |service: &Service| service.spec.process.umask.map(Mode),
                set: |service, umask: Option<Mode>| {
                    service.spec.process.umask = umask.map(|umask| umask.0);
                },
            },
        },
        Key {
            name: "nice",
            doc: "Scheduling priority, -20 (first) to 19 (last)",
            slot: at!(spec.process.nice),
        },
        Key {
            name: "oom-score-adjust",
            doc: "Who is killed first when memory runs out, -1000 (never) to 1000 (first)",
            slot: at!(spec.process.oom_score_adjust),
        },
        Key {
            name: "cpu-affinity",
            doc: "Processors it may use; all where absent",
            slot: &Via {
                get: |service: &Service| Cpus(service.spec.process.cpu_affinity.clone()),
                set: |service, cpus| service.spec.process.cpu_affinity = cpus.0,
            },
        },
        Key {
            name: "limits",
            doc: "Limits on every process (setrlimit) and on the whole tree (memory, cpu, pids)",
            slot: &Via {
                get: |service: &Service| Limits::of(&service.spec.process),
                set: |service, limits| limits.put(&mut service.spec.process),
            },
        },
        Key {
            name: "stdin",
            doc: "What the program reads",
            slot: at!(spec.process.stdin),
        },
        Key {
            name: "own-directories",
            doc: "Directories made for the service and owned by its user, as in \"runtime shop\"",
            slot: at!(spec.process.own_directories),
        },
        Key {
            name: "ignore-sigpipe",
            doc: "Whether SIGPIPE is ignored in the program",
            slot: at!(spec.process.ignore_sigpipe),
        },
        Key {
            name: "sandbox",
            doc: "What is taken away from its programs",
            slot: &Via {
                get: |service: &Service| MaybeSandbox(service.spec.process.sandbox.clone()),
                set: |service, sandbox| service.spec.process.sandbox = sandbox.0,
            },
        },
        Key {
            name: "instances",
            doc: "How many of it there are: NAME@1 and so on, with ${instance} in its texts replaced by the number",
            slot: at!(instances),
        },
        Key {
            name: "requires",
            doc: "Services it cannot do without: started with it and before it; if one fails to start so does it, if one is stopped so is it",
            slot: names!(Requires, requires),
        },
        Key {
            name: "wants",
            doc: "Services started with it and before it, whose failure is no matter",
            slot: names!(Wants, wants),
        },
        Key {
            name: "unordered",
            doc: "Those of `requires` and `wants` it does not wait for",
            slot: at!(unordered),
        },
        Key {
            name: "requisite",
            doc: "Services that must be up already, else its start fails",
            slot: names!(Requisite, requisite),
        },
        Key {
            name: "binds-to",
            doc: "As `requires` without the order, and if one goes down for whatever reason it is stopped",
            slot: names!(BindsTo, binds_to),
        },
        Key {
            name: "part-of",
            doc: "Services that, when stopped or restarted by an operator, take it along",
            slot: names!(PartOf, part_of),
        },
        Key {
            name: "conflicts",
            doc: "Services never up together with it: starting one stops the other",
            slot: names!(Conflicts, conflicts),
        },
        Key {
            name: "after",
            doc: "Services that, if they start too, are ready before it starts, and stop after it",
            slot: names!(After, after),
        },
        Key {
            name: "before",
            doc: "Services that, if they start too, wait until it is ready, and stop before it",
            slot: names!(Before, before),
        },
        Key {
            name: "wanted-by",
            doc: "Services that want it",
            slot: names!(WantedBy, wanted_by),
        },
        Key {
            name: "required-by",
            doc: "Services that require it",
            slot: names!(RequiredBy, required_by),
        },
        Key {
            name: "ready",
            doc: "The proof that it serves; without one it is ready as soon as its program was executed",
            slot: at!(spec.ready),
        },
        Key {
            name: "start-timeout",
            doc: "The time from the first command to ready; with \"none\" for ever",
            slot: at!(spec.start_timeout),
        },
        Key {
            name: "watchdog",
            doc: "A sign of life is owed at least this often",
            slot: at!(spec.watchdog),
        },
        Key {
            name: "health",
            doc: "A check that goes on while it runs",
            slot: &Via {
                get: |service: &Service| MaybeHealth(service.spec.health.as_deref().cloned()),
                set: |service, health| service.spec.health = health.0.map(Box::new),
            },
        },
        Key {
            name: "restart",
            doc: "When an ended run is followed by another",
            slot: at!(shared Restart: spec.restart),
        },
        Key {
            name: "exit",
            doc: "What particular exit codes and signals mean",
            slot: at!(shared ExitRules: spec.exit),
        },
        Key {
            name: "on-failure",
            doc: "Services started, or commands run, when it has failed for good",
            slot: &OnFailure,
        },
        Key {
            name: "on-success",
            doc: "Services started when it ended well",
            slot: names!(OnSuccess, on_success),
        },
        Key {
            name: "max-run-time",
            doc: "A run longer than this is ended and counts as a failure, so that `restart` decides what follows",
            slot: at!(spec.max_run_time),
        },
        Key {
            name: "stop",
            doc: "How it is asked to end, and when it is killed",
            slot: at!(shared Stop: spec.stop),
        },
        Key {
            name: "listen",
            doc: "Sockets held by the engine and handed to it (LISTEN_FDS protocol), so that a restart refuses no connection",
            slot: at!(spec.listen),
        },
        Key {
            name: "log",
            doc: "Where its output goes and how long it is kept",
            slot: at!(shared Log: spec.log),
        },
        Key {
            name: "hooks",
            doc: "Commands at moments of its life, with the facts in APLOMB_* variables",
            slot: &Via {
                get: |service: &Service| Hooks(service.spec.hooks.clone()),
                set: |service, hooks| service.spec.hooks = hooks.0,
            },
        },
    ];

    fn initial() -> Service {
        Service::of(&Spec::new(""))
    }
}
