//! `aplomb edit`: a definition in a form, or in the operator's editor; checked before it replaces the one that is there.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aplomb_units::words::split;
use aplomb_units::{Dialect, Source};
use clap::Args;

use super::Context;
use crate::definition::{Definition, Where};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::form;
use crate::host::directories;
use crate::ui::Form;

/// Edit the definition of a service
///
/// In a form with a page for each kind of setting; comments and order of the file stay. With `--text`, without a
/// terminal, or where the definition is no TOML, in `$VISUAL`, `$EDITOR` or `vi` on a copy: it replaces the definition only if it
/// brings no new fault. In force from the next start.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb edit web
  EDITOR=nano aplomb edit --text web")]
pub(crate) struct Edit {
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
    /// The text in an editor, instead of the form
    #[arg(short, long)]
    text: bool,
    #[command(flatten)]
    place: Where,
}

impl Edit {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let definition = self.place.find(&self.name, context)?;
        let old = definition.source()?;
        if !self.text && old.dialect() == Dialect::Toml && form::is_possible() {
            let filled = form::fill_in(old, &definition.service)?;
            return finish(&definition, filled.as_deref(), context);
        }
        let copy = Copy::of(&old)?;
        open_editor(&copy.file)?;
        let text = fs::read_to_string(&copy.file);
        let text =
            text.map_err(|error| Failure::failed("cannot read the edited copy").because(error))?;
        if text == old.text {
            copy.remove();
            return finish(&definition, None, context);
        }
        let new = Source {
            text,
            ..old.clone()
        };
        files::refuse_worse(&old, &new, context.ui.aside).map_err(|failure| {
            let kept = copy.file.display();
            failure.action(format!("nothing was replaced; the edited copy is `{kept}`"))
        })?;
        finish(&definition, Some(&new.text), context)?;
        copy.remove();
        Ok(Exit::Done)
    }
}

/// Puts the text in its place, if there is a new one, and tells.
fn finish(
    definition: &Definition,
    text: Option<&str>,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let said = match text {
        Some(text) => {
            definition.put(text, context)?;
            format!("changed `{}`", definition.file.display())
        }
        None => "nothing was changed".to_owned(),
    };
    if context.ui.form == Form::People {
        context.ui.note(&said);
    }
    Ok(Exit::Done)
}

/// The copy somebody edits; kept where it holds work that would be lost.
#[derive(Debug)]
struct Copy {
    directory: PathBuf,
    file: PathBuf,
}

impl Copy {
    /// Under the same name, so that editors know the language.
    fn of(source: &Source) -> Result<Copy, Failure> {
        let made = directories::make_private("aplomb-edit").and_then(|directory| {
            let file = directory.join(source.file_name());
            fs::write(&file, &source.text)?;
            Ok(Copy { directory, file })
        });
        made.map_err(|error| Failure::failed("cannot make a copy to edit").because(error))
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn open_editor(file: &Path) -> Result<(), Failure> {
    let said = ["VISUAL", "EDITOR"].into_iter().find_map(|name| {
        let said = env::var(name).ok()?;
        (!said.trim().is_empty()).then_some(said)
    });
    let editor = said.unwrap_or_else(|| "vi".into());
    let cannot = || Failure::failed(format!("cannot run the editor `{editor}`"));
    let words = split(&editor).map_err(|_| cannot().because("its command line does not end"))?;
    let Some((program, args)) = words.split_first() else {
        return Err(cannot());
    };
    let status = Command::new(program).args(args).arg(file).status();
    let status = status.map_err(|error| {
        cannot()
            .because(error)
            .action("name one in the variable `EDITOR`")
    })?;
    if status.success() {
        return Ok(());
    }
    Err(cannot().because(format!("it ended with {status}; nothing was replaced")))
}
