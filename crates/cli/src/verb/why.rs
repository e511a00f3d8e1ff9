//! `aplomb why`: what keeps a service, or any process, from going on.
//!
//! Without `--pid` or `--name` the engine is asked which processes belong to the service; looking is done here, so that
//! it works with our own rights and does not hold up the engine.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aplomb_diagnosis::scene::Question;
use aplomb_diagnosis::{Answer, Budget};
use aplomb_platform::create_private;
use aplomb_protocol::{ServiceStatus, State};
use clap::{Args, ValueEnum};

use super::{Context, statuses};
use crate::failure::{Exit, Failure};
use crate::ui::Form;

/// Say why a service does not go on
///
/// Looks at every thread of its processes, follows what they wait for, also into other processes, and names the cause
/// with the evidence for it. Nothing is stopped or signalled, and the programs need no preparation. `docs/why.md`
/// explains the verdicts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb why web
  aplomb why --last web                why it had to be ended by force
  aplomb why --pid 4711
  aplomb why --name nginx --json
  aplomb why web --graph | dot -Tsvg > why.svg")]
pub(crate) struct Why {
    /// The service; a unique beginning of its name will do
    #[arg(value_name = "NAME", required_unless_present_any = ["pid", "name"], conflicts_with_all = ["pid", "name"])]
    service: Option<String>,
    /// Any process by its number, with or without an engine; several that belong together with commas between
    #[arg(
        long,
        value_name = "PID",
        conflicts_with = "name",
        value_delimiter = ','
    )]
    pid: Vec<u32>,
    /// The processes of a program by its name, with or without an engine
    #[arg(long, value_name = "PROGRAM")]
    name: Option<String>,
    /// What it should do and does not [default: hang, or what a service is about to do]
    #[arg(long, value_name = "WHAT", value_enum)]
    question: Option<Asked>,
    /// Answer with the graph of who waits for whom, for Graphviz
    #[arg(long, conflicts_with = "raw")]
    graph: bool,
    /// Show every thread that was looked at
    #[arg(long)]
    raw: bool,
    /// What was found when the service was last about to be ended by force
    #[arg(long, requires = "service", conflicts_with_all = ["graph", "raw", "question"])]
    last: bool,
    /// What the processes are called in the answer, for an engine that asks
    #[arg(long, value_name = "NAME", hide = true)]
    called: Option<String>,
    /// Where the answer is kept, for an engine that asks
    #[arg(long, value_name = "FILE", hide = true)]
    keep: Option<PathBuf>,
}

/// What a process should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Asked {
    /// Go on
    Hang,
    /// End
    Stop,
    /// Become ready
    Start,
    /// Answer its health check
    Health,
}

/// Whom to look at, and how to call them.
struct Target {
    name: Option<String>,
    pids: Vec<u32>,
    question: Question,
}

