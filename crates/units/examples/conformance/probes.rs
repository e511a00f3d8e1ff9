//! Units made to try every key with plain, odd and wrong values; each value is a unit of its own.

/// Keys of `[Service]` beside `ExecStart=/bin/true`, and the values to try.
pub(crate) const SERVICE: &[(&str, &[&str])] = &[
    (
        "Type",
        &[
            "simple", "exec", "oneshot", "notify", "forking", "idle", "Simple", "nothing", "",
        ],
    ),
    (
        "ExecStart",
        &[
            "/bin//echo  'a b' \"c d\" e\\x41f \\;",
            "-/bin/echo %n %N %p %% %i|%z %",
            "@/bin/echo name a b",
            "+-/bin/echo x",
            "!/bin/echo x",
            "!!/bin/echo x",
            ":/bin/echo $HOME ${HOME}",
            "-@:+/bin/echo name $X",
            "+!/bin/echo x",
            "--/bin/echo x",
            "/bin/echo a;b ; /bin/false c",
            "/bin/echo 'open",
            "./echo",
            "/bin/",
            "/bin/echo \\d \\\\ \\\"",
            "/bin/echo \"it's\" 'a\"b' x\"y z\"w",
            "-./nowhere",
            "sh -c 'exit 0'",
            "/bin/echo %H %v %m %b %t %S %C %L %E %u %U %g %G %h %s %T %V %a %o",
            "/bin/echo %j %J %P %f %I",
            "\"/bin/echo\" x",
            "/bin/e\\x63ho",
            "/bin/echo \\u00e4 \\101 \\s",
        ],
    ),
    (
        "ExecStartPre",
        &[
            "/bin/true",
            "-/bin/true a ; /bin/true b",
            "/bin/true ; ;",
            "",
        ],
    ),
    ("ExecStartPost", &["/bin/true a", "+/bin/true"]),
    ("ExecCondition", &["/bin/true a"]),
    (
        "ExecReload",
        &["/bin/kill -HUP $MAINPID", "-/bin/true ; /bin/false"],
    ),
    ("ExecStop", &["/bin/kill $MAINPID", "-/bin/true"]),
    ("ExecStopPost", &["/bin/rm -f /x", "!/bin/true"]),
    (
        "Restart",
        &[
            "no",
            "on-success",
            "on-failure",
            "on-abnormal",
            "on-abort",
            "on-watchdog",
            "always",
            "yes",
            "",
        ],
    ),
    (
        "RestartSec",
        &[
            "0", "5", "1min 30s", "1.5h", "100ms", "infinity", "-1", "x", "5 5", "1m30", ".5",
            "2us", "", "+1",
        ],
    ),
    (
        "TimeoutStartSec",
        &["0", "5", "infinity", "2min", "1.001ms", "abc"],
    ),
    (
        "TimeoutStopSec",
        &["0", "5", "infinity", "1h 2min 3s", "1M", "-5"],
    ),
    ("TimeoutSec", &["0", "7s", "infinity"]),
    ("RuntimeMaxSec", &["0", "5min", "infinity", "1d"]),
    ("WatchdogSec", &["0", "30s", "infinity", "500ms"]),
    (
        "SuccessExitStatus",
        &[
            "143",
            "1 2 SIGKILL",
            "TEMPFAIL SIGUSR1",
            "256",
            "SIGFOO 3",
            "75 250 SIGKILL",
            "RTMIN+3",
            "15 TERM",
            "EXEC",
            "-1",
        ],
    ),
    (
        "RestartPreventExitStatus",
        &["255", "SIGABRT", "1 6 SIGABRT"],
    ),
    ("RestartForceExitStatus", &["133", "SIGHUP 0"]),
    ("RemainAfterExit", &["yes", "no", "1", "T", "on", "maybe"]),
    (
        "PIDFile",
        &[
            "/run/x.pid",
            "x.pid",
            "/var/run/x.pid",
            "/run//a/./b.pid",
            "%p.pid",
        ],
    ),
    ("NotifyAccess", &["none", "main", "exec", "all", "some"]),
    ("StartLimitBurst", &["3", "0", "x"]),
    ("StartLimitInterval", &["3", "0", "1min"]),
    (
        "KillMode",
        &["control-group", "mixed", "process", "none", "tree"],
    ),
    (
        "KillSignal",
        &[
            "SIGINT",
            "INT",
            "2",
            "sigint",
            "RTMIN+3",
            "SIGRTMIN+3",
            "64",
            "33",
            "0",
            "FOO",
            "SIGRTMAX-1",
        ],
    ),
    ("RestartKillSignal", &["SIGUSR1", "10"]),
    ("FinalKillSignal", &["SIGQUIT"]),
    ("WatchdogSignal", &["SIGTERM"]),
    ("SendSIGKILL", &["no", "yes"]),
    ("SendSIGHUP", &["yes"]),
    (
        "User",
        &[
            "root",
            "1000",
            "nobody",
            "%p",
            "a b",
            "a/b",
            "-x",
            "user.name",
            "0",
        ],
    ),
    ("Group", &["daemon", "5"]),
    ("SupplementaryGroups", &["daemon adm", "5"]),
    (
        "WorkingDirectory",
        &["/tmp", "-/tmp", "~", "-~", "/a//b/", "tmp", "/%p", ""],
    ),
    ("RootDirectory", &["/srv", "/srv//x/", "/"]),
    (
        "Environment",
        &[
            "A=1 B=2",
            "\"A=x y\" B='q'",
            "A=%n",
            "A=1 A=2",
            "1A=2 B=3",
            "A",
            "A=",
            "A=\\x41\\n",
            "A=$HOME",
            "A=a\"b c\"d",
            "\"A=it's\"",
        ],
    ),
    (
        "EnvironmentFile",
        &["/etc/default/x", "-/etc/x", "etc/x", "/etc/%p", "/etc//x"],
    ),
    ("PassEnvironment", &["A B", "1A", "A A"]),
    ("UnsetEnvironment", &["A B=1", "A A"]),
    ("ExecSearchPath", &["/a:/b", "a:b", "/a//b"]),
    ("UMask", &["0077", "22", "0", "8", "07777", "10000", ""]),
    ("Nice", &["5", "-20", "19", "20", "-21", "+5", "x"]),
    ("OOMScoreAdjust", &["-1000", "1000", "500", "1001"]),
    (
        "CPUAffinity",
        &["0 1", "0-3", "0,2-3", "3 1-2", "5-2", "x", "0\t1"],
    ),
    (
        "LimitNOFILE",
        &[
            "1024",
            "1024:4096",
            "infinity",
            "4096:1024",
            "64K",
            "x",
            ":5",
            "5:",
        ],
    ),
    ("LimitCPU", &["5", "1min", "1500ms", "5:10", "infinity"]),
    ("LimitFSIZE", &["1M", "infinity", "1.5G"]),
    ("LimitSTACK", &["8M:infinity"]),
    ("LimitCORE", &["0", "infinity"]),
    ("LimitDATA", &["1G"]),
    ("LimitRSS", &["1G"]),
    ("LimitAS", &["1T"]),
    ("LimitNPROC", &["100"]),
    ("LimitMEMLOCK", &["64K", "infinity"]),
    ("LimitLOCKS", &["7"]),
    ("LimitSIGPENDING", &["7"]),
    ("LimitMSGQUEUE", &["7K"]),
    ("LimitNICE", &["+5", "-5", "15", "41", "+20", "0"]),
    ("LimitRTPRIO", &["7"]),
    ("LimitRTTIME", &["5", "1s", "1ms"]),
    ("StandardInput", &["null", "data", "file:/etc/x"]),
    ("StandardInputText", &["hello", "a\\tb", "%p"]),
    ("StandardInputData", &["SGVsbG8=", "!!"]),
    (
        "StandardOutput",
        &[
            "null",
            "journal",
            "append:/var/log/x",
            "truncate:/var/log/x",
            "inherit",
            "bad",
            "append:x",
        ],
    ),
    (
        "StandardError",
        &["null", "journal", "append:/var/log/x", "inherit"],
    ),
    ("SyslogIdentifier", &["name", "%p-x"]),
    ("SyslogLevel", &["debug", "3", "warning", "8", "none"]),
    ("SyslogLevelPrefix", &["no"]),
    ("LogLevelMax", &["notice", "7", "err", "bad"]),
    ("LogRateLimitIntervalSec", &["5s", "0"]),
    ("LogRateLimitBurst", &["100", "0"]),
    ("NoNewPrivileges", &["yes", "no", "x"]),
    ("PrivateTmp", &["yes", "1"]),
    ("PrivateDevices", &["yes"]),
    ("PrivateNetwork", &["yes"]),
    ("PrivateMounts", &["yes"]),
    ("ProtectSystem", &["yes", "full", "strict", "no", "x"]),
    ("ProtectHome", &["yes", "read-only", "tmpfs", "no"]),
    ("ProtectKernelTunables", &["yes"]),
    ("ProtectKernelModules", &["yes"]),
    ("ProtectKernelLogs", &["yes"]),
    ("ProtectControlGroups", &["yes"]),
    ("ProtectClock", &["yes"]),
    ("ProtectHostname", &["yes"]),
    (
        "ReadOnlyPaths",
        &["/a -/b +/c", "/a//b", "a", "'/a b'", "-+/x"],
    ),
    ("ReadWritePaths", &["/a", "/%p"]),
    ("InaccessiblePaths", &["/a -/b"]),
    ("TemporaryFileSystem", &["/a", "/a /b"]),
    (
        "CapabilityBoundingSet",
        &[
            "CAP_CHOWN",
            "~CAP_CHOWN",
            "CAP_NET_ADMIN cap_net_raw",
            "",
            "~",
            "CAP_FOO CAP_KILL",
        ],
    ),
    ("AmbientCapabilities", &["CAP_CHOWN", "~CAP_CHOWN", ""]),
    (
        "RuntimeDirectory",
        &["x", "x y/z", "/x", "../x", "%p", "a//b"],
    ),
    ("StateDirectory", &["x"]),
    ("CacheDirectory", &["x y"]),
    ("LogsDirectory", &["x"]),
    ("ConfigurationDirectory", &["x"]),
    ("RuntimeDirectoryMode", &["0700", "2755"]),
    ("StateDirectoryMode", &["0700"]),
    ("CacheDirectoryMode", &["0750"]),
    ("LogsDirectoryMode", &["0750"]),
    ("ConfigurationDirectoryMode", &["0750"]),
    ("RuntimeDirectoryPreserve", &["yes", "no"]),
    ("IgnoreSIGPIPE", &["no", "yes"]),
    ("MemoryMax", &["512M", "1.5G", "infinity", "x", "4096"]),
    ("MemoryHigh", &["256M", "1K"]),
    ("MemoryLimit", &["128M"]),
    ("CPUQuota", &["20%", "150%", "0.5%", "12.3%", "20", "0%"]),
    ("CPUWeight", &["1", "10000", "0", "10001", "500"]),
    ("TasksMax", &["100", "infinity", "0", "x"]),
];

