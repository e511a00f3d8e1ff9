//! The table of tabs: which settings stand where, in NSSM's order. What a setting takes and means the dialect says.

/// One page of the form.
#[derive(Debug)]
pub(super) struct Tab {
    pub(super) name: &'static str,
    fields: &'static [Field],
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) label: &'static str,
    /// As `aplomb set` takes it.
    pub(super) key: &'static str,
    on: On,
}

/// Where a setting makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Every,
    Unix,
}

/// The system a definition is for: this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Unix,
    Windows,
}

impl System {
    pub(super) fn current() -> System {
        match std::env::consts::FAMILY {
            "windows" => System::Windows,
            _ => System::Unix,
        }
    }
}

impl Tab {
    /// Its settings that make sense on `system`.
    pub(super) fn fields(&self, system: System) -> Vec<Field> {
        let here = |field: &&Field| field.on == On::Every || system == System::Unix;
        self.fields.iter().filter(here).copied().collect()
    }
}

const fn tab(name: &'static str, fields: &'static [Field]) -> Tab {
    Tab { name, fields }
}

const fn field(label: &'static str, key: &'static str) -> Field {
    let on = On::Every;
    Field { label, key, on }
}

const fn unix(label: &'static str, key: &'static str) -> Field {
    let on = On::Unix;
    Field { label, key, on }
}

pub(super) const TABS: &[Tab] = &[
    tab(
        "Application",
        &[
            field("Program, arguments", "command"),
            field("Startup directory", "directory"),
            field("Search path", "search-path"),
            unix("Root directory", "root-directory"),
        ],
    ),
    tab(
        "Details",
        &[
            field("Description", "description"),
            field("Documentation", "documentation"),
            field("Startup", "start-mode"),
            field("Kind", "kind"),
            field("Instances", "instances"),
            field("Ready", "ready"),
            field("Start timeout", "start-timeout"),
            field("Health", "health"),
            unix("Watchdog", "watchdog"),
        ],
    ),
    tab(
        "Log on",
        &[
            field("User", "user"),
            unix("Group", "group"),
            unix("Further groups", "groups"),
            unix("Umask", "umask"),
        ],
    ),
    tab(
        "Dependencies",
        &[
            field("Requires", "requires"),
            field("Wants", "wants"),
            field("After", "after"),
            field("Before", "before"),
            field("Bound to", "binds-to"),
            field("Part of", "part-of"),
            field("Conflicts with", "conflicts"),
        ],
    ),
    tab(
        "Process",
        &[
            field("Priority (nice)", "nice"),
            field("Processors", "cpu-affinity"),
            field("Memory", "limits.memory"),
            field("Processor time", "limits.cpu"),
            field("Processes", "limits.pids"),
            unix("Open files", "limits.open-files"),
            unix("Killed for memory", "oom-score-adjust"),
        ],
    ),
    tab(
        "Shutdown",
        &[
            field("Steps", "stop.plan"),
            field("Whole time", "stop.budget"),
            field("Whom", "stop.whom"),
            field("Command before", "stop.pre"),
            field("Commands after", "stop.post"),
            unix("Kill with", "stop.kill"),
        ],
    ),
    tab(
        "Exit actions",
        &[
            field("Restart", "restart.when"),
            field("Delay", "restart.delay"),
            field("Delay grows by", "restart.factor"),
            field("Longest delay", "restart.max-delay"),
            field("Healthy after", "restart.healthy-after"),
            field("Limit", "restart.limit"),
            field("Then", "restart.then"),
            field("Success codes", "exit.success"),
            field("No restart after", "exit.prevent-restart"),
            field("Restart after", "exit.force-restart"),
            field("Code by code", "exit.actions"),
            field("On failure", "on-failure"),
        ],
    ),
    tab(
        "I/O",
        &[
            field("Input", "stdin"),
            field("Output", "log.to"),
            field("Error", "log.stderr"),
            field("Timestamps", "log.timestamps"),
            field("Least level", "log.max-level"),
            field("Longest line", "log.max-line"),
            field("Rate limit", "log.rate-limit"),
        ],
    ),
    tab(
        "File rotation",
        &[
            field("Larger than", "log.rotate.size"),
            field("Older than", "log.rotate.age"),
            field("At", "log.rotate.at"),
            field("Files kept", "log.keep"),
            field("Bytes kept", "log.keep-bytes"),
            field("Kept for", "log.keep-age"),
            field("Compress", "log.compress"),
        ],
    ),
    tab(
        "Environment",
        &[
            field("Variables", "env"),
            field("Files of variables", "env-file"),
            field("Begins with", "env-base"),
            field("Handed on", "pass-env"),
            field("Removed", "unset-env"),
        ],
    ),
    tab(
        "Hooks",
        &[
            field("Before the start", "hooks.start-pre"),
            field("Started", "hooks.started"),
            field("Ready", "hooks.ready"),
            field("Exit", "hooks.exit"),
            field("Before the stop", "hooks.stop-pre"),
            field("Stopped", "hooks.stopped"),
            field("Restart", "hooks.restart"),
            field("Failed", "hooks.failed"),
            field("Log rotated", "hooks.rotate"),
            field("Unhealthy", "hooks.unhealthy"),
            field("Before a kill", "hooks.kill"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use aplomb_units::toml::edit;

    use super::*;

    #[test]
    fn every_field_is_a_key_of_the_dialect_and_stands_once() {
        let fields = TABS.iter().flat_map(|tab| tab.fields(System::Unix));
        let mut keys: Vec<&str> = fields.map(|field| field.key).collect();
        for key in &keys {
            assert!(edit::fact(key).is_some(), "{key}");
        }
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn what_makes_no_sense_on_a_system_is_not_there() {
        let log_on = &TABS[2];
        assert_eq!(log_on.fields(System::Windows).len(), 1);
        assert_eq!(log_on.fields(System::Unix).len(), 4);
        assert!(
            TABS.iter()
                .all(|tab| !tab.fields(System::Windows).is_empty())
        );
    }
}
