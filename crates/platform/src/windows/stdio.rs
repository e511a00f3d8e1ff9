//! The three standard handles a program is born with.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsRawHandle, OwnedHandle};

use aplomb_core::spec::Stdin;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE,
};

use super::pump::Writers;
use super::sys::birth::{inheritable, own_standard};
use crate::{Output, SpawnError, Step};

const INPUT: usize = 0;

/// Which of our own streams stands for one of a program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Output,
    Errors,
}

pub(crate) fn input(wanted: &Stdin) -> Result<OwnedHandle, SpawnError> {
    let handle = match wanted {
        Stdin::Null => null(),
        Stdin::File(path) => File::open(path).and_then(own),
        Stdin::Text(bytes) => text(bytes),
        Stdin::Inherit => lent(INPUT),
    };
    handle.map_err(|source| SpawnError::Setup {
        step: Step::Stdin,
        source,
    })
}

/// A handle for one output stream; `None`: the same as standard output.
pub(crate) fn output(
    wanted: Output,
    which: Which,
    writers: &Writers,
) -> Result<Option<OwnedHandle>, SpawnError> {
    let handle = match wanted {
        Output::SameAsStdout if which == Which::Errors => return Ok(None),
        Output::Null | Output::SameAsStdout => null(),
        Output::Inherit => lent(match which {
            Which::Output => 1,
            Which::Errors => 2,
        }),
        Output::Pump(stream) => {
            let writers = writers.borrow();
            let missing = || io::Error::new(io::ErrorKind::NotFound, "no such stream");
            let writer = writers.get(&stream).ok_or_else(missing);
            writer.and_then(|writer| inheritable(writer.as_raw_handle()))
        }
    };
    handle.map(Some).map_err(|source| SpawnError::Setup {
        step: Step::Stdout,
        source,
    })
}

/// Whether our own output can be handed to programs: a console's cannot, since each has a console of its own, and what
/// it wrote into ours would be lost.
pub(crate) fn lends_output() -> bool {
    use std::io::IsTerminal;
    !io::stdout().is_terminal() && !io::stderr().is_terminal()
}

fn null() -> io::Result<OwnedHandle> {
    let null = OpenOptions::new().read(true).write(true).open("NUL")?;
    own(null)
}

fn own(file: File) -> io::Result<OwnedHandle> {
    inheritable(file.as_raw_handle())
}

/// One of our own; nothing at all where we have none.
fn lent(which: usize) -> io::Result<OwnedHandle> {
    match own_standard(which) {
        Some(handle) => inheritable(handle).or_else(|_| null()),
        None => null(),
    }
}

/// The text in a file that is gone when the program has closed it.
fn text(bytes: &[u8]) -> io::Result<OwnedHandle> {
    let name = super::unique_name("input");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
        .open(std::env::temp_dir().join(name))?;
    file.write_all(bytes)?;
    file.rewind()?;
    own(file)
}