/// Keys of `[Unit]`.
pub(crate) const UNIT: &[(&str, &[&str])] = &[
    (
        "Description",
        &["plain", "100%% of %n", "\"quoted\" \\x41", "a  b"],
    ),
    (
        "Documentation",
        &["man:x(1) http://x.example/y", "nonsense"],
    ),
    ("Requires", &["a.service b.target", "a", "'b.service'"]),
    ("Requisite", &["a.service"]),
    ("Wants", &["a.service %p-x.service", "bad/name.service"]),
    ("BindsTo", &["a.service"]),
    ("PartOf", &["a.service"]),
    ("Conflicts", &["a.service"]),
    ("After", &["a.service b.socket", "x\\x2dy.service"]),
    ("Before", &["a.service"]),
    ("OnFailure", &["a@%n.service"]),
    ("OnSuccess", &["a.service"]),
    ("StartLimitIntervalSec", &["0", "1min", "infinity", "x"]),
    ("StartLimitBurst", &["3", "0"]),
    ("StartLimitAction", &["none", "exit"]),
];

/// Keys of `[Socket]` beside `ListenStream=/run/probe`.
pub(crate) const SOCKET: &[(&str, &[&str])] = &[
    (
        "ListenStream",
        &[
            "80",
            "127.0.0.1:80",
            "[::1]:80",
            "/run/x//y",
            "@x",
            "@",
            "0",
            "65536",
            "localhost:80",
            "/run/%p",
            "::1",
        ],
    ),
    ("ListenDatagram", &["53", "/run/d", "10.0.0.1:53"]),
    ("ListenSequentialPacket", &["/run/s", "@s", "80"]),
    ("ListenFIFO", &["/run/f", "f"]),
    ("SocketMode", &["0600", "0660"]),
    ("SocketUser", &["root"]),
    ("SocketGroup", &["adm"]),
    ("Backlog", &["128", "x"]),
    ("ReusePort", &["yes"]),
    ("FileDescriptorName", &["x", "a:b"]),
];

