//! The table of parameters: every one NSSM 2.24-101 knows, in its order, and what becomes of each here.
//!
//! The command line of the compatibility mode gets, sets and dumps by this table; the reader and the list in the
//! documents follow it too. Names and defaults are NSSM's interface, checked against the real program by
//! `cargo xtask wine-oracle`.

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub form: Form,
    /// Where it goes in a definition, or why it goes nowhere.
    pub says: &'static str,
}

/// How a parameter is kept and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Text in which variables are replaced when the service starts.
    Text(Reset),
    /// A number. Setting the default deletes the value; without one, zero is a value like any other.
    Number { default: Option<u32> },
    /// A key of its own: exit codes with what they call for.
    ExitAction,
    /// A key of its own: events with the commands run at their actions.
    Hook,
    /// Processors, as `0-2,4`.
    Affinity,
    /// A class, kept as its number.
    Priority,
    /// `NAME=VALUE` lines.
    Environment,
    /// The service manager's own.
    Native(Native),
}

/// What resetting a text leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// An empty text.
    Empty,
    /// No value.
    Gone,
}

/// A setting of the service itself, whoever manages it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    DependOnGroup,
    DependOnService,
    Description,
    DisplayName,
    Environment,
    ImagePath,
    ObjectName,
    Name,
    Start,
    Type,
}

/// Every parameter in NSSM's order.
pub const PARAMETERS: &[Parameter] = &[
    row("Application", Form::Text(Reset::Empty), "`command`"),
    row(
        "AppParameters",
        Form::Text(Reset::Empty),
        "`command`, its arguments",
    ),
    row("AppDirectory", Form::Text(Reset::Empty), "`directory`"),
    row("AppExit", Form::ExitAction, "`restart.when`, `exit`"),
    row(
        "AppEvents",
        Form::Hook,
        "`hooks`; `Power` and `Rotate/Pre` have no like",
    ),
    row("AppAffinity", Form::Affinity, "`cpu-affinity`"),
    row(
        "AppEnvironment",
        Form::Environment,
        "`env`, on an otherwise clean one",
    ),
    row("AppEnvironmentExtra", Form::Environment, "`env`"),
    row(
        "AppNoConsole",
        number(None),
        "nothing: a program always has a console without a window",
    ),
    row("AppPriority", Form::Priority, "`nice`"),
    row("AppRestartDelay", number(None), "`restart.delay`"),
    row("AppStdin", Form::Text(Reset::Gone), "`stdin`"),
    row(
        "AppStdinShareMode",
        number(Some(2)),
        "nothing: readers and writers may share the file",
    ),
    row(
        "AppStdinCreationDisposition",
        number(Some(3)),
        "nothing: the file must exist",
    ),
    row("AppStdinFlagsAndAttributes", number(Some(0x80)), "nothing"),
    row("AppStdout", Form::Text(Reset::Gone), "`log.to`"),
    row(
        "AppStdoutShareMode",
        number(Some(3)),
        "nothing: logs can always be read and renamed",
    ),
    row(
        "AppStdoutCreationDisposition",
        number(Some(4)),
        "`log.to`: emptied at each start for 2 and 5",
    ),
    row("AppStdoutFlagsAndAttributes", number(Some(0x80)), "nothing"),
    row(
        "AppStdoutCopyAndTruncate",
        number(None),
        "nothing: rotation renames, and readers do not hinder it",
    ),
    row("AppStderr", Form::Text(Reset::Gone), "`log.stderr`"),
    row(
        "AppStderrShareMode",
        number(Some(3)),
        "nothing: logs can always be read and renamed",
    ),
    row(
        "AppStderrCreationDisposition",
        number(Some(4)),
        "`log.stderr`: emptied at each start for 2 and 5",
    ),
    row("AppStderrFlagsAndAttributes", number(Some(0x80)), "nothing"),
    row(
        "AppStderrCopyAndTruncate",
        number(None),
        "nothing: rotation renames, and readers do not hinder it",
    ),
    row(
        "AppStopMethodSkip",
        number(None),
        "`stop.plan`, the steps left out",
    ),
    row(
        "AppStopMethodConsole",
        number(Some(GRACE)),
        "`stop.plan`, the grace of Ctrl+C",
    ),
    row(
        "AppStopMethodWindow",
        number(Some(GRACE)),
        "`stop.plan`, the grace of closing windows",
    ),
    row(
        "AppStopMethodThreads",
        number(Some(GRACE)),
        "`stop.plan`, the grace of quitting threads",
    ),
    row("AppKillProcessTree", number(Some(1)), "`stop.whom`"),
    row(
        "AppThrottle",
        number(Some(THROTTLE)),
        "`restart.healthy-after`",
    ),
    row(
        "AppRedirectHook",
        number(None),
        "nothing: what hooks say goes to the log of the service",
    ),
    row("AppRotateFiles", number(None), "`log.rotate`"),
    row(
        "AppRotateOnline",
        number(None),
        "`log.rotate`: always while running",
    ),
    row("AppRotateSeconds", number(None), "`log.rotate`, the age"),
    row("AppRotateBytes", number(None), "`log.rotate`, the size"),
    row("AppRotateBytesHigh", number(None), "`log.rotate`, the size"),
    row(
        "AppRotateDelay",
        number(None),
        "nothing: it made room for copying",
    ),
    row("AppTimestampLog", number(None), "`log.timestamps`"),
    native(
        "DependOnGroup",
        Native::DependOnGroup,
        "nothing: the service manager keeps it",
    ),
    native(
        "DependOnService",
        Native::DependOnService,
        "`wants` and `after`",
    ),
    native("Description", Native::Description, "`description`"),
    native(
        "DisplayName",
        Native::DisplayName,
        "nothing: the service manager keeps it",
    ),
    native("Environment", Native::Environment, "`env`"),
    native(
        "ImagePath",
        Native::ImagePath,
        "nothing: it names who hosts the service",
    ),
    native("ObjectName", Native::ObjectName, "`user`"),
    native("Name", Native::Name, "the name of the service"),
    native("Start", Native::Start, "`start`"),
    native("Type", Native::Type, "nothing: always a process of its own"),
];

