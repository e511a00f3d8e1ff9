//! Where the system keeps what belongs to all its users.

use windows_sys::Win32::UI::Shell::GetAllUsersProfileDirectoryW;

/// `C:\ProgramData`, as the system itself knows it; whatever the environment says.
pub(crate) fn of_all_users() -> Option<String> {
    let mut room = [0_u16; 512];
    let mut length = 512;
    // SAFETY: the room has as many units as we say.
    let answer = unsafe { GetAllUsersProfileDirectoryW(room.as_mut_ptr(), &raw mut length) };
    let end = room.iter().position(|unit| *unit == 0)?;
    (answer != 0).then(|| String::from_utf16_lossy(&room[..end]))
}
