//! The keeper in front of the engine, and what an earlier engine left: both before this process has a second thread.

use std::path::Path;

use aplomb_engine::{FORMAT, Inheritance, StateDirectory, Storage, Succession};
use aplomb_platform::linux::Linux;
use aplomb_platform::linux::Means;
use aplomb_platform::linux::keeper::{Birth, Keeper, Kept, Why, answer};

use crate::failure::Failure;
use crate::ui::Ui;

/// Which process this is.
pub(crate) enum Side {
    /// The engine's, with what it begins with.
    Engine(Box<Beginning>),
    /// The keeper's, after its engine has ended in good order with this code.
    Keeper(u8),
}

/// What an engine begins with.
pub(crate) struct Beginning {
    pub(crate) platform: Linux,
    pub(crate) directory: Option<StateDirectory>,
    pub(crate) inheritance: Inheritance,
    /// Another engine lived in this place before.
    pub(crate) succeeds: bool,
}

/// Where a keeper wants to know whether this program can go on with what another has left: the answer, and no more is to
/// be done.
pub(crate) fn asked(ui: &mut Ui) -> Option<Result<u8, Failure>> {
    let format = aplomb_platform::linux::keeper::asked()?;
    if aplomb_engine::reads(format) {
        return Some(ui.answer(&answer(format)).map(|()| 0));
    }
    let words = format!("this program reads state of format {FORMAT}, not {format}");
    Some(Err(Failure::failed(words)))
}

/// Puts a keeper in front of the engine; returns in both. Where there cannot be one, the engine goes without, and says
/// so.
pub(crate) fn begin(state: Option<&Path>, ui: &mut Ui) -> Result<Side, Failure> {
    let mut directory = None;
    let kept = match Keeper::resumed(FORMAT) {
        Some(keeper) => {
            directory = state.map(StateDirectory::held_by_keeper);
            keeper.keep()
        }
        None => {
            let mut lock = None;
            if let Some(state) = state {
                let mut claimed = StateDirectory::claim(state)?;
                lock = claimed.take_lock().map(Into::into);
                directory = Some(claimed);
            }
            Keeper::new(lock, FORMAT).and_then(Keeper::keep)
        }
    };
    let birth = match kept {
        Ok(Kept::Ended(code)) => return Ok(Side::Keeper(code)),
        Ok(Kept::Engine(birth)) => Some(birth),
        Err(why) => {
            ui.note(&format!(
                "no keeper: {why}. If this engine dies, its services' output has no reader"
            ));
            None
        }
    };
    beginning(directory, birth).map(|beginning| Side::Engine(Box::new(beginning)))
}

fn beginning(
    directory: Option<StateDirectory>,
    birth: Option<Birth>,
) -> Result<Beginning, Failure> {
    let host = aplomb_platform::linux::host();
    let memory = birth.as_ref().and_then(|birth| birth.record().ok());
    let texts = birth.as_ref().and_then(|birth| birth.texts().ok());
    let predecessor = birth.as_ref().and_then(Birth::predecessor);
    let succession = Succession {
        storage: Storage {
            directory: directory
                .as_ref()
                .map(|directory| directory.path().to_owned()),
            memory,
        },
        texts,
        keeper: birth.as_ref().map(Birth::keeper),
        predecessor: predecessor.map(|one| (one.pid, why_words(one.why))),
        failed_upgrade: birth
            .as_ref()
            .and_then(|birth| birth.failed_upgrade().map(str::to_owned)),
        boot: host.boot,
        namespace: host.namespace,
    };
    let inheritance = succession.read();
    if let Some(birth) = birth.as_ref().filter(|birth| birth.predecessor().is_some()) {
        birth.close_all_but(&inheritance.descriptors());
    }
    let platform = Linux::born(Means::default(), birth, inheritance.platform());
    let platform = platform.map_err(|why| {
        Failure::failed("cannot prepare this process for carrying services").because(why)
    })?;
    Ok(Beginning {
        platform,
        directory,
        inheritance,
        succeeds: predecessor.is_some(),
    })
}

fn why_words(why: Why) -> String {
    match why {
        Why::Upgrade => "for an upgrade".to_owned(),
        Why::Died(end) => format!("which died: {end}"),
    }
}
