//! What `systemd-analyze` and `systemd-escape` say of single values, and what we do.

use std::process::Command;

use aplomb_core::spec::{Condition, ConditionKind};
use aplomb_units::systemd::{self, Outcome, exit_status, name, time_span};

use crate::machine::Machine;

/// How each tool fared.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// Tool, values compared, of these the same.
    pub(crate) tallies: Vec<(&'static str, usize, usize)>,
    pub(crate) differences: Vec<String>,
}

/// Asks all tools, and prints what differs.
pub(crate) fn compare() -> Tools {
    let mut tools = Tools::default();
    tools.add("systemd-analyze timespan", spans());
    tools.add("systemd-analyze exit-status", exit_statuses());
    tools.add("systemd-analyze condition", conditions());
    tools.add("systemd-escape", escapes());
    for (tool, compared, agreed) in &tools.tallies {
        println!("{tool}: {agreed} of {compared}");
    }
    for difference in &tools.differences {
        println!("  {difference}");
    }
    tools
}

impl Tools {
    /// Triples of what was asked, ours, theirs.
    fn add(&mut self, tool: &'static str, answers: Vec<(String, String, String)>) {
        let agreed = answers
            .iter()
            .filter(|(_, ours, theirs)| ours == theirs)
            .count();
        self.tallies.push((tool, answers.len(), agreed));
        let differing = answers
            .into_iter()
            .filter(|(_, ours, theirs)| ours != theirs);
        self.differences
            .extend(differing.map(|(asked, ours, theirs)| {
                format!("{tool} `{asked}`: ours {ours}, theirs {theirs}")
            }));
    }
}

/// What a command prints; `None` if it fails.
fn told(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Numbers, units and blanks in every order, and the texts of the manual page.
fn spans() -> Vec<(String, String, String)> {
    let mut texts: Vec<String> = [
        "2 h",
        "2hours",
        "48hr",
        "1y 12month",
        "55s500ms",
        "300ms20s 5day",
        "infinity",
        " 5 ",
        "5 5",
        "5s 5",
        "1.5h",
        ".5s",
        "5.",
        ".",
        "1..5",
        "12.34.56",
        "12.34 .56",
        "-1",
        "- 1",
        "+5",
        "5 +5",
        "5x",
        "x",
        "1m30",
        "1M1m1ms",
        "5 s",
        "5\u{b5}s",
        "0",
        "0.0000019",
        "infinity 5",
        "5infinity",
        "9999999999999",
        "99999999999999999999",
        "600000y",
        "584542y",
        "1e5",
        "0x10",
    ]
    .iter()
    .map(|text| (*text).to_owned())
    .collect();
    for number in ["1", "1.5", "07", "0.001", "12"] {
        for unit in [
            "", "s", "sec", "second", "seconds", "m", "min", "minutes", "M", "month", "h", "hr",
            "d", "day", "w", "weeks", "y", "year", "ms", "msec", "us", "usec", "S", "mins", "H",
        ] {
            texts.push(format!("{number}{unit}"));
            texts.push(format!("{number} {unit} 3s"));
        }
    }
    texts
        .into_iter()
        .map(|text| {
            let ours = match time_span::seconds(&text) {
                Ok(Some(span)) => span.as_micros().to_string(),
                Ok(None) => "infinity".to_owned(),
                Err(_) => "refused".to_owned(),
            };
            let theirs = told("systemd-analyze", &["timespan", "--", &text]).and_then(|answer| {
                let line = answer
                    .lines()
                    .find_map(|line| line.trim().strip_prefix("μs:").map(str::to_owned))?;
                Some(line.trim().to_owned())
            });
            let theirs = theirs.map(|micros| {
                if micros == u64::MAX.to_string() {
                    "infinity".to_owned()
                } else {
                    micros
                }
            });
            (text, ours, theirs.unwrap_or_else(|| "refused".to_owned()))
        })
        .collect()
}

fn exit_statuses() -> Vec<(String, String, String)> {
    let table = told("systemd-analyze", &["exit-status"]).unwrap_or_default();
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse::<u8>().ok()?))
    });
    rows.map(|(name, code)| {
        let ours = exit_status::name(code).unwrap_or_default().to_owned();
        (code.to_string(), ours, name)
    })
    .collect()
}

