//! The command line as types. Each verb's own words stand with the verb; here is what all share, and the list.
//!
//! `run` and `engine` are parsed by small trees of their own (see `main`): their child must be running a few
//! milliseconds after we are, and the whole tree costs a quarter of one more.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser};

use crate::ui::Colour;
use crate::verb::Verb;

pub(crate) use crate::verb::run::RunArgs;

const ABOUT: &str = "Services that start fast, stop gracefully, and tell you why they hang";
const EXAMPLES: &str = "\
Examples:
  aplomb up shop.toml                 start what it describes, follow the logs, Ctrl+C stops it
  aplomb up -d shop.toml              the same in the background
  aplomb status                       what runs, what does not, and why
  aplomb logs -f web                  follow one log
  aplomb run -- python3 server.py     one program as a service, without a file
  aplomb install web -- web -p 80     a service that starts at boot

Exit codes: 0 done, 1 it failed, 2 wrong use, 3 not running, 4 unknown service,
            69 engine not reachable.";

/// What a child process sees of our colours.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "aplomb",
    version,
    about = ABOUT,
    after_help = EXAMPLES,
    styles = STYLES,
    max_term_width = 100,
    infer_subcommands = false,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    disable_help_subcommand = true
)]
pub(crate) struct Aplomb {
    #[command(flatten)]
    pub(crate) shared: Shared,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

// Options every verb has. No doc comment: clap would make it the help of the verb.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Shared {
    /// Where the engine listens [default: APLOMB_SOCKET, else the user's own place]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: Colour,
    /// The same as `--color never`
    #[arg(long, global = true, conflicts_with = "color")]
    pub(crate) no_color: bool,
}

impl Shared {
    /// When to colour, whichever way it was said.
    pub(crate) fn colour(&self) -> Colour {
        if self.no_color {
            Colour::Never
        } else {
            self.color
        }
    }
}

// `aplomb run …` alone. No doc comment: its help is that of the verb.
#[derive(Debug, Parser)]
#[command(name = "aplomb run", bin_name = "aplomb run", styles = STYLES, max_term_width = 100)]
pub(crate) struct RunAlone {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

// `aplomb engine …` alone.
#[derive(Debug, Parser)]
#[command(name = "aplomb engine", bin_name = "aplomb engine", styles = STYLES, max_term_width = 100)]
pub(crate) struct EngineAlone {
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

/// Carry services until shut down
///
/// What `aplomb up` and the system's own service manager start; seldom what a person types.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EngineArgs {
    /// Leave the terminal's session first
    #[arg(long)]
    pub(crate) detached: bool,
    /// Where logs go that name no place of their own
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Where run numbers and what is running are remembered
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Start and stop one service after the other, for comparison
    #[arg(long)]
    pub(crate) sequential: bool,
    /// Load and start these unit files, or all in these directories
    #[arg(long, value_name = "PATH")]
    pub(crate) load: Vec<PathBuf>,
}

/// Names of services.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Services by name; a unique beginning will do, and `*` and `?` stand for several
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}
