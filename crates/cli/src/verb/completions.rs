//! `aplomb completions`: what a shell needs to complete our command line.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::Context;
use crate::args::Aplomb;
use crate::failure::{Exit, Failure};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb completions bash > /etc/bash_completion.d/aplomb
  aplomb completions zsh > \"${fpath[1]}/_aplomb\"
  aplomb completions fish > ~/.config/fish/completions/aplomb.fish")]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Aplomb::command(), "aplomb", &mut script);
        context.ui.answer_bytes(&script)?;
        Ok(Exit::Done)
    }
}
