//! Where the definition of a service lies, and what happens once it has been changed.
//!
//! An engine knows the file of each of its services; without one the directory of installed definitions is looked
//! through. A file named on the command line is believed.

use std::path::{Path, PathBuf};

use aplomb_protocol::{Answer, Ask};
use aplomb_units::words::nearest;
use aplomb_units::{Dialect, Source};
use clap::Args;

use crate::client::unexpected;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::host::directories::Owner;
use crate::host::endpoint::EndpointError;
use crate::verb::{Context, statuses};
use crate::watch::quoted;
use crate::{client::Client, words};

/// Where to look for the definition.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Where {
    /// The unit file [default: the one the engine has it from, else the one `install` made]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A definition that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// As its table is called: without an instance.
    pub(crate) service: String,
    pub(crate) file: PathBuf,
    known: Known,
}

/// Whether a running engine has it in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ByEngine,
    Nowhere,
}

impl Where {
    /// The definition of the service called `name`.
    pub(crate) fn find(&self, name: &str, context: &Context) -> Result<Definition, Failure> {
        if let Some(file) = &self.file {
            return Ok(Definition {
                service: name.to_owned(),
                file: file.clone(),
                known: Known::Nowhere,
            });
        }
        match context.endpoint.connect() {
            Ok(stream) => {
                let mut client = Client::over(stream, &context.endpoint)?;
                of_engine(&mut client, name)
            }
            Err(EndpointError::NobodyThere { .. }) => installed(name, &Owner::current().units()),
            Err(error) => Err(error.into()),
        }
    }
}

fn of_engine(client: &mut Client, name: &str) -> Result<Definition, Failure> {
    let services = statuses(client, &[name.to_owned()], false)?;
    let mut files: Vec<(String, Option<String>)> = services
        .into_iter()
        .map(|status| (family(&status.service).to_owned(), status.source))
        .collect();
    files.dedup();
    let [(service, file)] = files.as_slice() else {
        let names: Vec<String> = files.iter().map(|(name, _)| format!("`{name}`")).collect();
        let what = format!("`{name}` means {}", words::list(&names));
        return Err(Failure::usage(what).action("name one of them"));
    };
    let Some(file) = file else {
        let what = format!("`{service}` was not read from a file");
        return Err(Failure::failed(what).action(format!("aplomb show {}", quoted(service))));
    };
    Ok(Definition {
        service: service.clone(),
        file: file.into(),
        known: Known::ByEngine,
    })
}

/// Among the definitions of a directory.
fn installed(name: &str, directory: &Path) -> Result<Definition, Failure> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for file in files::within(directory).unwrap_or_default() {
        let read = files::check(vec![files::source(&file)?], true);
        let names = read.loaded.iter().map(|one| one.spec.family().to_owned());
        found.extend(names.map(|name| (name, file.clone())));
    }
    if let Some((service, file)) = found.into_iter().find(|(service, _)| service == name) {
        let known = Known::Nowhere;
        return Ok(Definition {
            service,
            file,
            known,
        });
    }
    Err(unknown(name, directory))
}

fn unknown(name: &str, directory: &Path) -> Failure {
    let files = files::within(directory).unwrap_or_default();
    let stems: Vec<String> = files
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()))
        .collect();
    let place = directory.display();
    let failure = Failure::new(
        Exit::Unknown,
        format!("no engine is running, and there is no service `{name}` in `{place}`"),
    );
    match nearest(name, stems.iter().map(String::as_str)) {
        Some(meant) => failure.action(format!("did you mean `{meant}`?")),
        None => failure.action("name its file with `--file FILE`"),
    }
}

/// `web` of `web@2`.
fn family(name: &str) -> &str {
    name.split_once('@').map_or(name, |(family, _)| family)
}

impl Definition {
    /// The text as it is now.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        files::source(&self.file)
    }

    /// The same, if single settings of it can be changed.
    pub(crate) fn toml(&self) -> Result<Source, Failure> {
        let source = self.source()?;
        match source.dialect() {
            Dialect::Toml => Ok(source),
            dialect @ (Dialect::Systemd | Dialect::Nssm) => {
                let file = self.file.display();
                let what = match dialect {
                    Dialect::Nssm => "an export of the registry",
                    Dialect::Toml | Dialect::Systemd => "a systemd unit",
                };
                let what = format!("`{file}` is {what}, whose settings are changed as a text only");
                Err(Failure::failed(what).action(format!("aplomb edit {}", quoted(&self.service))))
            }
        }
    }

    /// Puts a checked text in its place and has a running engine take it in.
    pub(crate) fn put(&self, text: &str, context: &mut Context) -> Result<(), Failure> {
        files::replace(&self.file, text)?;
        if self.known == Known::ByEngine {
            take_in(&self.file, context)?;
        }
        Ok(())
    }
}

/// Has the engine read a file again.
pub(crate) fn take_in(file: &Path, context: &mut Context) -> Result<(), Failure> {
    let ask = Ask::Load {
        files: files::to_load(&[file.to_owned()])?,
        lenient: false,
        start: false,
    };
    let Answer::Loaded { remarks, .. } = context.connect()?.ask(ask)? else {
        return Err(unexpected("load"));
    };
    for remark in remarks {
        context.ui.note(&remark);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_definition_is_found_by_its_service_and_a_slip_is_recognised() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("front.toml");
        let text = "[service.web]\ncommand = [\"/bin/true\"]\ninstances = 2\n";
        std::fs::write(&file, text).expect("written");
        let found = installed("web", home.path()).expect("found");
        assert_eq!((found.service.as_str(), found.file), ("web", file));
        let failure = installed("frontt", home.path()).expect_err("unknown");
        assert_eq!(failure.exit, Exit::Unknown);
        assert_eq!(failure.action.as_deref(), Some("did you mean `front`?"));
    }
}
