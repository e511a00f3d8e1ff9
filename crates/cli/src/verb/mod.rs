//! The verbs, one file each: the arguments with their help, what is asked of the engine, and how the answer looks.

mod adopt;
mod analyze;
mod check;
mod completions;
mod r#continue;
mod convert;
mod down;
mod edit;
mod events;
mod get;
mod import;
mod install;
mod list;
mod logs;
mod man;
pub(crate) mod nssm;
mod pause;
mod processes;
mod release;
mod reload;
mod remove;
mod reset;
mod reset_failed;
mod restart;
mod rotate;
pub(crate) mod run;
mod schema;
mod set;
mod show;
mod start;
mod status;
mod stop;
mod up;
mod upgrade;
mod why;

use aplomb_protocol::{Answer, Ask, Outcome, ServiceStatus};
use aplomb_units::words::nearest;
use clap::Subcommand;

use crate::args::EngineArgs;
use crate::client::{Client, unexpected};
use crate::failure::{Exit, Failure};
use crate::host::endpoint::Endpoint;
use crate::host::foreground;
use crate::progress::Aim;
use crate::ui::Ui;
use crate::watch;

/// What can be asked of `aplomb`, in the order its help lists it.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Up(up::Up),
    Down(down::Down),
    Run(run::RunArgs),
    Start(start::Start),
    Stop(stop::Stop),
    Restart(restart::Restart),
    Reload(reload::Reload),
    Pause(pause::Pause),
    Continue(r#continue::Continue),
    ResetFailed(reset_failed::ResetFailed),
    Status(status::Status),
    List(list::List),
    Logs(logs::Logs),
    Events(events::Events),
    Processes(processes::Processes),
    Why(why::Why),
    Analyze(analyze::Analyze),
    Rotate(rotate::Rotate),
    Upgrade(upgrade::Upgrade),
    Show(show::Show),
    Install(install::Install),
    Remove(remove::Remove),
    Edit(edit::Edit),
    Get(get::Get),
    Set(set::Set),
    Reset(reset::Reset),
    Check(check::Check),
    Convert(convert::Convert),
    Import(import::Import),
    Nssm(nssm::Nssm),
    Adopt(adopt::Adopt),
    Release(release::Release),
    Schema(schema::Schema),
    Completions(completions::Completions),
    #[command(hide = true)]
    Man(man::Manual),
    #[command(hide = true)]
    Engine(EngineArgs),
}

impl Verb {
    /// Does it. The exit code is one of ours, but for `run`, which ends as its program did.
    pub(crate) fn run(self, context: &mut Context) -> Result<u8, Failure> {
        let exit = match self {
            Verb::Run(args) => return args.run(context),
            Verb::Nssm(verb) => return verb.run(context),
            Verb::Engine(args) => {
                return foreground::engine(&args, &context.endpoint, &mut context.ui);
            }
            Verb::Up(verb) => verb.run(context)?,
            Verb::Down(verb) => verb.run(context)?,
            Verb::Start(verb) => verb.run(context)?,
            Verb::Stop(verb) => verb.run(context)?,
            Verb::Restart(verb) => verb.run(context)?,
            Verb::Reload(verb) => verb.run(context)?,
            Verb::Pause(verb) => verb.run(context)?,
            Verb::Continue(verb) => verb.run(context)?,
            Verb::ResetFailed(verb) => verb.run(context)?,
            Verb::Status(verb) => verb.run(context)?,
            Verb::List(verb) => verb.run(context)?,
            Verb::Logs(verb) => verb.run(context)?,
            Verb::Events(verb) => verb.run(context)?,
            Verb::Analyze(verb) => verb.run(context)?,
            Verb::Processes(verb) => verb.run(context)?,
            Verb::Why(verb) => verb.run(context)?,
            Verb::Rotate(verb) => verb.run(context)?,
            Verb::Upgrade(verb) => verb.run(context)?,
            Verb::Show(verb) => verb.run(context)?,
            Verb::Install(verb) => verb.run(context)?,
            Verb::Remove(verb) => verb.run(context)?,
            Verb::Edit(verb) => verb.run(context)?,
            Verb::Get(verb) => verb.run(context)?,
            Verb::Set(verb) => verb.run(context)?,
            Verb::Reset(verb) => verb.run(context)?,
            Verb::Check(verb) => verb.run(context)?,
            Verb::Convert(verb) => verb.run(context)?,
            Verb::Import(verb) => verb.run(context)?,
            Verb::Adopt(verb) => verb.run(context)?,
            Verb::Release(verb) => verb.run(context)?,
            Verb::Schema(verb) => verb.run(context)?,
            Verb::Completions(verb) => verb.run(context)?,
            Verb::Man(verb) => verb.run(context)?,
        };
        Ok(exit.code())
    }
}

/// What every verb is given.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    pub(crate) endpoint: Endpoint,
    /// The operator said where; it is not the usual place.
    pub(crate) endpoint_named: bool,
}

impl Context {
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        Client::connect(&self.endpoint)
    }

    /// Asks for something that is done at once, and tells what became of each service.
    fn outcomes(&mut self, ask: Ask, names: &[String]) -> Result<Exit, Failure> {
        let mut client = self.connect()?;
        let answer = client.ask(ask);
        match answer.map_err(|failure| with_nearest(&mut client, failure, names))? {
            Answer::Outcomes { outcomes } => watch::tell(&mut self.ui, &outcomes),
            Answer::Done => Ok(Exit::Done),
            Answer::Hello { .. }
            | Answer::Loaded { .. }
            | Answer::Status { .. }
            | Answer::Text { .. } => Err(unexpected("what became of services")),
        }
    }

    /// Asks for something that takes time, shows it, and tells what became of each service.
    fn moves(&mut self, ask: Ask, aim: Aim, names: &[String]) -> Result<Exit, Failure> {
        let mut client = self.connect()?;
        let moved = watch::ask(&mut client, &mut self.ui, ask, aim);
        let outcomes: Vec<Outcome> =
            moved.map_err(|failure| with_nearest(&mut client, failure, names))?;
        watch::tell(&mut self.ui, &outcomes)
    }
}

/// What the engine knows of these services; of all, if none is named.
pub(crate) fn statuses(
    client: &mut Client,
    names: &[String],
    detail: bool,
) -> Result<Vec<ServiceStatus>, Failure> {
    let ask = Ask::Status {
        names: names.to_vec(),
        detail,
    };
    match client.ask(ask) {
        Ok(Answer::Status { services }) => Ok(services),
        Ok(
            Answer::Hello { .. }
            | Answer::Outcomes { .. }
            | Answer::Loaded { .. }
            | Answer::Text { .. }
            | Answer::Done,
        ) => Err(unexpected("status")),
        Err(failure) => Err(with_nearest(client, failure, names)),
    }
}

/// An unknown name gets the known one it resembles most, if the engine had nothing better to say.
fn with_nearest(client: &mut Client, failure: Failure, names: &[String]) -> Failure {
    if failure.exit != Exit::Unknown || failure.action.is_some() {
        return failure;
    }
    let ask = Ask::Status {
        names: Vec::new(),
        detail: false,
    };
    let Ok(Answer::Status { services }) = client.ask(ask) else {
        return failure;
    };
    let known: Vec<&str> = services
        .iter()
        .map(|status| status.service.as_str())
        .collect();
    let meant = names
        .iter()
        .filter(|name| !known.contains(&name.as_str()))
        .find_map(|name| nearest(name, known.iter().copied()));
    match meant {
        Some(meant) => failure.action(format!("did you mean `{meant}`?")),
        None => failure.action("`aplomb list` names those there are"),
    }
}
