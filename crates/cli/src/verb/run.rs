//! `aplomb run`: one program as a service, without a file. Also the entry point of a container.
//!
//! Here is what may be said on the command line, and what it means as a `Spec`. Who carries it is the host's business.

use std::path::PathBuf;

use aplomb_core::Spec;
use aplomb_core::spec::{Command, Directory, LogTo, RestartWhen};
use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::host::foreground;

/// Run one program as a service, without a file
///
/// Its output is ours, Ctrl+C and SIGTERM stop it by its stop plan, and we end with its exit code.
#[derive(Debug, Clone, Args)]
#[command(after_help = RunArgs::EXAMPLES)]
pub(crate) struct RunArgs {
    /// What the service is called [default: the program's file name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which ends call for another run
    #[arg(long, value_name = "WHEN", value_enum, default_value = "never")]
    pub(crate) restart: When,
    /// A variable of its environment; can be given again
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Its working directory
    #[arg(short = 'C', long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Run it as this user
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Keep its output in NAME.log in this directory instead of passing it on
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// The program and its arguments, taken as they are
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    pub(crate) command: Vec<String>,
}

/// Which ends call for another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    Never,
    OnFailure,
    Always,
}

impl RunArgs {
    const EXAMPLES: &str = "\
Examples:
  aplomb run -- python3 server.py --port 8000
  aplomb run --restart on-failure --user www -- ./server
  ENTRYPOINT [\"aplomb\", \"run\", \"--\"]      in a Dockerfile";

    pub(crate) fn run(self, context: &Context) -> Result<u8, Failure> {
        let spec = self.spec()?;
        // The one engine of a container answers at the usual place; others only where they are told to.
        let reachable = context.endpoint_named || std::process::id() == 1;
        foreground::run(spec, reachable.then_some(&context.endpoint))
    }

    /// What was said as the definition of a service.
    pub(crate) fn spec(&self) -> Result<Spec, Failure> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(Failure::usage("no program is named"));
        };
        let mut spec = Spec::new(self.name.clone().unwrap_or_else(|| file_name(program)));
        spec.start = vec![Command {
            program: program.clone(),
            args: args.to_vec(),
            ..Command::default()
        }];
        spec.restart.when = match self.restart {
            When::Never => RestartWhen::Never,
            When::OnFailure => RestartWhen::OnFailure,
            When::Always => RestartWhen::Always,
        };
        spec.process.env.clone_from(&self.env);
        spec.process.user.clone_from(&self.user);
        spec.process.directory = match &self.dir {
            Some(dir) => Some(Directory {
                path: absolute(dir)?,
                optional: false,
            }),
            None => None,
        };
        spec.log.to = match &self.log {
            Some(dir) => LogTo::Directory(absolute(dir)?),
            None => LogTo::Inherit,
        };
        Ok(spec)
    }
}

fn file_name(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "run" } else { name }.to_owned()
}

fn absolute(path: &std::path::Path) -> Result<String, Failure> {
    let refused = |why: String| {
        Failure::usage(format!("cannot use the directory `{}`", path.display())).because(why)
    };
    let absolute = std::path::absolute(path).map_err(|error| refused(error.to_string()))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| refused("its name is not UTF-8".into()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        Some(_) | None => Err("write it as NAME=VALUE".into()),
    }
}