/// Every probe: the name of its file and its text.
pub(crate) fn all() -> Vec<(String, String)> {
    let mut probes = Vec::new();
    for (key, values) in SERVICE {
        for (at, value) in values.iter().enumerate() {
            let name = format!("probe-{}-{at}.service", key.to_lowercase());
            let start = if *key == "ExecStart" {
                ""
            } else {
                "ExecStart=/bin/true\n"
            };
            let oneshot = if key.starts_with("Exec") && *key != "ExecSearchPath" {
                "Type=oneshot\n"
            } else {
                ""
            };
            probes.push((name, format!("[Service]\n{oneshot}{start}{key}={value}\n")));
        }
    }
    for (key, values) in UNIT {
        for (at, value) in values.iter().enumerate() {
            let name = format!("probe-unit-{}-{at}.service", key.to_lowercase());
            probes.push((
                name,
                format!("[Unit]\n{key}={value}\n[Service]\nExecStart=/bin/true\n"),
            ));
        }
    }
    for (key, values) in SOCKET {
        for (at, value) in values.iter().enumerate() {
            let stem = format!("probe-socket-{}-{at}", key.to_lowercase());
            let listen = if key.starts_with("Listen") {
                ""
            } else {
                "ListenStream=/run/probe\n"
            };
            probes.push((
                format!("{stem}.socket"),
                format!("[Socket]\n{listen}{key}={value}\n"),
            ));
            probes.push((
                format!("{stem}.service"),
                "[Service]\nExecStart=/bin/true\n".to_owned(),
            ));
        }
    }
    probes.extend(together());
    probes.extend(files());
    probes
}

