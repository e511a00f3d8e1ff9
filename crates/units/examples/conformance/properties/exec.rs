//! The rest of systemd.exec(5), and systemd.resource-control(5).

use std::time::Duration;

use aplomb_core::Spec;
use aplomb_core::spec::{LimitedResource, LogTo, OwnDirectoryKind, StderrTo, Stdin};
use aplomb_units::systemd::time_span;

use super::{Row, flag, row, same, same_lists, set, span};

pub(super) const ROWS: &[Row] = &[
    row("WorkingDirectory", &["WorkingDirectory"], |s, t| {
        let ours = s
            .process
            .directory
            .as_ref()
            .map_or_else(String::new, |directory| {
                let mark = if directory.optional { "!" } else { "" };
                format!("{mark}{}", directory.path)
            });
        same(&ours, t)
    }),
    row("RootDirectory", &["RootDirectory"], |s, t| {
        // The root itself is no other root.
        same(
            s.process.root_directory.as_deref().unwrap_or_default(),
            if t == "/" { "" } else { t },
        )
    }),
    row("Environment", &["Environment"], |s, t| {
        let ours = s
            .process
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        same_lists(ours.collect(), unquoted(t))
    }),
    row("EnvironmentFiles", &["EnvironmentFile"], |s, t| {
        let ours = s.process.env_files.iter().map(|file| {
            let ignored = if file.optional { "yes" } else { "no" };
            format!("{} (ignore_errors={ignored})", file.path)
        });
        same(&ours.collect::<Vec<_>>().join("\n"), t)
    }),
    row("PassEnvironment", &["PassEnvironment"], |s, t| {
        set(s.process.pass_env.iter().cloned(), t)
    }),
    row("UnsetEnvironment", &["UnsetEnvironment"], |s, t| {
        set(s.process.unset_env.iter().cloned(), t)
    }),
    row("ExecSearchPath", &["ExecSearchPath"], |s, t| {
        set(s.process.search_path.iter().cloned(), &t.replace(':', " "))
    }),
    row("User", &["User"], |s, t| {
        same(s.process.user.as_deref().unwrap_or_default(), t)
    }),
    row("Group", &["Group"], |s, t| {
        same(s.process.group.as_deref().unwrap_or_default(), t)
    }),
    row("SupplementaryGroups", &["SupplementaryGroups"], |s, t| {
        set(s.process.supplementary_groups.iter().cloned(), t)
    }),
    row("UMask", &["UMask"], |s, t| {
        same(&format!("{:04o}", s.process.umask?), t)
    }),
    row("Nice", &["Nice"], |s, t| {
        same(&s.process.nice.unwrap_or_default().to_string(), t)
    }),
    row("OOMScoreAdjust", &["OOMScoreAdjust"], |s, t| {
        same(&s.process.oom_score_adjust?.to_string(), t)
    }),
    row("CPUAffinity", &["CPUAffinity"], |s, t| {
        let theirs: Vec<u16> = ranges(t)?;
        same_lists(
            s.process.cpu_affinity.iter().map(u16::to_string).collect(),
            theirs.iter().map(u16::to_string).collect(),
        )
    }),
    row("LimitCPU", &["LimitCPU"], |s, t| {
        hard(s, LimitedResource::Cpu, t)
    }),
    row("LimitCPUSoft", &["LimitCPU"], |s, t| {
        soft(s, LimitedResource::Cpu, t)
    }),
    row("LimitFSIZE", &["LimitFSIZE"], |s, t| {
        hard(s, LimitedResource::FileSize, t)
    }),
    row("LimitDATA", &["LimitDATA"], |s, t| {
        hard(s, LimitedResource::Data, t)
    }),
    row("LimitSTACK", &["LimitSTACK"], |s, t| {
        hard(s, LimitedResource::Stack, t)
    }),
    row("LimitSTACKSoft", &["LimitSTACK"], |s, t| {
        soft(s, LimitedResource::Stack, t)
    }),
    row("LimitCORE", &["LimitCORE"], |s, t| {
        hard(s, LimitedResource::Core, t)
    }),
    row("LimitRSS", &["LimitRSS"], |s, t| {
        hard(s, LimitedResource::ResidentSet, t)
    }),
    row("LimitNOFILE", &["LimitNOFILE"], |s, t| {
        hard(s, LimitedResource::OpenFiles, t)
    }),
    row("LimitNOFILESoft", &["LimitNOFILE"], |s, t| {
        soft(s, LimitedResource::OpenFiles, t)
    }),
    row("LimitAS", &["LimitAS"], |s, t| {
        hard(s, LimitedResource::AddressSpace, t)
    }),
    row("LimitNPROC", &["LimitNPROC"], |s, t| {
        hard(s, LimitedResource::Processes, t)
    }),
    row("LimitMEMLOCK", &["LimitMEMLOCK"], |s, t| {
        hard(s, LimitedResource::LockedMemory, t)
    }),
    row("LimitLOCKS", &["LimitLOCKS"], |s, t| {
        hard(s, LimitedResource::FileLocks, t)
    }),
    row("LimitSIGPENDING", &["LimitSIGPENDING"], |s, t| {
        hard(s, LimitedResource::PendingSignals, t)
    }),
    row("LimitMSGQUEUE", &["LimitMSGQUEUE"], |s, t| {
        hard(s, LimitedResource::MessageQueues, t)
    }),
    row("LimitNICE", &["LimitNICE"], |s, t| {
        hard(s, LimitedResource::Nice, t)
    }),
    row("LimitRTPRIO", &["LimitRTPRIO"], |s, t| {
        hard(s, LimitedResource::RealTimePriority, t)
    }),
    row("LimitRTTIME", &["LimitRTTIME"], |s, t| {
        hard(s, LimitedResource::RealTimeMicros, t)
    }),
    row(
        "StandardInput",
        &["StandardInput", "StandardInputText", "StandardInputData"],
        |s, t| {
            let ours = match &s.process.stdin {
                Stdin::Null => "null",
                Stdin::File(_) => "file",
                Stdin::Text(_) => "data",
                Stdin::Inherit => "inherit",
            };
            // Terminals and sockets as input are refused.
            let refused = t.starts_with("tty") || matches!(t, "socket" | "fd");
            if refused { None } else { same(ours, t) }
        },
    ),
    row("StandardOutput", &["StandardOutput"], |s, t| {
        output(&s.log.to, t)
    }),
    row("StandardError", &["StandardError"], |s, t| {
        match (&s.log.stderr, t) {
            (StderrTo::Same, "inherit") => same(t, t),
            (StderrTo::Same, _) => output(&s.log.to, t),
            (StderrTo::To(to), _) => output(to, t),
            (StderrTo::Own, _) => None,
        }
    }),
    row("SyslogIdentifier", &["SyslogIdentifier"], |s, t| {
        same(s.log.identifier.as_deref().unwrap_or_default(), t)
    }),
    row("SyslogLevel", &["SyslogLevel"], |s, t| {
        same(&(s.log.level.0 as u8).to_string(), t)
    }),
    row("SyslogLevelPrefix", &["SyslogLevelPrefix"], |s, t| {
        flag(s.log.level_prefix, t)
    }),
    row("LogLevelMax", &["LogLevelMax"], |s, t| {
        same(
            &(s.log.max_level as u8).to_string(),
            if t == "-1" { "7" } else { t },
        )
    }),
    row(
        "LogRateLimitIntervalUSec",
        &["LogRateLimitIntervalSec"],
        |s, t| span(Some(s.log.rate_limit.filter(|_| t != "0")?.1), t),
    ),
    row("LogRateLimitBurst", &["LogRateLimitBurst"], |s, t| {
        same(&s.log.rate_limit.filter(|_| t != "0")?.0.to_string(), t)
    }),
    row("RuntimeDirectory", &["RuntimeDirectory"], |s, t| {
        directories(s, OwnDirectoryKind::Runtime, t)
    }),
    row("StateDirectory", &["StateDirectory"], |s, t| {
        directories(s, OwnDirectoryKind::State, t)
    }),
    row("CacheDirectory", &["CacheDirectory"], |s, t| {
        directories(s, OwnDirectoryKind::Cache, t)
    }),
    row("LogsDirectory", &["LogsDirectory"], |s, t| {
        directories(s, OwnDirectoryKind::Logs, t)
    }),
    row(
        "ConfigurationDirectory",
        &["ConfigurationDirectory"],
        |s, t| directories(s, OwnDirectoryKind::Configuration, t),
    ),
    row("RuntimeDirectoryMode", &["RuntimeDirectoryMode"], |s, t| {
        mode(s, OwnDirectoryKind::Runtime, t)
    }),
    row("StateDirectoryMode", &["StateDirectoryMode"], |s, t| {
        mode(s, OwnDirectoryKind::State, t)
    }),
    row("CacheDirectoryMode", &["CacheDirectoryMode"], |s, t| {
        mode(s, OwnDirectoryKind::Cache, t)
    }),
    row("LogsDirectoryMode", &["LogsDirectoryMode"], |s, t| {
        mode(s, OwnDirectoryKind::Logs, t)
    }),
    row(
        "ConfigurationDirectoryMode",
        &["ConfigurationDirectoryMode"],
        |s, t| mode(s, OwnDirectoryKind::Configuration, t),
    ),
    row(
        "RuntimeDirectoryPreserve",
        &["RuntimeDirectoryPreserve"],
        |s, t| {
            let mut runtime = s
                .process
                .own_directories
                .iter()
                .filter(|own| own.kind == OwnDirectoryKind::Runtime);
            // `restart` is carried out as `yes`, and said so.
            flag(
                runtime.next()?.preserve,
                if t == "restart" { "yes" } else { t },
            )
        },
    ),
    row("IgnoreSIGPIPE", &["IgnoreSIGPIPE"], |s, t| {
        flag(s.process.ignore_sigpipe, t)
    }),
    row("MemoryMax", &["MemoryMax"], |s, t| {
        bytes(s.process.resources.memory_max, t)
    }),
    row("MemoryHigh", &["MemoryHigh"], |s, t| {
        bytes(s.process.resources.memory_high, t)
    }),
    row("CPUQuotaPerSecUSec", &["CPUQuota"], |s, t| {
        let permille = s.process.resources.cpu_max;
        // Less than a thousandth cannot be said here, and is one.
        let theirs = time_span::seconds(t).ok()?.map(|span| {
            Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1))
        });
        same(
            &format!(
                "{:?}",
                permille.map(|permille| Duration::from_millis(permille.into()))
            ),
            &format!("{theirs:?}"),
        )
    }),
    row("CPUWeight", &["CPUWeight"], |s, t| {
        same(
            &s.process
                .resources
                .cpu_weight
                .map_or("[not set]".to_owned(), |weight| weight.to_string()),
            t,
        )
    }),
    row("TasksMax", &["TasksMax"], |s, t| {
        same(&s.process.resources.pids_max?.to_string(), t)
    }),
];

