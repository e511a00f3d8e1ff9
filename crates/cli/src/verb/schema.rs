//! `aplomb schema`: the TOML dialect as JSON Schema, for editors.

use aplomb_units::toml;
use clap::Args;

use super::Context;
use crate::failure::{Exit, Failure};

/// Print a JSON Schema of the TOML dialect, for editors
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb schema > aplomb.schema.json
  and then, as the first line of shop.toml:
  #:schema ./aplomb.schema.json")]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        context.ui.answer_pretty(&toml::schema())?;
        Ok(Exit::Done)
    }
}
