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
use crate::form;
use crate::host::boot::{self, Step};
use crate::host::directories::Owner;
use crate::host::endpoint::EndpointError;
use crate::host::foreground;
use crate::said::{Said, When};
use crate::ui::Form;
use crate::watch::quoted;

/// Make any program a service that starts at boot
///
/// Without a name and a program, a form asks for them and for everything else.
///
/// Writes its definition (for root into /etc/aplomb/services, else into the user's configuration) and, where systemd
/// is the first process, enables an engine that starts what is installed; elsewhere tells how.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb install web /usr/bin/web --port 80
  aplomb install --user www --ready 'port 8000' api -- python3 server.py
  aplomb install --dry-run web ./server      only show what would be done
  aplomb install                             fill in a form")]
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
    #[arg(value_name = "NAME", requires = "command")]
    name: Option<String>,
    /// The program and its arguments, taken as they are
    #[arg(
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

/// What is to be installed.
struct Wanted {
    name: String,
    spec: Spec,
    text: String,
}

impl Install {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let owner = Owner::current();
        let Some(Wanted { name, spec, text }) = self.wanted(&owner.units())? else {
            context.ui.note("nothing was saved, and nothing installed");
            return Ok(Exit::Done);
        };
        let file = owner
            .units()
            .join(format!("{}.toml", aplomb_logs::stem(&name)));
        check(&name, &file, &text, context)?;
        if file.exists() && !self.force {
            let what = format!("`{}` is there already; nothing was written", file.display());
            let action = format!(
                "`--force` overwrites it; `aplomb edit {}` changes it",
                quoted(&name)
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
        foreground::prepare_directories()?;
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
        tell_engine(&name, &file, context)?;
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

    /// As the command line says, or as a form is filled in where it says nothing; `None` if that was left.
    fn wanted(&self, units: &Path) -> Result<Option<Wanted>, Failure> {
        if let Some(name) = &self.name {
            let spec = self.spec(name)?;
            return Ok(Some(Wanted {
                name: name.clone(),
                text: toml::write(&spec),
                spec,
            }));
        }
        if !form::is_possible() {
            let failure = Failure::usage("no service is named");
            return Err(failure.action("aplomb install NAME PROGRAM"));
        }
        let Some((name, text)) = form::fill_in_new(&units.display().to_string())? else {
            return Ok(None);
        };
        let source = Source::new(format!("{name}.toml"), text.as_str());
        let mut loaded = toml::read(&source, &mut Vec::new());
        let spec = match loaded.is_empty() {
            true => Spec::new(&*name),
            false => loaded.swap_remove(0).spec,
        };
        Ok(Some(Wanted { name, spec, text }))
    }

    /// The definition. Programs and directories are absolute in it: it is read from elsewhere.
    fn spec(&self, name: &str) -> Result<Spec, Failure> {
        check_name(name).map_err(|fault| {
            Failure::usage(format!("`{name}` cannot be the name of a service")).because(fault)
        })?;
        let mut command = self.command.clone();
        if let Some(program) = command.first_mut() {
            *program = found(program)?;
        }
        let mut spec = self.said.spec(name, &command)?;
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
}

fn check(name: &str, file: &Path, text: &str, context: &Context) -> Result<(), Failure> {
    let source = Source::new(file.display().to_string(), text);
    let read = files::check(vec![source], false);
    if !read.is_refused() {
        return Ok(());
    }
    let what = format!("`{name}` cannot run like this; nothing was written");
    let mut failure = Failure::failed(what);
    failure.diagnostics = read.rendered(context.ui.aside);
    Err(failure)
}

/// A running engine has it at once; nothing is started unasked.
fn tell_engine(name: &str, file: &Path, context: &mut Context) -> Result<(), Failure> {
    let now = match context.endpoint.connect() {
        Ok(_) => {
            take_in(file, context)?;
            format!("aplomb start {}", quoted(name))
        }
        Err(EndpointError::NobodyThere { .. }) => boot::start_now(Owner::current(), name),
        Err(error) => return Err(error.into()),
    };
    if context.ui.form == Form::People {
        context.ui.note(&format!("`{now}` starts it now"));
    }
    Ok(())
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
