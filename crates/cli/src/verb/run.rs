//! `aplomb run`: one program as a service, without a file. Also the entry point of a container.
//!
//! Here is what may be said on the command line, and what it means as a `Spec`. Who carries it is the host's business.

use aplomb_core::Spec;
use aplomb_core::spec::LogTo;
use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::host::foreground;
use crate::said::{Said, When};

/// Run one program as a service, without a file
///
/// Its output is ours, Ctrl+C and SIGTERM stop it by its stop plan, and we end with its exit code.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  aplomb run -- python3 server.py --port 8000
  aplomb run --restart on-failure --ready 'port 8000' -- ./server
  aplomb run --stop-plan 'SIGINT 5s' --stop-plan 'SIGTERM 20s' -- ./server
  ENTRYPOINT [\"aplomb\", \"run\", \"--\"]      in a Dockerfile")]
pub(crate) struct RunArgs {
    /// What the service is called [default: the program's file name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which ends call for another run
    #[arg(long, value_name = "WHEN", value_enum, default_value = "never")]
    pub(crate) restart: When,
    #[command(flatten)]
    pub(crate) said: Said,
    /// The program and its arguments, taken as they are
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    pub(crate) command: Vec<String>,
}

impl RunArgs {
    pub(crate) fn run(self, context: &mut Context) -> Result<u8, Failure> {
        let spec = self.spec()?;
        // The one engine of a container answers at the usual place; others only where they are told to.
        let reachable = context.endpoint_named || std::process::id() == 1;
        foreground::run(
            spec,
            reachable.then_some(&context.endpoint),
            &mut context.ui,
        )
    }

    /// What was said as the definition of a service.
    pub(crate) fn spec(&self) -> Result<Spec, Failure> {
        let program = self.command.first().map_or("", String::as_str);
        let name = self.name.as_deref().unwrap_or_else(|| file_name(program));
        let mut spec = self.said.spec(name, &self.command)?;
        spec.restart.when = self.restart.meant();
        if self.said.log.is_none() {
            spec.log.to = LogTo::Inherit;
        }
        Ok(spec)
    }
}

fn file_name(program: &str) -> &str {
    let name = program.rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "run" } else { name }
}
