//! What this system cannot perform of what a definition may ask for; so that it is refused when a unit is loaded, and not
//! found out when it is needed.

use aplomb_core::Spec;

/// Something a definition asks for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inability {
    pub part: Part,
    /// What cannot be done, as a sentence about this system without a full stop.
    pub what: String,
    /// What to write instead, in the imperative.
    pub instead: &'static str,
}

/// Whether accounts stand in files that anybody may read. Elsewhere the system's own service manager knows them, and is
/// asked when a service is made.
pub fn lists_accounts() -> bool {
    cfg!(unix)
}

/// Where in a definition it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Unit,
    StopPlan,
    Group,
    Listen,
}

fn inability(part: Part, what: impl Into<String>, instead: &'static str) -> Inability {
    Inability {
        part,
        what: what.into(),
        instead,
    }
}

/// Everything this definition asks for in vain.
#[cfg(unix)]
pub fn inabilities(spec: &Spec) -> Vec<Inability> {
    use aplomb_core::spec::Request;

    let of_windows = |request: &Request| match request {
        Request::CtrlC => Some("Ctrl+C"),
        Request::CtrlBreak => Some("Ctrl+Break"),
        Request::CloseWindows => Some("WM_CLOSE"),
        Request::QuitThreads => Some("WM_QUIT"),
        Request::Signal(_) | Request::Command(_) | Request::CommandOnly(_) => None,
    };
    let steps = spec.stop.plan.iter();
    let vain = steps.filter_map(|step| of_windows(&step.request));
    vain.map(|what| {
        let what = format!("only Windows knows {what} as a request to end");
        inability(
            Part::StopPlan,
            what,
            "write SIGINT or SIGTERM, which both know",
        )
    })
    .collect()
}

/// Everything this definition asks for in vain.
#[cfg(windows)]
pub fn inabilities(spec: &Spec) -> Vec<Inability> {
    use aplomb_core::Signal;
    use aplomb_core::spec::{LogTo, Reload, Request};

    let process = &spec.process;
    let strict = |umask: u32| umask & !0o022 != 0;
    let asked = [
        (
            !spec.listen.is_empty(),
            Part::Listen,
            "Windows cannot hand sockets to programs",
            "let the program open them itself",
        ),
        (
            process.group.is_some() || !process.supplementary_groups.is_empty(),
            Part::Group,
            "Windows runs programs in the groups of their user",
            "leave it out",
        ),
        (
            process.root_directory.is_some(),
            Part::Unit,
            "Windows has no root directories of a program's own",
            "leave it out",
        ),
        (
            process.sandbox.is_some(),
            Part::Unit,
            "Windows has no sandbox of this kind",
            "leave it out, and run the service as an account with few rights",
        ),
        (
            !process.limits.is_empty(),
            Part::Unit,
            "Windows has no limits for single processes",
            "limit memory, processors and processes of the whole service",
        ),
        (
            process.oom_score_adjust.is_some(),
            Part::Unit,
            "Windows ends nobody for want of memory",
            "leave it out",
        ),
        (
            process.umask.is_some_and(strict),
            Part::Unit,
            "Windows has no permission bits to take away",
            "close the directory its files are in",
        ),
        (
            process.resources.memory_high.is_some(),
            Part::Unit,
            "Windows cannot slow a service down by its memory",
            "limit its memory instead",
        ),
        (
            matches!(spec.log.to, LogTo::Journal),
            Part::Unit,
            "Windows has no journal",
            "log into files",
        ),
    ];
    let vain = asked.into_iter().filter(|(asked, ..)| *asked);
    let mut all: Vec<Inability> = vain
        .map(|(_, part, what, instead)| inability(part, what, instead))
        .collect();
    let steps = spec.stop.plan.iter();
    let mut signals: Vec<Signal> = steps
        .filter_map(|step| match &step.request {
            Request::Signal(signal) => Some(*signal),
            Request::Command(_)
            | Request::CommandOnly(_)
            | Request::CtrlC
            | Request::CtrlBreak
            | Request::CloseWindows
            | Request::QuitThreads => None,
        })
        .collect();
    signals.extend(spec.stop.kill);
    signals.extend(spec.stop.restart_signal);
    signals.extend(spec.stop.also_hup.then_some(Signal::HUP));
    match &spec.reload {
        Reload::Signal(signal) | Reload::Notify(signal) => signals.push(*signal),
        Reload::Impossible | Reload::Commands(_) => {}
    }
    for signal in signals {
        if let Err(why) = crate::windows::can_send(signal) {
            let instead = "write SIGTERM, SIGINT, SIGQUIT or SIGKILL, or a command";
            all.push(inability(Part::StopPlan, why.to_string(), instead));
        }
    }
    all
}
