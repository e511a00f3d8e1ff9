//! Units as their authors write them, and what they mean.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aplomb_core::spec::{
    Address, EnvBase, Growth, Kind, NotifyFrom, Ready, Reload, Request, RestartWhen, StartLimit,
    StartMode, StopStep, Whom,
};
use aplomb_core::{Signal, Spec};

use super::*;
use crate::diagnostic::Severity;
use crate::world::{Fact, FileKind};

/// A machine with just these files.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) files: BTreeMap<String, String>,
    pub(super) links: BTreeMap<String, String>,
}

impl Machine {
    pub(super) fn with_journal() -> Machine {
        let mut machine = Machine::default();
        machine
            .files
            .insert("/run/systemd/journal/socket".to_owned(), String::new());
        machine
    }
}

impl World for Machine {
    fn file(&self, path: &str) -> FileKind {
        match self.files.get(path) {
            Some(_) => FileKind::File { executable: false },
            None => FileKind::Missing,
        }
    }

    fn head(&self, path: &str) -> Option<Vec<u8>> {
        self.read(path)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).map(|text| text.clone().into_bytes())
    }

    fn link(&self, path: &str) -> Option<String> {
        self.links.get(path).cloned()
    }

    /// One `*` is enough here.
    fn glob(&self, pattern: &str) -> Vec<String> {
        let Some((start, end)) = pattern.split_once('*') else {
            return self
                .files
                .keys()
                .filter(|path| *path == pattern)
                .cloned()
                .collect();
        };
        let fits = |path: &&String| {
            let middle = path
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end));
            middle.is_some_and(|middle| !middle.contains('/'))
        };
        self.files
            .keys()
            .chain(self.links.keys())
            .filter(fits)
            .cloned()
            .collect()
    }

    /// Files, links, and the directories their paths go through.
    fn list(&self, directory: &str) -> Vec<String> {
        let below = format!("{directory}/");
        let paths = self.files.keys().chain(self.links.keys());
        let names = paths.filter_map(|path| path.strip_prefix(&below)?.split('/').next());
        let names: BTreeSet<&str> = names.collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn user_exists(&self, _: &str) -> bool {
        true
    }

    fn group_exists(&self, _: &str) -> bool {
        true
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn fact(&self, fact: Fact) -> Option<String> {
        let known = [
            (Fact::HostName, "host.example"),
            (Fact::RuntimeDirectory, "/run"),
        ];
        let found = known.into_iter().find(|(known, _)| *known == fact);
        found.map(|(_, text)| text.to_owned())
    }
}

/// Reads these files; the first is given, the others lie on the machine.
fn load(given: &[(&str, &str)], others: &[(&str, &str)]) -> (Vec<Loaded>, Vec<Diagnostic>) {
    let mut machine = Machine::default();
    for (path, text) in given.iter().chain(others) {
        machine.files.insert((*path).to_owned(), (*text).to_owned());
    }
    load_on(&machine, given, Options::default())
}

pub(super) fn load_on(
    machine: &Machine,
    given: &[(&str, &str)],
    options: Options,
) -> (Vec<Loaded>, Vec<Diagnostic>) {
    let sources: Vec<Source> = given
        .iter()
        .map(|(path, text)| Source::new(*path, *text))
        .collect();
    let sources: Vec<&Source> = sources.iter().collect();
    let mut diagnostics = Vec::new();
    let loaded = read(&sources, machine, options, &mut diagnostics);
    (loaded, diagnostics)
}

/// The one service of this text, which must have no fault at all.
fn spec(text: &str) -> Spec {
    let (mut loaded, diagnostics) = load(&[("/u/web.service", text)], &[]);
    assert_eq!(diagnostics, []);
    assert_eq!(loaded.len(), 1);
    loaded.remove(0).spec
}

fn service(lines: &str) -> Spec {
    spec(&format!("[Service]\nExecStart=/bin/web\n{lines}\n"))
}

fn faults(text: &str) -> Vec<(Severity, String)> {
    let (_, diagnostics) = load(&[("/u/web.service", text)], &[]);
    diagnostics
        .into_iter()
        .map(|diagnostic| {
            assert!(text.is_char_boundary(diagnostic.place.span.end));
            (diagnostic.severity, text[diagnostic.place.span].to_owned())
        })
        .collect()
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[test]
fn a_plain_service_means_what_systemd_means() {
    let spec = spec(
        "[Unit]\nDescription=The web of %H\n[Service]\nExecStart=/bin/web --port 80\n[Install]\nWantedBy=multi-user.target\n",
    );
    assert_eq!(spec.name, "web");
    assert_eq!(spec.description, "The web of host.example");
    assert_eq!(spec.start[0].args, ["--port", "80"]);
    assert_eq!(spec.kind, Kind::Simple);
    assert_eq!(spec.start_mode, StartMode::Auto);
    assert_eq!(spec.process.env_base, EnvBase::Clean);
    assert_eq!(spec.process.umask, Some(0o022));
    assert!(spec.process.ignore_sigpipe);
    assert_eq!(spec.restart.when, RestartWhen::Never);
    assert_eq!(
        spec.restart.limit,
        Some(StartLimit {
            starts: 5,
            window: Duration::from_secs(10)
        })
    );
    assert_eq!(spec.start_timeout, seconds(90));
    assert_eq!(spec.stop.budget, seconds(92));
    assert_eq!(
        spec.stop.plan,
        [StopStep {
            request: Request::Signal(Signal::TERM),
            grace: seconds(90)
        }]
    );
}

#[test]
fn types_are_kinds_and_readiness() {
    assert_eq!(
        service("Type=notify\nNotifyAccess=all").ready,
        Ready::Notify(NotifyFrom::All)
    );
    assert_eq!(
        service("Type=notify\nNotifyAccess=none").ready,
        Ready::Notify(NotifyFrom::Main)
    );
    assert_eq!(
        service("Type=notify-reload\nReloadSignal=USR1").reload,
        Reload::Notify(Signal::USR1)
    );
    assert_eq!(service("Type=idle").kind, Kind::Idle);
    let pid_file = Some("/run/web.pid".to_owned());
    assert_eq!(
        service("Type=forking\nPIDFile=web.pid").kind,
        Kind::Forking { pid_file }
    );
    let oneshot = spec("[Service]\nType=oneshot\nExecStart=/bin/a\nExecStart=-/bin/b ; /bin/c\n");
    assert_eq!(oneshot.start.len(), 3);
    assert_eq!(oneshot.start_timeout, None);
}

#[test]
fn an_empty_assignment_takes_back_a_list() {
    let spec = spec(
        "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\nEnvironment=A=1\nEnvironment=\nEnvironment=\"B=x y\" C=%p\n",
    );
    assert_eq!(spec.start[0].program, "/bin/b");
    assert_eq!(
        spec.process.env,
        [("B".into(), "x y".into()), ("C".into(), "web".into())]
    );
}

#[test]
fn stop_commands_and_the_signal_are_steps_of_one_budget() {
    let stop = service("ExecStop=/bin/stop $MAINPID\nTimeoutStopSec=5\nKillSignal=INT\nKillMode=mixed\nSendSIGKILL=no").stop;
    assert_eq!(stop.plan.len(), 2);
    assert_eq!(
        stop.plan[1],
        StopStep {
            request: Request::Signal(Signal::INT),
            grace: seconds(5)
        }
    );
    assert_eq!(stop.budget, seconds(12));
    assert_eq!((stop.whom, stop.kill), (Whom::Mixed, None));
    assert_eq!(service("TimeoutStopSec=0").stop.budget, None);
    assert_eq!(service("TimeoutSec=infinity").start_timeout, None);
}

#[test]
fn restart_delays_grow_only_if_both_keys_say_so() {
    let restart =
        service("Restart=on-failure\nRestartSec=1\nRestartSteps=4\nRestartMaxDelaySec=1min")
            .restart;
    assert_eq!(
        restart.growth,
        Growth::Steps {
            steps: 4,
            max: Duration::from_secs(60)
        }
    );
    assert_eq!(service("RestartSteps=4").restart.growth, Growth::None);
    assert_eq!(
        service("[Unit]\nStartLimitIntervalSec=0").restart.limit,
        None
    );
}

#[test]
fn what_weakens_is_refused_and_what_does_not_is_noted() {
    let text = "[Service]\nExecStart=/bin/web\nSystemCallFilter=@system-service\nIOWeight=5\nNoise=1\nX-Mine=2\n";
    let found = faults(text);
    assert_eq!(
        found,
        [
            (Severity::Refused, "SystemCallFilter".into()),
            (Severity::Noted, "IOWeight".into()),
            (Severity::Warning, "Noise".into())
        ]
    );
}

#[test]
fn lenient_weighs_less_only_what_we_do_not_carry() {
    let given = [(
        "/u/a.service",
        "[Service]\nExecStart=./a\nSystemCallFilter=x\n",
    )];
    let (_, diagnostics) = load_on(&Machine::default(), &given, Options { lenient: true });
    let severities: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.severity)
        .collect();
    assert_eq!(
        severities,
        [Severity::Refused, Severity::Warning, Severity::Refused]
    );
}

#[test]
fn a_refusal_ends_with_the_assignment_that_takes_it_back() {
    assert!(faults("[Service]\nExecStart=/bin/web\nSystemCallFilter=x\nSystemCallFilter=\nDynamicUser=yes\nDynamicUser=no\n").is_empty());
}

#[test]
fn what_cannot_be_a_service_is_refused() {
    for text in [
        "[Service]\n",
        "[Service]\nType=oneshot\n",
        "[Service]\nExecStart=/a\nExecStart=/b\n",
        "[Service]\nType=oneshot\nExecStart=/a\nRestart=always\n",
        "[Service]\nExecStart=a/b\n",
        "[Service]\nExecStart=/a\nUser=a/b\n",
    ] {
        assert!(
            faults(text)
                .iter()
                .any(|(severity, _)| *severity == Severity::Refused),
            "{text}"
        );
    }
}

#[test]
fn drop_ins_of_every_directory_count_by_the_names_of_their_files() {
    let unit = "[Service]\nExecStart=/bin/web\nEnvironment=A=unit\n";
    let (loaded, diagnostics) = load(
        &[("/u/my-web.service", unit)],
        &[
            (
                "/u/my-web.service.d/20-b.conf",
                "[Service]\nEnvironment=B=own\n",
            ),
            ("/u/service.d/20-b.conf", "[Service]\nEnvironment=B=type\n"),
            (
                "/u/service.d/30-c.conf",
                "[Service]\nEnvironment=A=type C=type\n",
            ),
            (
                "/u/my-.service.d/10-a.conf",
                "[Service]\nEnvironment=A=prefix\n",
            ),
        ],
    );
    assert_eq!(diagnostics, []);
    let env: Vec<_> = loaded[0]
        .spec
        .process
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(env, ["A=type", "B=own", "C=type"]);
}

#[test]
fn a_template_is_its_instances() {
    let text = "[Service]\nExecStart=/bin/web %i %I\n[Install]\nDefaultInstance=a-b\n";
    let (loaded, diagnostics) = load(&[("/u/web@.service", text)], &[]);
    assert_eq!(diagnostics, []);
    assert_eq!(loaded[0].spec.name, "web@a-b");
    assert_eq!(loaded[0].spec.start[0].args, ["a-b", "a/b"]);
    let (loaded, diagnostics) = load(
        &[("/u/web@.service", "[Service]\nExecStart=/bin/web\n")],
        &[],
    );
    assert!(loaded.is_empty());
    assert_eq!(diagnostics[0].severity, Severity::Noted);
}

#[test]
fn a_socket_beside_its_service_becomes_what_it_listens_on() {
    let (loaded, diagnostics) = load(
        &[(
            "/u/web.service",
            "[Unit]\nRequires=web.socket\nAfter=web.socket\n[Service]\nExecStart=/bin/web\n",
        )],
        &[(
            "/u/web.socket",
            "[Socket]\nListenStream=80\nListenStream=/run/web.sock\nSocketMode=0600\n[Install]\nWantedBy=sockets.target\n",
        )],
    );
    assert_eq!(diagnostics, []);
    assert_eq!(loaded.len(), 1);
    let spec = &loaded[0].spec;
    assert_eq!(spec.listen.len(), 2);
    assert_eq!(spec.listen[0].address, Address::Tcp("80".into()));
    assert_eq!(spec.listen[0].name.as_deref(), Some("web.socket"));
    assert_eq!(spec.listen[1].mode, 0o600);
    assert!(spec.depends.requires.is_empty() && spec.depends.after.is_empty());
}

#[test]
fn units_that_are_needed_are_found_beside_the_given_one() {
    let (loaded, diagnostics) = load(
        &[(
            "/u/web.service",
            "[Unit]\nRequires=db.service gone.service\nWants=absent.service\nAfter=db.service network.target\n[Service]\nExecStart=/bin/web\n",
        )],
        &[("/u/db.service", "[Service]\nExecStart=/bin/db\n")],
    );
    assert_eq!(diagnostics, []);
    assert_eq!(loaded[0].spec.depends.requires, ["db", "gone"]);
    assert_eq!(loaded[0].spec.depends.after, ["db"]);
    assert!(loaded[0].spec.depends.wants.is_empty());
    assert_eq!(loaded[0].spec.start_mode, StartMode::Auto);
    assert_eq!(
        (&*loaded[1].spec.name, loaded[1].spec.start_mode),
        ("db", StartMode::Manual)
    );
}

#[test]
fn timers_and_strangers_are_refused_with_a_word() {
    for path in ["/u/a.timer", "/u/a.mount", "/u/readme"] {
        let (loaded, diagnostics) = load(&[(path, "[Unit]\n")], &[]);
        assert!(loaded.is_empty());
        assert_eq!(diagnostics[0].severity, Severity::Refused);
    }
}

/// Units with a bit of everything, for what follows.
const SEEDS: &[&str] = &[
    include_str!("tests/everything.service"),
    include_str!("tests/odd.service"),
    include_str!("tests/listening.socket"),
];

/// Whatever the bytes: no panic, and every span lies inside the text, on boundaries of letters.
fn survives(ending: &str, text: &str) {
    let path = format!("/u/fuzz-a@b.{ending}");
    let given = [(path.as_str(), text)];
    for lenient in [false, true] {
        let (loaded, diagnostics) = load_on(&Machine::default(), &given, Options { lenient });
        for diagnostic in &diagnostics {
            let span = diagnostic.place.span.clone();
            assert!(text.get(span).is_some(), "{diagnostic:?}");
        }
        if !crate::diagnostic::refused(&diagnostics) {
            loaded
                .into_iter()
                .for_each(|loaded| reads_back(loaded.spec));
        }
    }
    env_file::parse(text);
    expand(&[text.to_owned()], |name| Some(name.to_owned()));
}

/// The lines of two specs that differ.
pub(super) fn difference(one: &Spec, other: &Spec) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let pairs = one
        .lines()
        .zip(other.lines())
        .filter(|(one, other)| one != other);
    pairs
        .take(8)
        .map(|(one, other)| format!("\n- {one}\n+ {other}"))
        .collect()
}

