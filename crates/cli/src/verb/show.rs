//! `aplomb show`: the definition in force, as the engine understood it.

use aplomb_protocol::{Answer, Ask};
use clap::Args;

use super::{Context, with_nearest};
use crate::client::unexpected;
use crate::failure::{Exit, Failure};
use crate::ui::Form;

/// Show the definition of a service as TOML
///
/// What the engine has in force, whatever dialect it was written in.
#[derive(Debug, Args)]
#[command(
    visible_alias = "dump",
    after_help = "\
Examples:
  aplomb show web
  aplomb show web --defaults       every setting there is
  aplomb show web > web.toml       the same service for another machine"
)]
pub(crate) struct Show {
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
    /// Every setting, with its default where nothing was said
    #[arg(long)]
    defaults: bool,
}

impl Show {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut client = context.connect()?;
        let ask = Ask::Show {
            name: self.name.clone(),
            defaults: self.defaults,
        };
        let answer = client
            .ask(ask)
            .map_err(|failure| with_nearest(&mut client, failure, &[self.name]))?;
        let Answer::Text { text } = answer else {
            return Err(unexpected("show"));
        };
        match context.ui.form {
            Form::People => context.ui.answer(&text)?,
            Form::Json => context
                .ui
                .answer_json(&serde_json::json!({ "toml": text }))?,
        }
        Ok(Exit::Done)
    }
}