/// What several lines say together.
fn together() -> Vec<(String, String)> {
    [
        "ExecStart=/bin/a\nExecStart=\nExecStart=/bin/b \\\n# inside\n  c\n",
        "Environment=A=1\nEnvironment=\nEnvironment=B=2\nEnvironment=B=3 C=4\n",
        "CapabilityBoundingSet=CAP_CHOWN CAP_KILL\nCapabilityBoundingSet=~CAP_KILL\n",
        "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=CAP_KILL\n",
        "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=\nCapabilityBoundingSet=~CAP_KILL\n",
        "AmbientCapabilities=CAP_CHOWN\nAmbientCapabilities=CAP_KILL\n",
        "AmbientCapabilities=CAP_CHOWN CAP_KILL\nAmbientCapabilities=~CAP_KILL\n",
        "ReadOnlyPaths=/a\nReadOnlyPaths=\nReadOnlyPaths=/b\n",
        "CPUAffinity=0\nCPUAffinity=2\n",
        "CPUAffinity=0\nCPUAffinity=\nCPUAffinity=1\n",
        "LimitNOFILE=5\nLimitNOFILE=\n",
        "RuntimeDirectory=a\nRuntimeDirectory=b\nRuntimeDirectoryMode=0700\n",
        "StandardOutput=null\nStandardError=inherit\n",
        "StandardInputText=a\nStandardInputText=b\n",
        "Type=notify\nNotifyAccess=none\n",
        "Type=notify\nNotifyAccess=all\nWatchdogSec=5\n",
        "SuccessExitStatus=1\nSuccessExitStatus=\nSuccessExitStatus=2 SIGINT\n",
        "TimeoutSec=5\nTimeoutStartSec=7\n",
        "  KillMode = mixed  \n; comment\n",
        "PassEnvironment=A\nPassEnvironment=B\nUnsetEnvironment=C\nUnsetEnvironment=\n",
        "EnvironmentFile=/a\nEnvironmentFile=-/b\n",
        "ExecStop=/bin/a\nExecStop=/bin/b\nTimeoutStopSec=3\n",
    ]
    .iter()
    .enumerate()
    .map(|(at, lines)| {
        let start = if lines.starts_with("ExecStart") { "" } else { "ExecStart=/bin/true\n" };
        (format!("probe-together-{at}.service"), format!("[Service]\n{start}{lines}"))
    })
    .collect()
}

/// Units of several files: drop-ins of the unit, of the beginning of its name, of its template.
fn files() -> Vec<(String, String)> {
    let env = |value: &str| format!("[Service]\nEnvironment={value}\n");
    let unit = "[Service]\nExecStart=/bin/echo %i %p\nEnvironment=A=unit B=unit\n";
    [
        ("probe-files-one.service", unit.to_owned()),
        ("probe-files-one.service.d/20-x.conf", env("A=own")),
        ("probe-files-one.service.d/30-y.conf", env("B=own C=own")),
        ("probe-files-one.service.d/ignored.txt", env("A=ignored")),
        ("probe-files-.service.d/10-a.conf", env("A=prefix D=prefix")),
        ("probe-files-.service.d/20-x.conf", env("A=hidden E=hidden")),
        ("probe-files-many@.service", unit.to_owned()),
        (
            "probe-files-many@.service.d/10-a.conf",
            env("A=template G=template"),
        ),
        ("probe-files-many@x.service.d/20-b.conf", env("A=instance")),
        ("probe-files-many@x.service.d/10-a.conf", env("H=replaced")),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text))
    .collect()
}

/// Units of [`files`] that have drop-ins, and the file each begins with.
pub(crate) const WITH_DROP_INS: &[(&str, &str)] = &[
    ("probe-files-one.service", "probe-files-one.service"),
    ("probe-files-many@x.service", "probe-files-many@.service"),
    ("probe-files-many@y.service", "probe-files-many@.service"),
];
