//! The table of elements: every one WinSW 2 and 3 know below `<service>`, and what becomes of it here.

use roxmltree::Node;

use super::read::Reader;

/// One element.
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) class: Class,
    /// Carried: where it goes. Noted: why nothing is lost. Lost: what to do instead.
    pub(super) says: &'static str,
}

/// What becomes of an element.
pub(super) enum Class {
    Carried(fn(&mut Reader<'_, '_>, Node<'_, '_>)),
    Noted,
    Lost,
}

const fn carried(
    name: &'static str,
    says: &'static str,
    read: fn(&mut Reader<'_, '_>, Node<'_, '_>),
) -> Element {
    Element {
        name,
        class: Class::Carried(read),
        says,
    }
}

const fn noted(name: &'static str, says: &'static str) -> Element {
    Element {
        name,
        class: Class::Noted,
        says,
    }
}

const fn lost(name: &'static str, says: &'static str) -> Element {
    Element {
        name,
        class: Class::Lost,
        says,
    }
}

pub(super) const ELEMENTS: &[Element] = &[
    carried("id", "the name of the service", |reader, node| {
        reader.id(node)
    }),
    noted(
        "name",
        "what the Services console shows; the description stands for it",
    ),
    carried("description", "`description`", |reader, node| {
        reader.description(node)
    }),
    carried("executable", "`command`", |reader, node| {
        reader.executable(node)
    }),
    carried("arguments", "`command`, its arguments", |reader, node| {
        reader.arguments(node)
    }),
    carried("argument", "`command`, one argument", |reader, node| {
        reader.argument(node)
    }),
    carried(
        "startarguments",
        "`command`, its arguments",
        |reader, node| reader.arguments(node),
    ),
    carried(
        "startargument",
        "`command`, one argument",
        |reader, node| reader.argument(node),
    ),
    carried(
        "stopexecutable",
        "`stop.plan`, its command",
        |reader, node| reader.stop_executable(node),
    ),
    carried(
        "stoparguments",
        "`stop.plan`, the command's arguments",
        |reader, node| reader.stop_arguments(node),
    ),
    carried(
        "stopargument",
        "`stop.plan`, the command's arguments",
        |reader, node| reader.stop_arguments(node),
    ),
    carried("prestart", "the hook `start-pre`", |reader, node| {
        reader.hook(node)
    }),
    carried("poststart", "the hook `started`", |reader, node| {
        reader.hook(node)
    }),
    carried("prestop", "the hook `stop-pre`", |reader, node| {
        reader.hook(node)
    }),
    carried("poststop", "the hook `stopped`", |reader, node| {
        reader.hook(node)
    }),
    carried("startmode", "`start`", |reader, node| {
        reader.start_mode(node)
    }),
    noted(
        "delayedautostart",
        "set it on the service: `sc config NAME start= delayed-auto`",
    ),
    carried("depend", "`wants` and `after`", |reader, node| {
        reader.depend(node)
    }),
    carried("workingdirectory", "`directory`", |reader, node| {
        reader.directory(node)
    }),
    carried("priority", "`nice`", |reader, node| reader.priority(node)),
    carried(
        "stoptimeout",
        "`stop.plan`, the grace of Ctrl+C",
        |reader, node| reader.stop_timeout(node),
    ),
    noted(
        "stopparentprocessfirst",
        "everybody of the tree is asked at once",
    ),
    carried("env", "`env`", |reader, node| reader.variable(node)),
    carried("logpath", "`log.to`, the directory", |reader, node| {
        reader.log_path(node)
    }),
    carried("log", "`log`", |reader, node| reader.log(node)),
    carried("logmode", "`log`", |reader, node| reader.log_mode(node)),
    carried("outfiledisabled", "`log.to`", |reader, node| {
        reader.out_disabled(node)
    }),
    carried("errfiledisabled", "`log.stderr`", |reader, node| {
        reader.err_disabled(node)
    }),
    carried("outfilepattern", "`log.to`", |reader, node| {
        reader.out_pattern(node)
    }),
    carried("errfilepattern", "`log.stderr`", |reader, node| {
        reader.err_pattern(node)
    }),
    carried("onfailure", "`restart`", |reader, node| {
        reader.on_failure(node)
    }),
    carried("resetfailure", "`restart.healthy-after`", |reader, node| {
        reader.reset_failure(node)
    }),
    carried(
        "serviceaccount",
        "`user`; a password is never carried over",
        |reader, node| reader.account(node),
    ),
    noted(
        "hidewindow",
        "a program always has a console without a window",
    ),
    noted(
        "waithint",
        "the service manager is told the truth as it goes",
    ),
    noted(
        "sleeptime",
        "the service manager is told the truth as it goes",
    ),
    noted("beeponshutdown", "nothing beeps"),
    noted("preshutdown", "Aplomb always stops before the system does"),
    noted("preshutdownTimeout", "Aplomb says how long its stop takes"),
    noted("autoRefresh", "the definition is read at each start"),
    lost(
        "interactive",
        "show windows by a program in the user's session",
    ),
    lost(
        "securityDescriptor",
        "set it on the service: `sc sdset NAME …`",
    ),
    lost("download", "fetch files in a hook at `start-pre`"),
    lost(
        "sharedDirectoryMapping",
        "use paths of the form `\\\\server\\share`",
    ),
    lost("extensions", "use a hook"),
    lost("stdoutPath", "`log.to`"),
    lost("stderrPath", "`log.stderr`"),
];

/// The element of this name; WinSW takes either case.
pub(super) fn find(name: &str) -> Option<&'static Element> {
    ELEMENTS
        .iter()
        .find(|element| element.name.eq_ignore_ascii_case(name))
}

/// One element as the documents list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    pub name: &'static str,
    /// `carried`, `noted` or `lost`.
    pub class: &'static str,
    pub says: &'static str,
}

/// Every element of the table.
pub fn described() -> Vec<Described> {
    let one = |element: &Element| Described {
        name: element.name,
        class: match element.class {
            Class::Carried(_) => "carried",
            Class::Noted => "noted",
            Class::Lost => "lost",
        },
        says: element.says,
    };
    ELEMENTS.iter().map(one).collect()
}
