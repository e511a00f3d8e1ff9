//! `aplomb remove`: a service is stopped and forgotten, and a definition that `install` made is deleted.

use std::fs;
use std::path::Path;

use aplomb_protocol::{Answer, Ask};
use aplomb_units::toml::edit;
use clap::Args;

use super::{Context, statuses};
use crate::client::{Client, unexpected};
use crate::definition::{Definition, Where};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::host::boot;
use crate::host::directories::Owner;
use crate::host::endpoint::EndpointError;
use crate::ui::Form;
use crate::watch;

/// Stop a service and forget it
///
/// A definition made by `aplomb install` is deleted; any other file is left as it is.
#[derive(Debug, Args)]
#[command(
    visible_alias = "uninstall",
    after_help = "\
Examples:
  aplomb remove web"
)]
pub(crate) struct Remove {
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
}

impl Remove {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let definition = Where::default().find(&self.name, context)?;
        match context.endpoint.connect() {
            Ok(stream) => {
                let mut client = Client::over(stream, &context.endpoint)?;
                unload(&mut client, &self.name)?;
            }
            Err(EndpointError::NobodyThere { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        boot::undo(&definition.service)?;
        let said = forget(&definition, &Owner::current().units())?;
        if context.ui.form == Form::People {
            context.ui.note(&said);
        }
        Ok(Exit::Done)
    }
}

/// Every instance of the service.
fn unload(client: &mut Client, name: &str) -> Result<(), Failure> {
    let services = statuses(client, &[name.to_owned()], false)?;
    let names = services.into_iter().map(|status| status.service).collect();
    match client.ask(Ask::Unload { names })? {
        Answer::Outcomes { outcomes } => watch::verdict(&outcomes).map(drop),
        Answer::Done => Ok(()),
        Answer::Hello { .. }
        | Answer::Loaded { .. }
        | Answer::Status { .. }
        | Answer::Text { .. } => Err(unexpected("unload")),
    }
}

/// Deletes a definition in the directory of installed ones; tells what was done.
fn forget(definition: &Definition, installed: &Path) -> Result<String, Failure> {
    let Definition { service, file, .. } = definition;
    let path = file.display();
    if file.parent() != Some(installed) {
        return Ok(format!(
            "`{service}` is forgotten; its definition stays in `{path}`"
        ));
    }
    let source = files::source(file)?;
    let services = files::check(vec![source.clone()], true).loaded;
    if services.iter().any(|one| one.spec.family() != service) {
        let rest = edit::remove(&source, service);
        let rest = rest.map_err(|fault| files::faulty(&source, fault))?;
        files::replace(file, &rest)?;
        return Ok(format!(
            "`{service}` is forgotten and taken out of `{path}`"
        ));
    }
    let what = || format!("cannot delete `{path}`");
    fs::remove_file(file).map_err(|error| Failure::failed(what()).because(error))?;
    Ok(format!("`{service}` is forgotten, and `{path}` deleted"))
}
