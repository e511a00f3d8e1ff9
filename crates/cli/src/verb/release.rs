//! `aplomb release`: undoes `aplomb adopt`.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::adoption::release;
use crate::failure::{Exit, Failure};
use crate::host::scm;
use crate::ui::Form;

/// Give adopted services back to who hosted them (Windows)
///
/// The service manager starts NSSM, or srvany, again, with the shutdown time and the recovery actions there were. In
/// force from the next start of each service.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb release web")]
pub(crate) struct Release {
    /// The services
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Release {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut system = scm::open()?;
        let mut released = Vec::new();
        for name in &self.names {
            let image = release(&mut system, name)?;
            if context.ui.form == Form::People {
                context
                    .ui
                    .answer(&format!("{name}: hosted by `{image}` again"))?;
            }
            released.push(json!({ "service": name, "image": image }));
        }
        if context.ui.form == Form::Json {
            context.ui.answer_json(&released)?;
        }
        Ok(Exit::Done)
    }
}