/// Words in quotes as systemd prints them.
fn unquoted(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let last = words.last_mut();
        match (letter, last) {
            ('"', _) => quoted = !quoted,
            (' ', _) if !quoted => words.push(String::new()),
            ('\\', Some(word)) => word.extend(
                letters
                    .next()
                    .map(|letter| if letter == 'n' { '\n' } else { letter }),
            ),
            (letter, Some(word)) => word.push(letter),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn ranges(text: &str) -> Option<Vec<u16>> {
    let mut found = Vec::new();
    for part in text.split_whitespace() {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        found.extend(first.parse::<u16>().ok()?..=last.parse().ok()?);
    }
    Some(found)
}

fn limit(spec: &Spec, resource: LimitedResource) -> Option<aplomb_core::spec::Limit> {
    spec.process
        .limits
        .iter()
        .find(|limit| limit.resource == resource)
        .copied()
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "infinity".to_owned(), |value| value.to_string())
}

/// Compared only where the unit sets it: the defaults are the machine's.
fn hard(spec: &Spec, resource: LimitedResource, theirs: &str) -> Option<(String, String)> {
    same(&number(limit(spec, resource)?.hard), theirs)
}

fn soft(spec: &Spec, resource: LimitedResource, theirs: &str) -> Option<(String, String)> {
    same(&number(limit(spec, resource)?.soft), theirs)
}

/// The kind of place: systemd prints no paths here.
fn output(ours: &LogTo, theirs: &str) -> Option<(String, String)> {
    let ours = match ours {
        LogTo::Default | LogTo::Journal => "journal",
        LogTo::Nothing => "null",
        LogTo::File(_) => "append",
        LogTo::Truncate(_) => "truncate",
        LogTo::Inherit | LogTo::Directory(_) => return None,
    };
    // What systemd sends to other places of its own is refused, or goes elsewhere with a note.
    match theirs {
        "journal+console" | "kmsg" | "kmsg+console" | "syslog" => same(ours, "journal"),
        "file" => same(ours, "append"),
        "tty" | "socket" | "fd" | "inherit" => None,
        other => same(ours, other),
    }
}

fn directories(spec: &Spec, kind: OwnDirectoryKind, theirs: &str) -> Option<(String, String)> {
    let ours = spec
        .process
        .own_directories
        .iter()
        .filter(|own| own.kind == kind);
    set(ours.map(|own| own.name.clone()), theirs)
}

fn mode(spec: &Spec, kind: OwnDirectoryKind, theirs: &str) -> Option<(String, String)> {
    let own = spec
        .process
        .own_directories
        .iter()
        .find(|own| own.kind == kind)?;
    same(&format!("{:04o}", own.mode), theirs)
}

fn bytes(ours: Option<aplomb_core::Bytes>, theirs: &str) -> Option<(String, String)> {
    same(&number(ours.map(|bytes| bytes.0)), theirs)
}
