//! `aplomb status`: what people ask about a service, answered in the order they ask it.

use aplomb_protocol::{LastRun, ServiceStatus, State, Usage, WallNanos};
use clap::Args;
use jiff::tz::TimeZone;

use super::{Context, list, processes, statuses};
use crate::client::Greeting;
use crate::failure::{Exit, Failure};
use crate::follow;
use crate::paint::{Paint, harmless};
use crate::ui::Form;
use crate::words;

/// Lines of its log shown of each service.
const LAST_LINES: u64 = 5;

/// Tell how services are, and why
///
/// With names: all that is known of each; exit code 3 if one of them is not running, 4 if there is none of that name.
/// Without: the engine and one line per service.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb status
  aplomb status web
  aplomb status web > /dev/null && echo up")]
pub(crate) struct Status {
    /// The services
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Status {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut client = context.connect()?;
        let named = !self.names.is_empty();
        let services = statuses(&mut client, &self.names, named)?;
        match context.ui.form {
            Form::Json => context.ui.answer_json(&services)?,
            Form::People => {
                let text = self.text(context, &client.greeting, &services);
                context.ui.answer(&text)?;
            }
        }
        let down = services.iter().any(|status| !is_up(status.state));
        Ok(if named && down {
            Exit::NotRunning
        } else {
            Exit::Done
        })
    }

    fn text(&self, context: &Context, greeting: &Greeting, services: &[ServiceStatus]) -> String {
        let seen = Seen {
            now: words::wall(),
            zone: TimeZone::system(),
            paint: context.ui.paint,
        };
        if self.names.is_empty() {
            let width = context.ui.is_watched().then(|| context.ui.size().0);
            let table = list::table(services, seen.now, width, seen.paint);
            return format!("{}\n\n{table}", engine(greeting, &seen));
        }
        let pages: Vec<String> = services
            .iter()
            .map(|status| {
                let lines = follow::last_lines(status, LAST_LINES);
                format!(
                    "{}{}",
                    page(status, greeting, &seen),
                    said(&lines, seen.paint)
                )
            })
            .collect();
        pages.join("\n")
    }
}

/// What it wrote last, below everything else.
fn said(lines: &[String], paint: Paint) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&format!("  {} {line}\n", paint.faint("       |")));
    }
    text
}

/// From where, and when, one looks.
#[derive(Debug)]
struct Seen {
    now: WallNanos,
    zone: TimeZone,
    paint: Paint,
}

/// Whether a service does its work, or could at once.
fn is_up(state: State) -> bool {
    match state {
        State::Running | State::Paused | State::PausePending | State::ContinuePending => true,
        State::Stopped | State::StartPending | State::StopPending | State::Failed => false,
    }
}

fn engine(greeting: &Greeting, seen: &Seen) -> String {
    format!(
        "engine {}, pid {}, running since {} ({}); process trees held by {}",
        greeting.version,
        greeting.pid,
        words::moment(greeting.started, &seen.zone),
        words::ago(greeting.started, seen.now),
        greeting.holding,
    )
}

/// Everything about one service, one fact a line; what there is nothing to say about is left out.
fn page(status: &ServiceStatus, greeting: &Greeting, seen: &Seen) -> String {
    let mut page = head(status, seen);
    for (label, fact) in facts(status, greeting, seen) {
        page.push_str(&format!(
            "  {} {}\n",
            seen.paint.faint(&format!("{label:>8}")),
            harmless(&fact)
        ));
    }
    if !status.members.is_empty() {
        page.push_str(&seen.paint.faint("      tree"));
        let lines = processes::tree_lines(&status.members, status.pid, seen.paint);
        for (nth, line) in lines.iter().enumerate() {
            let indent = if nth == 0 { " " } else { "           " };
            page.push_str(&format!("{indent}{}\n", line));
        }
    }
    page
}

fn head(status: &ServiceStatus, seen: &Seen) -> String {
    let description = match status.description.as_str() {
        "" => String::new(),
        description => format!(" ({})", harmless(description)),
    };
    format!(
        "{}{description}: {} since {} ({})\n",
        seen.paint.strong(&harmless(&status.service)),
        list::state(status, seen.paint),
        words::moment(status.since, &seen.zone),
        words::ago(status.since, seen.now),
    )
}

fn facts(status: &ServiceStatus, greeting: &Greeting, seen: &Seen) -> Vec<(&'static str, String)> {
    let mut facts = vec![("why", status.because.clone())];
    if is_up(status.state) || status.state == State::StartPending {
        facts.push(("ready", ready(status)));
    }
    facts.extend(status.says.clone().map(|says| ("says", says)));
    facts.extend(
        status
            .pid
            .map(|pid| ("main", main_process(pid, status.run))),
    );
    facts.extend(uses(&status.usage).map(|uses| ("uses", uses)));
    if status.usage.processes.is_some_and(|number| number > 0) {
        facts.push(("held by", greeting.holding.clone()));
    }
    facts.extend(restarts(status.restarts).map(|text| ("restarts", text)));
    let last = status.last_run.as_ref();
    facts.extend(last.map(|last| ("last run", last_run(last, seen.now))));
    facts.extend(status.next.as_ref().map(|next| {
        let when = words::duration_ms(next.in_ms);
        ("next", format!("{} in {when}", next.what))
    }));
    facts.extend(status.why.as_ref().map(|why| {
        let more = format!("aplomb why --last {}", status.service);
        (
            "hung",
            format!(
                "{} ({}, {}; `{more}`)",
                why.summary, why.verdict, why.confidence
            ),
        )
    }));
    if !status.requires.is_empty() {
        facts.push(("needs", words::list(&status.requires)));
    }
    facts.extend(status.source.clone().map(|source| ("unit", source)));
    if !status.log_files.is_empty() {
        facts.push(("log", status.log_files.join(", ")));
    }
    if status.log_dropped > 0 {
        let dropped = words::count(status.log_dropped, "line", "lines");
        facts.push(("dropped", format!("{dropped} of output could not be kept")));
    }
    facts.retain(|(_, fact)| !fact.is_empty());
    facts
}

fn ready(status: &ServiceStatus) -> String {
    let answer = if status.readiness.ready {
        "yes"
    } else {
        "not yet"
    };
    format!("{answer}, by {}", status.readiness.by)
}

fn main_process(pid: u32, run: Option<u64>) -> String {
    match run {
        Some(run) => format!("pid {pid}, run {run}"),
        None => format!("pid {pid}"),
    }
}

fn restarts(restarts: u32) -> Option<String> {
    (restarts > 0).then(|| restarts.to_string())
}

fn uses(usage: &Usage) -> Option<String> {
    let parts: Vec<String> = [
        usage
            .memory_bytes
            .map(|bytes| format!("{} memory", words::bytes(bytes))),
        usage
            .cpu_ms
            .map(|ms| format!("{} CPU", words::duration_ms(ms))),
        usage
            .processes
            .map(|number| words::count(number, "process", "processes")),
        usage
            .threads
            .map(|number| words::count(number, "thread", "threads")),
        usage
            .open_files
            .map(|number| words::count(number, "open file", "open files")),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn last_run(last: &LastRun, now: WallNanos) -> String {
    format!(
        "{}, {} after {}",
        last.end,
        words::ago(last.ended, now),
        words::duration_ms(last.lasted_ms),
    )
}

#[cfg(test)]
mod tests;
