//! Whole services, from an export to a spec and back.

use std::time::Duration;

use aplomb_core::spec::{
    EnvBase, ExitAction, Growth, LogTo, Moment, Request, RestartWhen, StartMode, StderrTo, Stdin,
    Timestamps, Whom,
};
use aplomb_core::{Bytes, ExitCode, Spec};

use super::*;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::Source;

fn key(values: &[(&str, &str, Value)]) -> Key {
    let mut key = Key::default();
    for (path, name, value) in values {
        match *path {
            "" => key.set(name, value.clone()),
            path => key.make(path).set(name, value.clone()),
        }
    }
    key
}

fn text(text: &str) -> Value {
    Value::Expand(text.to_owned())
}

fn list(list: &[&str]) -> Value {
    Value::List(list.iter().map(ToString::to_string).collect())
}

const P: &str = "Parameters";

fn spec_in(key: &Key, surroundings: Surroundings<'_>) -> (Spec, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let file = "registry".into();
    let loaded = service("web", key, &file, surroundings, &mut diagnostics);
    (loaded.spec, diagnostics)
}

fn spec(key: &Key) -> (Spec, Vec<String>) {
    let (spec, diagnostics) = spec_in(key, Surroundings::default());
    (
        spec,
        diagnostics.iter().map(|one| one.message.clone()).collect(),
    )
}