/// Milliseconds a stop method is given where nothing is said.
pub const GRACE: u32 = 1500;
/// Milliseconds a run must last to count as started where nothing is said.
pub const THROTTLE: u32 = 1500;

/// Names the manual, or an older release, has for a parameter.
pub const ALIASES: &[(&str, &str)] = &[("AppRedirectHooks", "AppRedirectHook")];

/// What an exit code calls for; the first is the default.
pub const EXIT_ACTIONS: &[&str] = &["Restart", "Ignore", "Exit", "Suicide"];

/// How a service starts, in NSSM's words.
pub const STARTUPS: &[&str] = &[
    "SERVICE_AUTO_START",
    "SERVICE_DELAYED_AUTO_START",
    "SERVICE_DEMAND_START",
    "SERVICE_DISABLED",
];

/// The word the manual has for a delayed start; the program itself refuses it.
pub const STARTUP_OF_THE_MANUAL: (&str, &str) =
    ("SERVICE_DELAYED_START", "SERVICE_DELAYED_AUTO_START");

/// Priority classes: NSSM's word, Windows' number, and the niceness that means the same.
pub const PRIORITIES: &[(&str, u32, i8)] = &[
    ("REALTIME_PRIORITY_CLASS", 0x100, -20),
    ("HIGH_PRIORITY_CLASS", 0x80, -15),
    ("ABOVE_NORMAL_PRIORITY_CLASS", 0x8000, -5),
    ("NORMAL_PRIORITY_CLASS", 0x20, 0),
    ("BELOW_NORMAL_PRIORITY_CLASS", 0x4000, 5),
    ("IDLE_PRIORITY_CLASS", 0x40, 19),
];

/// Events of hooks with the actions each has.
pub const HOOKS: &[(&str, &[&str])] = &[
    ("Start", &["Pre", "Post"]),
    ("Stop", &["Pre"]),
    ("Exit", &["Post"]),
    ("Power", &["Change", "Resume"]),
    ("Rotate", &["Pre", "Post"]),
];

/// The parameter of this name, in whatever case and by an alias, too.
pub fn find(name: &str) -> Option<&'static Parameter> {
    let meant = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name))
        .map_or(name, |(_, meant)| meant);
    PARAMETERS
        .iter()
        .find(|parameter| parameter.name.eq_ignore_ascii_case(meant))
}

/// The table as the documents have it, in Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| parameter | becomes |\n|---|---|\n");
    for parameter in PARAMETERS {
        let says = parameter.says.replace('|', "\\|");
        text.push_str(&format!("| `{}` | {says} |\n", parameter.name));
    }
    text
}

const fn row(name: &'static str, form: Form, says: &'static str) -> Parameter {
    Parameter { name, form, says }
}

const fn number(default: Option<u32>) -> Form {
    Form::Number { default }
}

const fn native(name: &'static str, native: Native, says: &'static str) -> Parameter {
    Parameter {
        name,
        form: Form::Native(native),
        says,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_stands_once_and_says_where_it_goes() {
        let mut names: Vec<_> = PARAMETERS.iter().map(|one| one.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(PARAMETERS.iter().all(|one| !one.says.is_empty()));
    }

    #[test]
    fn a_parameter_is_found_in_any_case_and_by_the_manuals_name() {
        assert_eq!(find("appthrottle").map(|one| one.name), Some("AppThrottle"));
        assert_eq!(
            find("AppRedirectHooks").map(|one| one.name),
            Some("AppRedirectHook")
        );
        assert_eq!(find("AppTrottle"), None);
    }
}