/// What was read is written so that it reads back, unless something of it is said to be lost.
fn reads_back(spec: Spec) {
    let written = write(&spec);
    if !written.lost.is_empty() {
        return;
    }
    let files: Vec<(String, &str)> = written
        .files
        .iter()
        .map(|(name, text)| (format!("/u/{name}"), text.as_str()))
        .collect();
    let given: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let (mut again, _) = load_on(&Machine::with_journal(), &given, Options::default());
    let again = Spec {
        source: spec.source.clone(),
        ..again.remove(0).spec
    };
    assert!(
        again == spec,
        "{}{}",
        written.files[0].1,
        difference(&spec, &again)
    );
}

#[test]
fn mutated_units_never_panic_and_keep_their_spans() {
    let mut state: u64 = 0x5eed;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound.max(1) as u64).unwrap()
    };
    let pieces = [
        "=",
        "\n",
        "\\\n",
        "%",
        "$",
        "\"",
        "'",
        "[Service]",
        "\\x",
        "~",
        " ; ",
        "-",
        "\u{feff}",
        "ä",
        "\0",
        "infinity",
        "9999999999999999999",
        "#",
    ];
    for round in 0..300 {
        let mut text: Vec<char> = SEEDS[round % SEEDS.len()].chars().collect();
        for _ in 0..=next(8) {
            let at = next(text.len());
            match next(4) {
                0 => drop(text.drain(at..(at + next(20)).min(text.len()))),
                1 => drop(text.splice(at..at, pieces[next(pieces.len())].chars())),
                2 => {
                    let copied: Vec<char> = text[at..(at + next(40)).min(text.len())].to_vec();
                    let to = next(text.len());
                    text.splice(to..to, copied);
                }
                _ => text[at] = pieces[next(pieces.len())].chars().next().unwrap(),
            }
            if text.is_empty() {
                text.push('x');
            }
        }
        let text: String = text.into_iter().collect();
        survives(["service", "socket", "target"][round % 3], &text);
    }
}