/// Conditions whose answer this machine gives to both.
fn conditions() -> Vec<(String, String, String)> {
    let asked: &[(ConditionKind, &str, &[&str])] = &[
        (
            ConditionKind::PathExists,
            "PathExists",
            &["/etc/passwd", "/nowhere"],
        ),
        (
            ConditionKind::PathExistsGlob,
            "PathExistsGlob",
            &["/etc/pass*", "/etc/nowhere*"],
        ),
        (
            ConditionKind::PathIsDirectory,
            "PathIsDirectory",
            &["/etc", "/etc/passwd"],
        ),
        (
            ConditionKind::PathIsSymbolicLink,
            "PathIsSymbolicLink",
            &["/bin", "/etc"],
        ),
        (
            ConditionKind::PathIsMountPoint,
            "PathIsMountPoint",
            &["/proc", "/etc", "/"],
        ),
        (
            ConditionKind::PathIsReadWrite,
            "PathIsReadWrite",
            &["/tmp", "/nowhere"],
        ),
        (
            ConditionKind::DirectoryNotEmpty,
            "DirectoryNotEmpty",
            &["/etc", "/etc/passwd", "/nowhere"],
        ),
        (
            ConditionKind::FileNotEmpty,
            "FileNotEmpty",
            &["/etc/passwd", "/etc", "/nowhere"],
        ),
        (
            ConditionKind::FileIsExecutable,
            "FileIsExecutable",
            &["/bin/sh", "/etc"],
        ),
        (
            ConditionKind::Environment,
            "Environment",
            &["PATH", "NO_SUCH_NAME"],
        ),
        (
            ConditionKind::User,
            "User",
            &["root", "0", "@system", "nobody"],
        ),
        (ConditionKind::Group, "Group", &["root", "0", "nogroup"]),
        (ConditionKind::Host, "Host", &["*", "no-such-host"]),
        (
            ConditionKind::Architecture,
            "Architecture",
            &["native", "x86-64", "arm64"],
        ),
        (
            ConditionKind::Virtualization,
            "Virtualization",
            &[
                "yes",
                "no",
                "vm",
                "container",
                "kvm",
                "docker",
                "private-users",
            ],
        ),
        (
            ConditionKind::KernelCommandLine,
            "KernelCommandLine",
            &["root", "no-such-option", "console"],
        ),
        (
            ConditionKind::KernelVersion,
            "KernelVersion",
            &[">= 5", "<5", "6.*", "> 4.0 <99", "!= 1"],
        ),
        (
            ConditionKind::Capability,
            "Capability",
            &["CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_NO"],
        ),
        (ConditionKind::Cpus, "CPUs", &["1", "> 1000", "= 2", ">=2"]),
        (ConditionKind::Memory, "Memory", &["1M", "> 1P", ">=1G"]),
        (ConditionKind::FirstBoot, "FirstBoot", &["yes", "no"]),
        (
            ConditionKind::Security,
            "Security",
            &["selinux", "apparmor", "smack", "tomoyo"],
        ),
        (ConditionKind::AcPower, "ACPower", &["yes", "no"]),
        (
            ConditionKind::ControlGroupController,
            "ControlGroupController",
            &["v1", "v2"],
        ),
    ];
    let mut answers = Vec::new();
    for (kind, key, parameters) in asked {
        for parameter in *parameters {
            for negated in [false, true] {
                let condition = Condition {
                    kind: *kind,
                    parameter: (*parameter).to_owned(),
                    negated,
                    alternative: false,
                    assert: false,
                };
                let text = format!(
                    "Condition{key}={}{parameter}",
                    if negated { "!" } else { "" }
                );
                let ours = systemd::evaluate(&[condition], &Machine) == Outcome::Holds;
                let theirs = told("systemd-analyze", &["condition", &text]).is_some();
                answers.push((text, ours.to_string(), theirs.to_string()));
            }
        }
    }
    answers
}

fn escapes() -> Vec<(String, String, String)> {
    let mut answers = Vec::new();
    for text in [
        "a", "a/b", "a-b", ".a", "a.b", "a b", "ä", "/dev/sda", "a:b_c", "x\\y", "--", "a@b",
    ] {
        let theirs = told("systemd-escape", &["--", text]).unwrap_or_default();
        answers.push((
            text.to_owned(),
            name::escape(text),
            theirs.trim_end_matches('\n').to_owned(),
        ));
    }
    for text in ["a-b", "a\\x2db", "\\xc3\\xa4", "a\\x2", "-", "a.b"] {
        let ours = name::unescape(text).unwrap_or_else(|| "refused".to_owned());
        let theirs = told("systemd-escape", &["--unescape", "--", text]);
        answers.push((
            text.to_owned(),
            ours,
            theirs.map_or("refused".to_owned(), |text| {
                text.trim_end_matches('\n').to_owned()
            }),
        ));
    }
    answers
}