fn everything() -> Key {
    key(&[
        ("", "ImagePath", text(r"C:\nssm.exe")),
        ("", "Start", Value::Number(3)),
        ("", "Description", Value::Text("Serves".into())),
        ("", "DependOnService", list(&["Tcpip"])),
        (
            "",
            "ObjectName",
            Value::Text(r"NT Authority\LocalService".into()),
        ),
        (P, "Application", text(r"C:\web\web.exe")),
        (P, "AppParameters", text(r#"--port 80 "C:\a b\\""#)),
        (P, "AppDirectory", text(r"C:\web")),
        (P, "AppEnvironmentExtra", list(&["A=1", "B=x=y"])),
        (P, "AppAffinity", Value::Text("0-1,3".into())),
        (P, "AppPriority", Value::Number(0x80)),
        (P, "AppStdin", text("in.txt")),
        (P, "AppStdout", text(r"log\out.log")),
        (P, "AppStderr", text(r"C:\web\LOG\out.log")),
        (P, "AppStdoutCreationDisposition", Value::Number(2)),
        (P, "AppRotateFiles", Value::Number(1)),
        (P, "AppRotateOnline", Value::Number(1)),
        (P, "AppRotateBytes", Value::Number(1024)),
        (P, "AppRotateBytesHigh", Value::Number(1)),
        (P, "AppTimestampLog", Value::Number(1)),
        (P, "AppStopMethodSkip", Value::Number(4)),
        (P, "AppStopMethodConsole", Value::Number(9000)),
        (P, "AppKillProcessTree", Value::Number(0)),
        (P, "AppThrottle", Value::Number(5000)),
        (P, "AppRestartDelay", Value::Number(500)),
        (r"Parameters\AppExit", "", Value::Text("Exit".into())),
        (r"Parameters\AppExit", "3", Value::Text("Restart".into())),
        (r"Parameters\AppExit", "0", Value::Text("Exit".into())),
        (
            r"Parameters\AppEvents\Start",
            "Pre",
            text(r#""C:\a b.exe" one"#),
        ),
    ])
}

#[test]
fn what_is_said_means_what_nssm_makes_of_it() {
    let (spec, remarks) = spec(&everything());
    assert_eq!(remarks, [] as [&str; 0]);
    assert_eq!(spec.start[0].program, r"C:\web\web.exe");
    assert_eq!(spec.start[0].args, ["--port", "80", r"C:\a b\"]);
    assert_eq!(spec.start_mode, StartMode::Manual);
    assert_eq!(spec.description, "Serves");
    assert_eq!(
        (spec.depends.wants.len(), &spec.depends.after[0][..]),
        (1, "Tcpip")
    );
    assert_eq!(
        spec.process.user.as_deref(),
        Some(r"NT Authority\LocalService")
    );
    assert_eq!(
        spec.process.env,
        [("A".into(), "1".into()), ("B".into(), "x=y".into())]
    );
    assert_eq!(spec.process.env_base, EnvBase::Inherit);
    assert_eq!(spec.process.cpu_affinity, [0, 1, 3]);
    assert_eq!(spec.process.nice, Some(-15));
    assert_eq!(spec.process.stdin, Stdin::File(r"C:\web\in.txt".into()));
    assert_eq!(spec.log.to, LogTo::Truncate(r"C:\web\log\out.log".into()));
    assert_eq!(spec.log.stderr, StderrTo::Same);
    assert_eq!(spec.log.rotate.size, Some(Bytes((1 << 32) + 1024)));
    assert_eq!(
        (spec.log.keep, spec.log.timestamps),
        (None, Timestamps::Utc)
    );
    assert_eq!(spec.stop.whom, Whom::Main);
    assert_eq!(spec.stop.plan.len(), 2);
    assert_eq!(spec.stop.plan[0].grace, Some(Duration::from_secs(9)));
    assert_eq!(spec.restart.delay, Duration::from_millis(500));
    assert_eq!(spec.restart.healthy_after, Some(Duration::from_secs(5)));
    assert_eq!(
        (spec.restart.when, spec.restart.limit),
        (RestartWhen::Never, None)
    );
    let actions = [
        (ExitCode(0), ExitAction::Stop),
        (ExitCode(3), ExitAction::Restart),
    ];
    assert_eq!(spec.exit.actions, actions);
    let hook = &spec.hooks[0];
    assert_eq!(
        (hook.on, hook.timeout),
        (Moment::StartPre, Duration::from_secs(20))
    );
    assert_eq!(
        (&hook.command.program[..], &hook.command.args[..]),
        (r"C:\a b.exe", &["one".to_owned()][..])
    );
}

#[test]
fn unsaid_times_are_ours_unless_the_defects_are_wanted() {
    let key = key(&[(P, "Application", text(r"C:\a.exe"))]);
    let (spec, _) = spec(&key);
    assert_eq!(spec.stop.budget, Some(Duration::from_secs(30)));
    assert_eq!(spec.stop.plan[0].request, Request::CtrlC);
    assert_eq!(spec.restart.delay, Duration::from_secs(1));
    assert_eq!(spec.restart.when, RestartWhen::Always);
    assert_eq!(
        spec.process.directory.as_ref().map(|one| &one.path[..]),
        Some(r"C:\")
    );
    let kept = Surroundings {
        defects: Defects::Kept,
        ..Surroundings::default()
    };
    let (spec, _) = spec_in(&key, kept);
    let graces: Vec<_> = spec.stop.plan.iter().map(|step| step.grace).collect();
    assert_eq!(graces, [Some(Duration::from_millis(1500)); 3]);
    assert_eq!(spec.restart.delay, Duration::from_secs(2));
    let mut switched = key.clone();
    let switch = switched.make(r"Parameters\Aplomb");
    switch.set("Defects", Value::Text("Kept".into()));
    assert_eq!(
        spec_in(&switched, Surroundings::default()).0.stop,
        spec.stop
    );
    let Growth::Factor { max, .. } = spec.restart.growth else {
        panic!("grows")
    };
    assert_eq!(max, Duration::from_secs(128));
}

#[test]
fn variables_are_replaced_where_the_service_will_run_and_remarked_elsewhere() {
    let key = key(&[
        (P, "Application", text(r"%ROOT%\a.exe")),
        (
            P,
            "AppEnvironmentExtra",
            list(&[r"ROOT=%SystemDrive%\r", r"BIN=%root%\bin"]),
        ),
    ]);
    let known = [("SystemDrive".to_owned(), "C:".to_owned())];
    let here = Surroundings {
        variables: Some(&known),
        ..Surroundings::default()
    };
    let (spec, remarks) = spec_in(&key, here);
    assert!(remarks.is_empty(), "{remarks:?}");
    assert_eq!(spec.start[0].program, r"C:\r\a.exe");
    assert_eq!(spec.process.env[1].1, r"C:\r\bin");
    let (spec, remarks) = super::tests::spec(&key);
    assert_eq!(spec.start[0].program, r"%ROOT%\a.exe");
    assert_eq!(
        remarks
            .iter()
            .filter(|one| one.contains("names variables"))
            .count(),
        4
    );
}

#[test]
fn what_nssm_ignores_or_has_alone_is_said() {
    let key = key(&[
        (P, "Application", text(r"C:\a.exe")),
        (P, "AppThrottle", Value::Text("1500".into())),
        (P, "AppTrottle", Value::Number(1)),
        (P, "AppPriority", Value::Number(7)),
        (P, "AppAffinity", Value::Text("x".into())),
        (P, "AppEnvironment", list(&["A=1", "nonsense"])),
        (P, "AppRotateFiles", Value::Number(1)),
        (r"Parameters\AppExit", "0x10", Value::Text("Exit".into())),
        (r"Parameters\AppExit", "4", Value::Text("Ignore".into())),
        (r"Parameters\AppExit", "5", Value::Text("Nonsense".into())),
        (r"Parameters\AppEvents\Power", "Change", text("p.exe")),
    ]);
    let (spec, remarks) = spec(&key);
    for part in [
        "`AppThrottle` is REG_SZ",
        "no value `AppTrottle`",
        "`AppPriority` is 7",
        "`AppAffinity` is `x`",
        "takes the place of the whole environment",
        "`nonsense` in `AppEnvironment`",
        "rotates at every start",
        "never finds the exit code `0x10`",
        "after exit code 4",
        "`Nonsense` is no exit action",
        "`Power/Change`",
    ] {
        assert!(
            remarks.iter().any(|one| one.contains(part)),
            "{part}: {remarks:#?}"
        );
    }
    assert_eq!(spec.process.env_base, EnvBase::Clean);
    assert_eq!(spec.exit.actions[1], (ExitCode(16), ExitAction::Fail));
}

#[test]
fn an_export_is_a_source_with_places() {
    let text = export(&[
        ("web".into(), everything()),
        ("other".into(), Key::default()),
    ]);
    let mut diagnostics = Vec::new();
    let source = Source::new("web.reg", text);
    let loaded = read(&source, &mut diagnostics);
    assert_eq!((loaded.len(), &loaded[0].spec.name[..]), (1, "web"));
    assert_eq!(diagnostics, []);
    let place = loaded[0]
        .places
        .of(crate::Field::Program, r"C:\web\web.exe");
    assert!(source.text[place.span.clone()].starts_with("\"Application\"=hex(2):"));
    let mut diagnostics = Vec::new();
    read(&Source::new("x.reg", export(&[])), &mut diagnostics);
    assert_eq!(diagnostics[0].severity, Severity::Refused);
}

#[test]
fn srvanys_values_are_read_and_its_want_of_manners_is_said() {
    let key = key(&[
        ("", "ImagePath", text(r"C:\rk\SRVANY.EXE")),
        (P, "Application", Value::Text(r"C:\a.exe".into())),
        (P, "AppParameters", Value::Text("-x".into())),
        (P, "AppEnvironment", list(&["A=1"])),
    ]);
    let (spec, remarks) = spec(&key);
    assert_eq!(spec.start[0].args, ["-x"]);
    assert_eq!(spec.process.env_base, EnvBase::Inherit);
    assert_eq!(spec.restart, Spec::new("").restart);
    assert!(
        remarks.len() == 1 && remarks[0].starts_with("srvany"),
        "{remarks:?}"
    );
}

#[test]
fn what_is_written_reads_back_the_same() {
    let (mut first, _) = spec(&everything());
    let written = write(&first);
    assert_eq!(written.lost, []);
    let (mut again, remarks) = spec(&written.key);
    assert_eq!(remarks, [] as [&str; 0]);
    first.source = None;
    again.source = None;
    assert_eq!(again, first);
}

#[test]
fn what_nssm_cannot_say_is_listed() {
    let mut spec = Spec::new("web");
    spec.start = vec![aplomb_core::spec::Command {
        program: r"C:\a.exe".into(),
        ..Default::default()
    }];
    let lost: Vec<String> = write(&spec)
        .lost
        .iter()
        .map(|one| one.message.clone())
        .collect();
    for part in [
        "this stop plan",
        "a start limit",
        "retention",
        "a log of its own",
    ] {
        assert!(
            lost.iter().any(|one| one.contains(part)),
            "{part}: {lost:#?}"
        );
    }
}
