//! `aplomb get`: one setting as it stands in the text of a definition.

use aplomb_units::toml::edit;
use clap::Args;
use serde_json::json;

use super::Context;
use crate::definition::Where;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::ui::Form;

/// Print one setting of a service as its file has it
///
/// Where nothing is said the default holds (see `aplomb show NAME --defaults`), and nothing is printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb get web command
  aplomb get web restart.delay")]
pub(crate) struct Get {
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
    /// The key, with a dot before a key within a table
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    place: Where,
}

impl Get {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let definition = self.place.find(&self.name, context)?;
        let source = definition.toml()?;
        let got = edit::get(&source, &definition.service, &self.key);
        let value = got.map_err(|fault| files::faulty(&source, fault))?;
        match (context.ui.form, value) {
            (Form::Json, value) => context.ui.answer_json(&json!({ "toml": value }))?,
            (Form::People, Some(value)) => context.ui.answer(&value)?,
            (Form::People, None) => {}
        }
        Ok(Exit::Done)
    }
}
