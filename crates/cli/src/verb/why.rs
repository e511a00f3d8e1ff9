//! `aplomb why`: what keeps a service, or any process, from going on.
//!
//! Without `--pid` or `--name` the engine is asked which processes belong to the service; looking is done here, so that
//! it works with our own rights and does not hold up the engine.

use aplomb_diagnosis::scene::Question;
use aplomb_diagnosis::{Answer, Budget};
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
  aplomb why --pid 4711
  aplomb why --name nginx --json
  aplomb why web --graph | dot -Tsvg > why.svg")]
pub(crate) struct Why {
    /// The service; a unique beginning of its name will do
    #[arg(value_name = "NAME", required_unless_present_any = ["pid", "name"], conflicts_with_all = ["pid", "name"])]
    service: Option<String>,
    /// Any process by its number, with or without an engine
    #[arg(long, value_name = "PID", conflicts_with = "name")]
    pid: Option<u32>,
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
        let target = self.target(context)?;
        let question = self.question.map_or(target.question, Question::from);
        let answer = aplomb_diagnosis::ask(question, &target.pids, Budget::default());
        let answer = match target.name {
            Some(name) => answer.named(name),
            None => answer,
        };
        self.tell(context, &answer)?;
        Ok(Exit::Done)
    }

    fn target(&self, context: &mut Context) -> Result<Target, Failure> {
        if let Some(pid) = self.pid {
            if !aplomb_diagnosis::lives(pid) {
                return Err(Failure::new(
                    Exit::NotRunning,
                    format!("there is no process {pid}"),
                ));
            }
            return Ok(Target {
                name: None,
                pids: vec![pid],
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
