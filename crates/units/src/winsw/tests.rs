//! Whole files of WinSW's.

use std::time::Duration;

use aplomb_core::spec::{
    Growth, LogTo, Moment, Request, RestartWhen, RotateAt, StartMode, StderrTo,
};
use aplomb_core::{Bytes, Spec};

use super::read;
use crate::diagnostic::Diagnostic;
use crate::source::Source;

fn spec(text: &str) -> (Option<Spec>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let source = Source::new(r"C:\jenkins\jenkins.xml", text);
    let loaded = read(&source, &mut diagnostics);
    (loaded.map(|loaded| loaded.spec), diagnostics)
}

const JENKINS: &str = r#"<?xml version="1.0"?>
<service>
  <id>jenkins</id>
  <description>Builds</description>
  <env name="JENKINS_HOME" value="%BASE%\home"/>
  <executable>java</executable>
  <arguments>-Xrs -jar "%BASE%\jenkins.war"
     --httpPort=8080</arguments>
  <prestart><executable>fetch.exe</executable><arguments>a "b c"</arguments></prestart>
  <startmode>Manual</startmode>
  <depend>Tcpip</depend>
  <priority>BelowNormal</priority>
  <stoptimeout>30 sec</stoptimeout>
  <logpath>C:\logs</logpath>
  <log mode="roll-by-size"><sizeThreshold>100</sizeThreshold><keepFiles>3</keepFiles></log>
  <onfailure action="restart" delay="10 sec"/>
  <onfailure action="restart" delay="1 min"/>
  <resetfailure>1 hour</resetfailure>
  <serviceaccount><domain>CORP</domain><user>build</user></serviceaccount>
</service>"#;

#[test]
fn a_usual_file_is_carried_over_whole() {
    let (spec, remarks) = spec(JENKINS);
    assert_eq!(remarks, []);
    let spec = spec.expect("read");
    assert_eq!(
        (&spec.name[..], &spec.description[..]),
        ("jenkins", "Builds")
    );
    let args = ["-Xrs", "-jar", r"C:\jenkins\jenkins.war", "--httpPort=8080"];
    assert_eq!(
        (&spec.start[0].program[..], &spec.start[0].args[..]),
        ("java", &args.map(String::from)[..])
    );
    assert_eq!(
        spec.process.env,
        [("JENKINS_HOME".to_owned(), r"C:\jenkins\home".to_owned())]
    );
    assert_eq!(
        spec.process.directory.as_ref().map(|one| &one.path[..]),
        Some(r"C:\jenkins")
    );
    assert_eq!(
        (spec.process.nice, spec.start_mode),
        (Some(5), StartMode::Manual)
    );
    assert_eq!(spec.process.user.as_deref(), Some(r"CORP\build"));
    assert_eq!(
        (&spec.depends.wants, &spec.depends.after),
        (&vec!["Tcpip".to_owned()], &vec!["Tcpip".to_owned()])
    );
    assert_eq!(spec.hooks[0].on, Moment::StartPre);
    assert_eq!(spec.hooks[0].command.args, ["a", "b c"]);
    assert_eq!(spec.stop.plan[0].request, Request::CtrlC);
    assert_eq!(spec.stop.budget, Some(Duration::from_secs(32)));
    assert_eq!(spec.log.to, LogTo::File(r"C:\logs\jenkins.out.log".into()));
    assert_eq!(
        spec.log.stderr,
        StderrTo::To(LogTo::File(r"C:\logs\jenkins.err.log".into()))
    );
    assert_eq!(
        (spec.log.rotate.size, spec.log.keep),
        (Some(Bytes(102_400)), Some(3))
    );
    assert_eq!(
        (spec.restart.when, spec.restart.delay),
        (RestartWhen::OnFailure, Duration::from_secs(10))
    );
    assert!(
        matches!(spec.restart.growth, Growth::Factor { max, .. } if max == Duration::from_secs(60))
    );
    assert_eq!(spec.restart.healthy_after, Some(Duration::from_secs(3600)));
}

#[test]
fn what_is_not_carried_over_is_listed_with_its_line() {
    let text = r#"<service>
<id>x</id><name>Shown</name><executable>%JAVA_HOME%\java</executable>
<download from="a" to="b"/><interactive/><excutable/>
<stoptimeout>soon</stoptimeout><onfailure action="reboot"/>
<serviceaccount><username>.\jan</username><password>secret</password></serviceaccount>
<log mode="roll"/><priority>fast</priority><env value="1"/>
</service>"#;
    let (spec, remarks) = spec(text);
    for part in [
        "`<name>` has no like",
        "variables are replaced by WinSW",
        "`<download>` is not carried over",
        "`<interactive>` is not carried over",
        "WinSW knows no element `<excutable>`",
        "`soon` is no span",
        "`reboot` after a failure",
        "the password in this file",
        "begins a new file at each start",
        "`fast` is no priority",
        "this variable has no name",
    ] {
        assert!(
            remarks.iter().any(|one| one.message.contains(part)),
            "{part}: {remarks:#?}"
        );
    }
    assert!(
        remarks
            .iter()
            .all(|one| !format!("{one:?}").contains("secret"))
    );
    let download = remarks.iter().find(|one| one.message.contains("download"));
    let span = download.expect("listed").place.span.clone();
    assert_eq!(&text[span], r#"<download from="a" to="b"/>"#);
    let spec = spec.expect("read");
    assert_eq!(
        (spec.restart.when, spec.process.user.as_deref()),
        (RestartWhen::Never, Some(r".\jan"))
    );
}

#[test]
fn logs_and_stops_of_every_kind() {
    let with = |inner: &str| {
        let text = format!("<service><id>x</id><executable>a</executable>{inner}</service>");
        spec(&text).0.expect("read")
    };
    let log = &with(r#"<log mode="roll-by-time"><pattern>yyyyMMdd</pattern><autoRollAtTime>02:30:00</autoRollAtTime></log>"#).log;
    assert_eq!(
        log.rotate.at,
        Some(RotateAt::Daily {
            hour: 2,
            minute: 30
        })
    );
    let log = &with("<logmode>reset</logmode><errfiledisabled/>").log;
    assert_eq!(
        log.to,
        LogTo::Truncate(r"C:\jenkins\jenkins.out.log".into())
    );
    assert_eq!(log.stderr, StderrTo::To(LogTo::Nothing));
    assert_eq!(with(r#"<log mode="none"/>"#).log.to, LogTo::Nothing);
    let plan = &with("<stoparguments>--stop now</stoparguments>").stop.plan;
    let Request::Command(command) = &plan[0].request else {
        panic!("{plan:?}")
    };
    assert_eq!((&command.program[..], command.args.len()), ("a", 2));
}

#[test]
fn what_is_no_definition_is_refused_with_its_place() {
    for (text, part) in [
        ("<service>", "never closed"),
        ("<other/>", "the root is `<other>`"),
        ("<service><id>x</id></service>", "no `<executable>`"),
        ("", "root"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><service/>", "DTD"),
    ] {
        let (_, remarks) = spec(text);
        let first = remarks.first().expect(text);
        assert!(first.message.contains(part), "{text}: {}", first.message);
        assert!(
            text.get(first.place.span.clone()).is_some(),
            "{text}: {:?}",
            first.place
        );
    }
}
