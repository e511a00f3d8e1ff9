//! `aplomb install`: any program as a service, with one command: writes its definition and sees to it that an engine
//! starts at boot.

use std::env;
use std::fs;
use std::path::Path;

use aplomb_core::Spec;
use aplomb_units::words::check_name;
use aplomb_units::{Source, toml};
use clap::Args;
use serde::Serialize;

use super::Context;
use crate::definition::take_in;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::host::boot::{self, Step};
use crate::host::directories::Owner;
use crate::host::endpoint::EndpointError;
use crate::said::{Said, When};
use crate::ui::{Form, Ui};
use crate::watch::quoted;

/// Make any program a service that starts at boot
///
/// Writes its definition (for root into /etc/aplomb/services, else into the user's configuration) and, where systemd
/// is the first process, enables an engine that starts what is installed; elsewhere tells how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb install web /usr/bin/web --port 80
  aplomb install --user www --ready 'port 8000' api -- python3 server.py
  aplomb install --dry-run web ./server      only show what would be done")]
pub(crate) struct Install {
    /// Which ends call for another run
    #[arg(long, value_name = "WHEN", value_enum, default_value = "on-failure")]
    restart: When,
    /// What it is for, in a few words
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    said: Said,
    /// Overwrite a definition of that name
    #[arg(short, long)]
    force: bool,
    /// Only write the definition; see to an engine at boot yourself
    #[arg(long)]
    no_boot: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// What the service is called
    #[arg(value_name = "NAME")]
    name: String,
    /// The program and its arguments, taken as they are
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    command: Vec<String>,
}

/// What is done, for programs.
#[derive(Debug, Serialize)]
struct Report<'a> {
    definition: &'a Path,
    text: &'a str,
    steps: &'a [Step],
}

impl Install {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let owner = Owner::current();
        let file = owner
            .units()
            .join(format!("{}.toml", aplomb_logs::stem(&self.name)));
        let spec = self.spec()?;
        let text = toml::write(&spec);
        self.check(&file, &text, context)?;
        if file.exists() && !self.force {
            let what = format!("`{}` is there already; nothing was written", file.display());
            let action = format!(
                "`--force` overwrites it; `aplomb edit {}` changes it",
                quoted(&self.name)
            );
            return Err(Failure::failed(what).action(action));
        }
        let steps = if self.no_boot {
            Vec::new()
        } else {
            boot::steps(owner, &spec, &file)?
        };
        if self.dry_run {
            self.show(&file, &text, &steps, context)?;
            return Ok(Exit::Done);
        }
        write(&file, &text)?;
        if context.ui.form == Form::People {
            context.ui.note(&format!("wrote `{}`", file.display()));
        }
        for step in &steps {
            if context.ui.form == Form::People {
                context.ui.note(&step.words());
            }
            step.take()?;
        }
        self.tell_engine(&file, context)?;
        if context.ui.form == Form::Json {
            let (definition, text, steps) = (file.as_path(), text.as_str(), steps.as_slice());
            context.ui.answer_json(&Report {
                definition,
                text,
                steps,
            })?;
        }
        Ok(Exit::Done)
    }

    /// The definition. Programs and directories are absolute in it: it is read from elsewhere.
    fn spec(&self) -> Result<Spec, Failure> {
        check_name(&self.name).map_err(|fault| {
            Failure::usage(format!("`{}` cannot be the name of a service", self.name))
                .because(fault)
        })?;
        let mut command = self.command.clone();
        if let Some(program) = command.first_mut() {
            *program = found(program)?;
        }
        let mut spec = self.said.spec(&self.name, &command)?;
        spec.restart.when = self.restart.meant();
        spec.description = self.description.clone().unwrap_or_default();
        if spec.process.directory.is_none() {
            let here = env::current_dir().map_err(|error| {
                Failure::failed("cannot tell where we are")
                    .because(error)
                    .action("give `--dir DIR`")
            })?;
            // As on the command line the operator tried it with.
            if let Some(path) = here.to_str().filter(|_| self.is_relative()) {
                let (path, optional) = (path.to_owned(), false);
                spec.process.directory = Some(aplomb_core::spec::Directory { path, optional });
            }
        }
        Ok(spec)
    }

    /// A program named by a path from here is likely to look for its files here, too.
    fn is_relative(&self) -> bool {
        self.command
            .first()
            .is_some_and(|program| program.contains('/') && !program.starts_with('/'))
    }

    fn check(&self, file: &Path, text: &str, context: &Context) -> Result<(), Failure> {
        let source = Source::new(file.display().to_string(), text);
        let read = files::check(vec![source], false);
        if !read.is_refused() {
            return Ok(());
        }
        let mut failure = Failure::failed(format!(
            "`{}` cannot run like this; nothing was written",
            self.name
        ));
        failure.diagnostics = read.rendered(context.ui.aside);
        Err(failure)
    }

    fn show(
        &self,
        file: &Path,
        text: &str,
        steps: &[Step],
        context: &mut Context,
    ) -> Result<(), Failure> {
        if context.ui.form == Form::Json {
            return context.ui.answer_json(&Report {
                definition: file,
                text,
                steps,
            });
        }
        let mut all = format!("would write `{}`:\n\n{text}\n", file.display());
        for step in steps {
            all.push_str(&format!("would {}\n", step.words()));
        }
        context.ui.answer(&all)
    }

    /// A running engine has it at once; nothing is started unasked.
    fn tell_engine(&self, file: &Path, context: &mut Context) -> Result<(), Failure> {
        let name = quoted(&self.name);
        match context.endpoint.connect() {
            Ok(_) => {
                take_in(file, context)?;
                self.say(
                    &mut context.ui,
                    &format!("`aplomb start {name}` starts it now"),
                );
            }
            Err(EndpointError::NobodyThere { .. }) => {
                let now = boot::start_now(Owner::current(), &self.name);
                self.say(&mut context.ui, &format!("`{now}` starts it now"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn say(&self, ui: &mut Ui, text: &str) {
        if ui.form == Form::People {
            ui.note(text);
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    let made = fs::create_dir_all(directory);
    made.map_err(|error| {
        let what = format!("cannot make the directory `{}`", directory.display());
        Failure::failed(what).because(error)
    })?;
    files::replace(file, text)
}

/// The program by its absolute path: what the search path finds now must not change with whoever starts the engine.
fn found(program: &str) -> Result<String, Failure> {
    let cannot = |why: &str| {
        let failure = Failure::failed(format!("cannot find the program `{program}`"));
        failure.because(why).action("name it by its path")
    };
    let path = if program.contains('/') {
        std::path::absolute(program).map_err(|error| cannot(&error.to_string()))?
    } else {
        let search = env::var_os("PATH").unwrap_or_default();
        let mut places = env::split_paths(&search).map(|place| place.join(program));
        let found = places.find(|path| aplomb_platform::is_executable(path));
        found.ok_or_else(|| cannot("it is in no directory of PATH"))?
    };
    let text = path.into_os_string().into_string();
    text.map_err(|_| cannot("its name is not UTF-8"))
}
