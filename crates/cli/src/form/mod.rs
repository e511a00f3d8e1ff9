//! The form: a definition on one screen, with the tabs NSSM's window has, for those who would rather fill in than write.
//!
//! Pure in the middle: `state.rs` is told keys and answers what is to be done, `draw.rs` puts a state on a screen of cells;
//! `screen.rs` alone touches the terminal. Every change goes through the functions that keep comments and order of the
//! file (`toml::edit`), so that what the form saves is the author's text with one value changed.

mod draw;
mod line;
mod screen;
mod state;
mod tabs;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;

use aplomb_units::Source;

use crate::failure::Failure;

pub(crate) use state::{Form, Purpose};

/// Whether somebody sits at a terminal who could fill in a form.
pub(crate) fn is_possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Has the definition of `service` filled in; the new text if it was saved and differs.
pub(crate) fn fill_in(source: Source, service: &str) -> Result<Option<String>, Failure> {
    let before = source.text.clone();
    let form = Form::new(source, service, Purpose::Change, tabs::System::current());
    let saved = screen::show(form)?;
    Ok(saved
        .map(|form| form.text().to_owned())
        .filter(|text| *text != before))
}

/// Has a new service filled in: its name and its text, if it was saved.
pub(crate) fn fill_in_new(directory: &str) -> Result<Option<(String, String)>, Failure> {
    let mut source = Source::new("a new service", state::BLANK);
    directory.clone_into(&mut source.directory);
    let system = tabs::System::current();
    let form = Form::new(source, state::PLACEHOLDER, Purpose::New, system);
    let saved = screen::show(form)?;
    Ok(saved.map(|form| form.named()))
}