impl Why {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.last {
            return self.tell_last(context);
        }
        let target = self.target(context)?;
        let question = self.question.map_or(target.question, Question::from);
        let answer = aplomb_diagnosis::ask(question, &target.pids, Budget::default());
        let answer = match target.name {
            Some(name) => answer.named(name),
            None => answer,
        };
        match &self.keep {
            Some(file) => keep(file, &answer)?,
            None => self.tell(context, &answer)?,
        }
        Ok(Exit::Done)
    }

    fn target(&self, context: &mut Context) -> Result<Target, Failure> {
        if !self.pid.is_empty() {
            let gone = self.pid.iter().find(|pid| !aplomb_diagnosis::lives(**pid));
            // Of those an engine asks about some may have ended since.
            if let Some(pid) = gone.filter(|_| self.keep.is_none()) {
                return Err(Failure::new(
                    Exit::NotRunning,
                    format!("there is no process {pid}"),
                ));
            }
            return Ok(Target {
                name: self.called.clone(),
                pids: self.pid.clone(),
                question: Question::Hang,
            });
        }
        if let Some(name) = &self.name {
            let pids = aplomb_diagnosis::named(name);
            if pids.is_empty() {
                let failure = Failure::new(
                    Exit::NotRunning,
                    format!("no process runs a program `{name}`"),
                );
                return Err(failure.action("`aplomb why NAME` asks about a service"));
            }
            return Ok(Target {
                name: Some(name.clone()),
                pids,
                question: Question::Hang,
            });
        }
        let service = self.service.clone().unwrap_or_default();
        let mut client = context.connect()?;
        let found = statuses(&mut client, &[service], true)?;
        let Some(status) = found.first() else {
            return Err(Failure::new(Exit::Unknown, "no service was named"));
        };
        of_service(status)
    }

    /// What was kept when it was last asked before force was used.
    fn tell_last(&self, context: &mut Context) -> Result<Exit, Failure> {
        let service = self.service.clone().unwrap_or_default();
        let mut client = context.connect()?;
        let found = statuses(&mut client, &[service], true)?;
        let Some(status) = found.first() else {
            return Err(Failure::new(Exit::Unknown, "no service was named"));
        };
        let Some(why) = &status.why else {
            let what = format!("`{}` was never about to be ended by force", status.service);
            let action = format!("aplomb why {}", status.service);
            return Err(Failure::failed(what).action(action));
        };
        let file = match context.ui.form {
            Form::Json => PathBuf::from(&why.file),
            Form::People => page_of(Path::new(&why.file)),
        };
        let text = fs::read_to_string(&file).map_err(|error| {
            Failure::failed(format!("cannot read `{}`", file.display())).because(error)
        })?;
        context.ui.answer(text.trim_end())?;
        Ok(Exit::Done)
    }

    fn tell(&self, context: &mut Context, answer: &Answer) -> Result<(), Failure> {
        if self.graph {
            return context.ui.answer(&answer.dot());
        }
        match context.ui.form {
            Form::Json => context.ui.answer_json(&answer.report()),
            Form::People if self.raw => {
                context
                    .ui
                    .answer(&format!("{}\n{}", answer.page(), answer.raw()))
            }
            Form::People => context.ui.answer(&answer.page()),
        }
    }
}

/// Keeps an answer for programs in the file, and for people beside it. The file comes last and whole: who finds it finds
/// both.
fn keep(file: &Path, answer: &Answer) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::failed(format!("cannot write `{}`", file.display())).because(error)
    };
    let report = serde_json::to_vec(&answer.report()).map_err(|error| cannot(error.into()))?;
    let page = page_of(file);
    let part = file.with_extension("part");
    for old in [&page, &part] {
        // None is there, mostly.
        let _none = fs::remove_file(old);
    }
    let write = |path: &Path, text: &[u8]| create_private(path)?.write_all(text);
    write(&page, answer.page().as_bytes()).map_err(cannot)?;
    write(&part, &report).map_err(cannot)?;
    fs::rename(&part, file).map_err(cannot)
}

/// The file for people beside that for programs.
fn page_of(file: &Path) -> PathBuf {
    file.with_extension("txt")
}

/// The processes of a service, its main one first.
fn of_service(status: &ServiceStatus) -> Result<Target, Failure> {
    let main = status.pid;
    let mut pids: Vec<u32> = main.into_iter().collect();
    pids.extend(
        status
            .members
            .iter()
            .map(|member| member.pid)
            .filter(|pid| Some(*pid) != main),
    );
    if pids.is_empty() {
        let failure = Failure::new(
            Exit::NotRunning,
            format!("`{}` has no processes", status.service),
        );
        return Err(failure.because(&status.because));
    }
    Ok(Target {
        name: Some(status.service.clone()),
        pids,
        question: match status.state {
            State::StopPending => Question::Stop,
            State::StartPending => Question::Start,
            State::Running if status.unhealthy => Question::Health,
            State::Running
            | State::Stopped
            | State::PausePending
            | State::Paused
            | State::ContinuePending
            | State::Failed => Question::Hang,
        },
    })
}

impl From<Asked> for Question {
    fn from(asked: Asked) -> Question {
        match asked {
            Asked::Hang => Question::Hang,
            Asked::Stop => Question::Stop,
            Asked::Start => Question::Start,
            Asked::Health => Question::Health,
        }
    }
}
