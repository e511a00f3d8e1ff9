//! No keeper here: what a dead engine leaves is ended by the system, with the jobs that held it.

use std::path::Path;

use aplomb_engine::{Inheritance, StateDirectory, Succession};
use aplomb_platform::Native;

use crate::failure::Failure;
use crate::ui::Ui;

/// Which process this is.
pub(crate) enum Side {
    /// The engine's, with what it begins with.
    Engine(Box<Beginning>),
    /// As on systems with a keeper; never here.
    #[expect(dead_code, reason = "who hosts an engine knows both on every system")]
    Keeper(u8),
}

/// What an engine begins with.
pub(crate) struct Beginning {
    pub(crate) platform: Native,
    pub(crate) directory: Option<StateDirectory>,
    pub(crate) inheritance: Inheritance,
    /// Another engine lived in this place before.
    pub(crate) succeeds: bool,
}

/// No keeper asks anything.
pub(crate) fn asked(_ui: &mut Ui) -> Option<Result<u8, Failure>> {
    None
}

/// The engine begins with nothing but its state directory.
pub(crate) fn begin(state: Option<&Path>, _ui: &mut Ui) -> Result<Side, Failure> {
    let directory = state.map(StateDirectory::claim).transpose()?;
    let platform = Native::new().map_err(|why| {
        Failure::failed("cannot prepare this process for carrying services").because(why)
    })?;
    Ok(Side::Engine(Box::new(Beginning {
        platform,
        directory,
        inheritance: Succession::default().read(),
        succeeds: false,
    })))
}
