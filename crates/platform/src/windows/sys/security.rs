//! Who may: security descriptors from their text (SDDL), and our own identity for it.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, GetSecurityInfo,
    SDDL_REVISION_1, SE_OBJECT_TYPE,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID,
    SECURITY_ATTRIBUTES, TOKEN_ELEVATION, TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::{done, size_of, wide};

/// A security descriptor.
#[derive(Debug)]
pub(crate) struct Security {
    descriptor: PSECURITY_DESCRIPTOR,
}

impl Security {
    /// Ours, with full access for SYSTEM, administrators and ourselves; none for others.
    pub(crate) fn ours() -> io::Result<Security> {
        let own = own_sid()?;
        Security::parse(&format!(
            "O:{own}D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{own})"
        ))
    }

    /// As [`Security::ours`], and everybody who has logged on, services included, may write.
    pub(crate) fn others_may_write() -> io::Result<Security> {
        let own = own_sid()?;
        Security::parse(&format!(
            "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{own})(A;;GWFR;;;AU)"
        ))
    }

    /// From its text in the security descriptor definition language.
    pub(crate) fn parse(text: &str) -> io::Result<Security> {
        let text = wide(text)?;
        let mut descriptor = null_mut();
        // SAFETY: the text is terminated; the descriptor is written once and freed by our drop.
        let answer = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                null_mut(),
            )
        };
        done(answer)?;
        Ok(Security { descriptor })
    }

    /// For calls that make something; not handed on to children. Lives no longer than `self`.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>(),
            lpSecurityDescriptor: self.descriptor,
            bInheritHandle: 0,
        }
    }
}

impl Drop for Security {
    fn drop(&mut self) {
        // SAFETY: the system allocated it for us with LocalAlloc, as documented, and nobody else frees it.
        unsafe { LocalFree(self.descriptor) };
    }
}

fn own_token() -> io::Result<OwnedHandle> {
    // SAFETY: a constant that means ourselves; needs no closing.
    let own = unsafe { GetCurrentProcess() };
    let mut token: HANDLE = null_mut();
    // SAFETY: the handle is written where we point.
    done(unsafe { OpenProcessToken(own, TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: opened just now, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

/// The security identifier of the user we run as, `S-1-5-…`.
pub(crate) fn own_sid() -> io::Result<String> {
    let token = own_token()?;
    // A SID has at most 68 bytes; the words keep the structure aligned.
    let mut room = [0_u64; 24];
    let mut used = 0;
    // SAFETY: the room is ours and of the size told.
    let answer = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenUser,
            room.as_mut_ptr().cast(),
            size_of::<[u64; 24]>(),
            &raw mut used,
        )
    };
    done(answer)?;
    let user: *const TOKEN_USER = room.as_ptr().cast();
    // SAFETY: the call has filled a TOKEN_USER at the beginning of the room, which is aligned for it.
    let sid = unsafe { (*user).User.Sid };
    text_of(sid)
}

/// `S-1-5-…`
fn text_of(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: the SID lives in its caller's memory; the text is allocated by the call.
    done(unsafe { ConvertSidToStringSidW(sid, &raw mut text) })?;
    let words = take_text(text);
    // SAFETY: the system allocated it with LocalAlloc, as documented.
    unsafe { LocalFree(text.cast()) };
    Ok(words)
}

/// Whether something is ours, the administrators' or the system's; so that nobody else's pipe is taken for an engine's, and
/// nobody else's directory for ours.
pub(crate) fn is_trusted(handle: &OwnedHandle, kind: SE_OBJECT_TYPE) -> io::Result<bool> {
    const SYSTEM: &str = "S-1-5-18";
    const ADMINISTRATORS: &str = "S-1-5-32-544";
    let (mut owner, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: an open handle; the owner points into the descriptor, which is ours to free.
    let error = unsafe {
        GetSecurityInfo(
            handle.as_raw_handle(),
            kind,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut descriptor,
        )
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error.cast_signed()));
    }
    let descriptor = Security { descriptor };
    let sid = text_of(owner);
    drop(descriptor);
    let sid = sid?;
    Ok(sid == SYSTEM || sid == ADMINISTRATORS || sid == own_sid()?)
}

/// Whether this process has an administrator's full rights.
pub(crate) fn is_elevated() -> bool {
    let Ok(token) = own_token() else {
        return false;
    };
    let mut elevation = TOKEN_ELEVATION::default();
    let mut used = 0;
    // SAFETY: the structure is ours and of the size told.
    let answer = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenElevation,
            (&raw mut elevation).cast(),
            size_of::<TOKEN_ELEVATION>(),
            &raw mut used,
        )
    };
    answer != 0 && elevation.TokenIsElevated != 0
}

/// Copies terminated text.
pub(super) fn take_text(text: *const u16) -> String {
    let mut units = Vec::new();
    let mut at = text;
    loop {
        // SAFETY: the text is terminated and we stop at its zero.
        let unit = unsafe { at.read() };
        if unit == 0 {
            return String::from_utf16_lossy(&units);
        }
        units.push(unit);
        at = at.wrapping_add(1);
    }
}
