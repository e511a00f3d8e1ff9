//! `aplomb import`: services of other wrappers as definitions of ours, and what could not be carried over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aplomb_units::diagnostic::refused;
use aplomb_units::nssm::Surroundings;
use aplomb_units::{Diagnostic, Loaded, Severity, Source, nssm, toml, winsw};
use clap::Args;
use serde_json::json;

use super::Context;
use crate::adoption::{AdoptionError, read_key};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::host::scm;
use crate::ui::Form;
use crate::words;

/// Read a service of WinSW's, NSSM's or srvany's into a definition
///
/// WinSW's from its XML file; NSSM's and srvany's from an export of the registry, or by name from the registry of this
/// machine. Standard output gets the definition, standard error what could not be carried over.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb import winsw jenkins.xml > jenkins.toml
  aplomb import nssm web.reg --output /etc/aplomb/services
  aplomb import srvany OldService      from this machine's registry")]
pub(crate) struct Import {
    /// Whose service it is
    #[arg(value_enum, value_name = "FROM")]
    from: From,
    /// The file, or the name of a service of this machine
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write `NAME.toml` into this directory
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Overwrite files that are there already
    #[arg(short, long, requires = "output")]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    Winsw,
    Nssm,
    Srvany,
}

/// What was read, and the texts it was read from.
struct Found {
    sources: Vec<Source>,
    loaded: Vec<Loaded>,
    diagnostics: Vec<Diagnostic>,
}

impl Import {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let Found {
            sources,
            loaded,
            mut diagnostics,
        } = self.read()?;
        if refused(&diagnostics) {
            diagnostics.retain(|one| one.severity == Severity::Refused);
            let faults = words::count(diagnostics.len() as u64, "fault", "faults");
            let mut failure = Failure::failed(format!("{faults}; nothing was imported"));
            failure.diagnostics = files::rendered(&sources, &diagnostics, context.ui.aside);
            return Err(failure);
        }
        let lost: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        if context.ui.form == Form::People {
            for remark in files::rendered(&sources, &diagnostics, context.ui.aside) {
                context.ui.note(&remark);
            }
        }
        let texts = loaded.iter().map(|one| {
            let name = format!("{}.toml", aplomb_logs::stem(&one.spec.name));
            (name, toml::write(&one.spec))
        });
        let texts: Vec<(String, String)> = texts.collect();
        match &self.output {
            Some(directory) => self.write(directory, &texts, context)?,
            None => print(&texts, &lost, context)?,
        }
        Ok(Exit::Done)
    }

    fn read(&self) -> Result<Found, Failure> {
        let mut found = Found {
            sources: Vec::new(),
            loaded: Vec::new(),
            diagnostics: Vec::new(),
        };
        let is_export = self
            .file
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("reg"));
        match self.from {
            From::Winsw => {
                let source = files::source(&self.file)?;
                found
                    .loaded
                    .extend(winsw::read(&source, &mut found.diagnostics));
                found.sources.push(source);
            }
            From::Nssm | From::Srvany if is_export => {
                let source = files::source(&self.file)?;
                found.loaded = nssm::read(&source, &mut found.diagnostics);
                found.sources.push(source);
            }
            From::Nssm | From::Srvany => {
                let name = self.file.to_string_lossy();
                let (service, key) = read_key(&scm::open()?, &name)?;
                if !nssm::has_program(&key) {
                    return Err(AdoptionError::Foreign { service }.into());
                }
                let file: Arc<str> = Arc::from(format!(r"HKLM\{}\{service}", scm::SERVICES));
                let read = nssm::service(
                    &service,
                    &key,
                    &file,
                    Surroundings::default(),
                    &mut found.diagnostics,
                );
                found.loaded.push(read);
            }
        }
        Ok(found)
    }

    fn write(
        &self,
        directory: &Path,
        texts: &[(String, String)],
        context: &mut Context,
    ) -> Result<(), Failure> {
        let cannot = |error| {
            Failure::failed(format!("cannot make `{}`", directory.display())).because(error)
        };
        std::fs::create_dir_all(directory).map_err(cannot)?;
        let paths: Vec<PathBuf> = texts.iter().map(|(name, _)| directory.join(name)).collect();
        if let Some(there) = paths.iter().find(|path| path.exists())
            && !self.force
        {
            let what = format!(
                "`{}` is there already; nothing was written",
                there.display()
            );
            return Err(Failure::failed(what).action("`--force` overwrites it"));
        }
        for (path, (_, text)) in paths.iter().zip(texts) {
            files::replace(path, text)?;
        }
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        match context.ui.form {
            Form::Json => context.ui.answer_json(&names),
            Form::People => context.ui.answer(&names.join("\n")),
        }
    }
}

fn print(
    texts: &[(String, String)],
    lost: &[String],
    context: &mut Context,
) -> Result<(), Failure> {
    if context.ui.form == Form::Json {
        let files: Vec<_> = texts
            .iter()
            .map(|(name, text)| json!({ "file": name, "text": text }))
            .collect();
        return context
            .ui
            .answer_json(&json!({ "files": files, "lost": lost }));
    }
    let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    context.ui.answer(&texts.join("\n"))
}
