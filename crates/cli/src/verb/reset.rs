//! `aplomb reset`: takes one setting out of the text of a definition, so that its default holds again.

use aplomb_units::toml::edit;
use clap::Args;

use super::Context;
use crate::definition::Where;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::ui::Form;

/// Take back one setting of a service, so that its default holds
///
/// In force from the next start.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb reset web restart.delay
  aplomb reset web env")]
pub(crate) struct Reset {
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
    /// The key, with a dot before a key within a table
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    place: Where,
}

impl Reset {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let definition = self.place.find(&self.name, context)?;
        let source = definition.toml()?;
        let changed = edit::reset(&source, &definition.service, &self.key);
        let text = changed.map_err(|fault| files::faulty(&source, fault))?;
        if text == source.text {
            if context.ui.form == Form::People {
                context.ui.note("nothing was said for that key");
            }
            return Ok(Exit::Done);
        }
        definition.put(&text, context)?;
        if context.ui.form == Form::People {
            let file = definition.file.display();
            context.ui.note(&format!("changed `{file}`"));
        }
        Ok(Exit::Done)
    }
}
