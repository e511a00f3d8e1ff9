//! Where the system keeps what belongs to all its users.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::OwnedHandle;

use windows_sys::Win32::Security::Authorization::SE_FILE_OBJECT;
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, READ_CONTROL,
};
use windows_sys::Win32::UI::Shell::GetAllUsersProfileDirectoryW;

use super::security::{self, Security};
use super::{done, wide};

/// `C:\ProgramData`, as the system itself knows it; whatever the environment says.
pub(crate) fn of_all_users() -> Option<String> {
    let mut room = [0_u16; 512];
    let mut length = 512;
    // SAFETY: the room has as many units as we say.
    let answer = unsafe { GetAllUsersProfileDirectoryW(room.as_mut_ptr(), &raw mut length) };
    let end = room.iter().position(|unit| *unit == 0)?;
    (answer != 0).then(|| String::from_utf16_lossy(&room[..end]))
}

/// A directory that only administrators and the system may enter, and all below it; made where it is missing.
///
/// Errors: `PermissionDenied` where somebody else made it, who could put anything there.
pub(crate) fn closed(path: &str) -> io::Result<()> {
    let security = Security::parse("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)")?;
    let attributes = security.attributes();
    let name = wide(path)?;
    // SAFETY: terminated text; the attributes live until the call has returned.
    let made = done(unsafe { CreateDirectoryW(name.as_ptr(), &raw const attributes) });
    match made {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // Itself, not what it may point to.
    let there: OwnedHandle = OpenOptions::new()
        .access_mode(READ_CONTROL)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?
        .into();
    if security::is_trusted(&there, SE_FILE_OBJECT)? {
        return Ok(());
    }
    let why = "another user made it, and could have put anything there";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}
