//! `aplomb up`: brings a stack up, and in the foreground carries it to its end.
//!
//! Here is how it begins: an engine is found or started, the files are loaded. What follows is in `stack`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use aplomb_logs::Wall;
use aplomb_protocol::{Answer, Ask, LoadFile, StopHow};
use clap::Args;
use jiff::Timestamp;

use super::Context;
use crate::client::{Client, unexpected};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::host::detach;
use crate::host::directories::Owner;
use crate::host::endpoint::EndpointError;
use crate::stack::{Belongs, Stack};
use crate::ui::Form;
use crate::watch;

/// What `up` looks for where no file is named.
const USUAL_FILE: &str = "aplomb.toml";

/// Start what unit files describe
///
/// In dependency order, independent services in parallel. Then their logs are followed, and Ctrl+C stops everything in
/// reverse order; a second Ctrl+C forces. With an engine running already, its other services are left alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb up                            what ./aplomb.toml describes
  aplomb up shop.toml
  aplomb up ./nginx.service ./units/   systemd units, a directory of units
  aplomb up -d shop.toml               in the background; `aplomb down` ends it")]
pub(crate) struct Up {
    /// Unit files, or directories of them [default: aplomb.toml]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Return when all are ready, and leave the engine in the background
    #[arg(short, long)]
    detach: bool,
    /// What cannot be carried out here is a warning instead of a refusal
    #[arg(long)]
    lenient: bool,
    /// Where logs go that name no place of their own, for an engine started by this
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// Where an engine started by this remembers what it runs
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// One service after the other, in an engine started by this
    #[arg(long)]
    sequential: bool,
}

impl Up {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let files = self.files()?;
        let (mut client, belongs) = self.engine(context)?;
        watch::subscribe(&mut client)?;
        client.hear_interrupts();
        if !self.detach && belongs == Belongs::Us {
            client.ask(Ask::Lifeline)?;
        }
        let since = Wall::from_micros(Timestamp::now().as_microsecond());
        let loaded = self.load(&mut client, files);
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => {
                if belongs == Belongs::Us {
                    let how = StopHow::Plan;
                    // It has nothing to carry; that it ends is all that matters.
                    let _ = client.ask(Ask::Shutdown { how });
                }
                return Err(failure);
            }
        };
        for remark in &loaded.remarks {
            context.ui.note(remark);
        }
        let stack = Stack::new(client, belongs, loaded.services, loaded.starting, since);
        if self.detach {
            return stack.bring_up(&mut context.ui);
        }
        stack.carry(&mut context.ui)
    }

    fn files(&self) -> Result<Vec<LoadFile>, Failure> {
        if !self.files.is_empty() {
            return files::to_load(&self.files);
        }
        if Path::new(USUAL_FILE).exists() {
            return files::to_load(&[PathBuf::from(USUAL_FILE)]);
        }
        let what = format!("no unit file is named, and there is no `{USUAL_FILE}` here");
        Err(Failure::usage(what).action("aplomb up FILE…"))
    }

    /// The engine at the endpoint; if there is none, a new one in the background.
    fn engine(&self, context: &mut Context) -> Result<(Client, Belongs), Failure> {
        match context.endpoint.connect() {
            Ok(stream) => {
                self.refuse_engine_options()?;
                Ok((Client::over(stream, &context.endpoint)?, Belongs::Others))
            }
            Err(EndpointError::NobodyThere { .. }) => {
                let started = detach::start_engine(&context.endpoint, &self.engine_args()?)?;
                let client = Client::of(started, &context.endpoint)?;
                if self.detach && context.ui.form == Form::People {
                    let pid = client.greeting.pid;
                    context
                        .ui
                        .note(&format!("started an engine in the background, pid {pid}"));
                }
                Ok((client, Belongs::Us))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What can only be said to a new engine must not be ignored by an old one.
    fn refuse_engine_options(&self) -> Result<(), Failure> {
        let options = [
            (self.log_dir.is_some(), "--log-dir"),
            (self.state_dir.is_some(), "--state-dir"),
            (self.sequential, "--sequential"),
        ];
        let Some((_, option)) = options.into_iter().find(|(given, _)| *given) else {
            return Ok(());
        };
        Err(Failure::usage(format!(
            "an engine is running already, and `{option}` is for a new one"
        ))
        .action(format!("leave `{option}` out, or `aplomb down` first")))
    }

    fn engine_args(&self) -> Result<Vec<OsString>, Failure> {
        let owner = Owner::current();
        let directory = |named: &Option<PathBuf>, usual: PathBuf| match named {
            Some(named) => files::absolute(named),
            None => Ok(usual),
        };
        let mut args: Vec<OsString> = vec![
            "--log-dir".into(),
            directory(&self.log_dir, owner.logs())?.into(),
            "--state-dir".into(),
            directory(&self.state_dir, owner.state())?.into(),
        ];
        if self.sequential {
            args.push("--sequential".into());
        }
        Ok(args)
    }

    fn load(&self, client: &mut Client, files: Vec<LoadFile>) -> Result<Loaded, Failure> {
        let ask = Ask::Load {
            files,
            lenient: self.lenient,
            start: true,
        };
        let Answer::Loaded {
            services,
            starting,
            remarks,
        } = client.ask(ask)?
        else {
            return Err(unexpected("load"));
        };
        Ok(Loaded {
            services,
            starting,
            remarks,
        })
    }
}

/// What the engine took in.
#[derive(Debug)]
struct Loaded {
    services: Vec<String>,
    starting: Vec<String>,
    remarks: Vec<String>,
}
