//! `aplomb set`: changes one setting in the text of a definition, with everything around it left as it is.

use aplomb_units::toml::edit;
use clap::Args;

use super::Context;
use crate::definition::Where;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::ui::Form;

/// Change one setting of a service
///
/// Comments and order of the file stay. A change that would bring a fault is refused. In force from the next start.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb set web restart.delay 5s
  aplomb set web command '[\"web\", \"--port\", \"8080\"]'
  aplomb set web env.GREETING 'good morning'")]
pub(crate) struct Set {
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
    /// The key, with a dot before a key within a table
    #[arg(value_name = "KEY")]
    key: String,
    /// TOML where it is such and the key takes it, else a text
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    #[command(flatten)]
    place: Where,
}

impl Set {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let definition = self.place.find(&self.name, context)?;
        let source = definition.toml()?;
        let changed = edit::set(&source, &definition.service, &self.key, &self.value);
        let text = changed.map_err(|fault| files::faulty(&source, fault))?;
        definition.put(&text, context)?;
        if context.ui.form == Form::People {
            let file = definition.file.display();
            context.ui.note(&format!("changed `{file}`"));
        }
        Ok(Exit::Done)
    }
}