#[test]
fn the_seeds_themselves_are_read_as_meant() {
    let (loaded, diagnostics) = load(&[("/u/everything.service", SEEDS[0])], &[]);
    let refused = diagnostics
        .iter()
        .filter(|one| one.severity != Severity::Noted)
        .count();
    assert_eq!((loaded.len(), refused), (1, 0), "{diagnostics:?}");
}

/// The corpora the fuzzer found worth keeping are read on every run.
#[test]
fn the_fuzzers_corpus_is_read() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/systemd");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        survives("service", &String::from_utf8_lossy(&bytes));
        survives("socket", &String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn a_unit_of_ten_thousand_lines_is_read() {
    let mut text = String::from("[Service]\nExecStart=/bin/web\n");
    for line in 0..10_000 {
        text.push_str(&format!("Environment=A{line}={line}\n"));
    }
    assert_eq!(spec(&text).process.env.len(), 10_000);
}

#[test]
fn an_alias_and_a_mask_are_followed() {
    let mut machine = Machine::default();
    machine.files.insert(
        "/u/real.service".into(),
        "[Service]\nExecStart=/bin/real\n".into(),
    );
    machine
        .links
        .insert("/u/other.service".into(), "real.service".into());
    machine
        .links
        .insert("/u/gone.service".into(), "/dev/null".into());
    let text = "[Unit]\nWants=other.service gone.service\nAfter=other.service\n[Service]\nExecStart=/bin/web\n[Install]\nAlias=site.service\n";
    let (loaded, diagnostics) = load_on(&machine, &[("/u/web.service", text)], Options::default());
    assert_eq!(diagnostics, []);
    let names: Vec<_> = loaded.iter().map(|loaded| &*loaded.spec.name).collect();
    assert_eq!(names, ["web", "real"]);
    assert_eq!(loaded[0].spec.depends.wants, ["real"]);
    assert_eq!(loaded[0].spec.depends.after, ["real"]);
}
