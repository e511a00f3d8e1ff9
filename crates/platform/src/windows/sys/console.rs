//! Consoles: hearing what ours says, and speaking into those of others.
//!
//! A process has one console at most, and all its threads share it. So speaking into another's console is only for a
//! process made for that (see [`crate::windows::request`]); the engine itself never changes consoles.

use std::io;
use std::sync::OnceLock;

use windows_sys::Win32::System::Console::{
    AttachConsole, CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT,
    CTRL_SHUTDOWN_EVENT, FreeConsole, GenerateConsoleCtrlEvent, GetConsoleProcessList,
    SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

use super::done;
use super::port::{Packet, Poster};

/// What a console says to those in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    CtrlC,
    CtrlBreak,
    /// The window is being closed: the process is ended a few seconds later.
    Close,
    /// A user logs off. Services hear it of every user.
    Logoff,
    /// The system goes down: the process is ended a few seconds later.
    Shutdown,
}

const SAID: [(u32, Said); 5] = [
    (CTRL_C_EVENT, Said::CtrlC),
    (CTRL_BREAK_EVENT, Said::CtrlBreak),
    (CTRL_CLOSE_EVENT, Said::Close),
    (CTRL_LOGOFF_EVENT, Said::Logoff),
    (CTRL_SHUTDOWN_EVENT, Said::Shutdown),
];

/// Where it is posted, and under which key.
static LISTENER: OnceLock<(Poster, usize)> = OnceLock::new();

/// What our own console says is posted from now on, with the event's number as the amount.
pub(crate) fn listen(poster: Poster, key: usize) -> io::Result<()> {
    if LISTENER.set((poster, key)).is_err() {
        let why = "this process has a platform already";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    // SAFETY: the handler is a function of the type asked for and lives as long as the program.
    done(unsafe { SetConsoleCtrlHandler(Some(on_event), 1) })
}

/// Who may have inherited deafness to Ctrl+C hears it again, and so do its children.
pub(crate) fn hear_ctrl_c() {
    // SAFETY: no pointer; without a console it does nothing.
    unsafe { SetConsoleCtrlHandler(None, 0) };
}

/// What a posted number means.
pub(crate) fn said(number: u32) -> Option<Said> {
    let row = SAID.iter().find(|(known, _)| *known == number)?;
    Some(row.1)
}

/// Runs on a thread the system makes for it.
unsafe extern "system" fn on_event(number: u32) -> BOOL {
    let Some((poster, key)) = LISTENER.get() else {
        return 0;
    };
    let posted = poster.post(Packet {
        key: *key,
        operation: 0,
        amount: number,
    });
    if posted.is_err() {
        return 0;
    }
    match number {
        // To return from these is to be ended at once; the shutdown under way ends the process.
        CTRL_CLOSE_EVENT | CTRL_SHUTDOWN_EVENT => loop {
            std::thread::park();
        },
        _ => 1,
    }
}

/// Joins the console of another process. Refused for one that has none, or while we have one.
pub(crate) fn attach(pid: u32) -> io::Result<()> {
    // SAFETY: no pointer is passed.
    done(unsafe { AttachConsole(pid) })
}

pub(crate) fn leave() {
    // SAFETY: no pointer; without a console it does nothing.
    unsafe { FreeConsole() };
}

/// What we say into a console is not meant for us.
pub(crate) fn ignore_events() -> io::Result<()> {
    // SAFETY: the handler lives as long as the program.
    done(unsafe { SetConsoleCtrlHandler(Some(ignore), 1) })?;
    // SAFETY: no handler: Ctrl+C is ignored.
    done(unsafe { SetConsoleCtrlHandler(None, 1) })
}

unsafe extern "system" fn ignore(_: u32) -> BOOL {
    1
}

/// Says Ctrl+C or Ctrl+Break to all in the console we have joined.
pub(crate) fn say(what: Said) -> io::Result<()> {
    let number = SAID.iter().find(|(_, said)| *said == what);
    let number = number.map_or(CTRL_C_EVENT, |(number, _)| *number);
    // SAFETY: no pointer; group 0 means everybody in the console.
    done(unsafe { GenerateConsoleCtrlEvent(number, 0) })
}

/// The numbers of all in the console we have joined, ours among them.
pub(crate) fn members() -> Vec<u32> {
    let mut room = vec![0; 64];
    loop {
        let length = u32::try_from(room.len()).unwrap_or(u32::MAX);
        // SAFETY: the room has as many places as we say.
        let count = unsafe { GetConsoleProcessList(room.as_mut_ptr(), length) } as usize;
        if count <= room.len() {
            room.truncate(count);
            return room;
        }
        room.resize(count + 16, 0);
    }
}
