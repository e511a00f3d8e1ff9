//! What is neither a service nor the registry: messages, processes, rights, processors.

use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{CloseHandle, FILETIME, HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::{
    AllocateAndInitializeSid, CheckTokenMembership, FreeSid, PSID, SECURITY_NT_AUTHORITY,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    FORMAT_MESSAGE_FROM_SYSTEM, FORMAT_MESSAGE_IGNORE_INSERTS, FormatMessageW,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::SystemServices::{
    DOMAIN_ALIAS_RID_ADMINS, SECURITY_BUILTIN_DOMAIN_RID,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessAffinityMask, GetProcessTimes, OpenProcess,
    PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};
use windows_sys::Win32::UI::Shell::{SHELLEXECUTEINFOW, ShellExecuteExW};
use windows_sys::Win32::UI::WindowsAndMessaging::SW_SHOW;

use super::super::{Process, Refused};
use super::{done, last, narrow, wide};

/// Longest message, and longest path, in UTF-16 units.
const LONGEST: usize = 32_768;

/// A kernel object, closed when dropped.
struct Object(HANDLE);

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and closed once, here.
        unsafe { CloseHandle(self.0) };
    }
}

/// The system's words for an error, with the line end it gives them.
pub(in super::super) fn message(code: u32) -> String {
    let mut buffer = vec![0u16; LONGEST];
    // SAFETY: the buffer is ours and as large as said; no inserts are asked for, so that no arguments are read.
    let length = unsafe {
        FormatMessageW(
            FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
            null(),
            code,
            0,
            buffer.as_mut_ptr(),
            LONGEST as u32,
            null(),
        )
    };
    match length {
        0 => format!("system error {code}"),
        length => narrow(&buffer[..length as usize]),
    }
}

/// Every process of the machine with its path and its birth.
pub(in super::super) fn processes() -> Result<Vec<Process>, Refused> {
    // SAFETY: no rule to keep; the result is looked at.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return Err(last("CreateToolhelp32Snapshot"));
    }
    let snapshot = Object(snapshot);
    let mut entry = PROCESSENTRY32W {
        dwSize: size_of::<PROCESSENTRY32W>() as u32,
        ..PROCESSENTRY32W::default()
    };
    let mut found = Vec::new();
    // SAFETY: the snapshot is open, the entry has its size written in it.
    let mut more = unsafe { Process32FirstW(snapshot.0, &mut entry) };
    while more != 0 {
        let (created, image) = details(entry.th32ProcessID);
        found.push(Process {
            pid: entry.th32ProcessID,
            parent: entry.th32ParentProcessID,
            created,
            image,
        });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.0, &mut entry) };
    }
    Ok(found)
}

/// When a process was born and what it runs, as far as we may know.
fn details(pid: u32) -> (u64, String) {
    let unknown = || "???".to_owned();
    // SAFETY: no rule to keep; the result is looked at.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if process.is_null() {
        return (0, unknown());
    }
    let process = Object(process);
    let mut times = [FILETIME::default(); 4];
    let [created, ended, kernel, user] = &mut times;
    // SAFETY: the process is open for asking, the four places are ours.
    let timed = unsafe { GetProcessTimes(process.0, created, ended, kernel, user) };
    let birth = match timed {
        0 => 0,
        _ => u64::from(created.dwHighDateTime) << 32 | u64::from(created.dwLowDateTime),
    };
    let mut buffer = vec![0u16; LONGEST];
    let mut size = LONGEST as u32;
    // SAFETY: the process is open for asking, the buffer holds `size` units.
    let named = unsafe { QueryFullProcessImageNameW(process.0, 0, buffer.as_mut_ptr(), &mut size) };
    let image = match named {
        0 => unknown(),
        _ => narrow(&buffer[..size as usize]),
    };
    (birth, image)
}

/// The processors this process may use, as bits; all where the system does not tell.
pub(in super::super) fn processors() -> u64 {
    let (mut ours, mut all) = (0, 0);
    // SAFETY: no rule to keep.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: the handle stands for this process, both places are ours.
    let told = unsafe { GetProcessAffinityMask(process, &mut ours, &mut all) };
    match told {
        0 => u64::MAX,
        _ => all as u64,
    }
}

/// Whether this process has an administrator's rights now, not only could have.
pub(in super::super) fn is_administrator() -> bool {
    let mut group: PSID = null_mut();
    // SAFETY: two parts are announced and given, the place for the result is ours.
    let made = unsafe {
        AllocateAndInitializeSid(
            &SECURITY_NT_AUTHORITY,
            2,
            SECURITY_BUILTIN_DOMAIN_RID as u32,
            DOMAIN_ALIAS_RID_ADMINS as u32,
            0,
            0,
            0,
            0,
            0,
            0,
            &mut group,
        )
    };
    if made == 0 {
        return false;
    }
    let mut member = 0;
    // SAFETY: null stands for this thread's token, the group was just made.
    let told = unsafe { CheckTokenMembership(null_mut(), group, &mut member) };
    // SAFETY: the group is ours and freed once.
    unsafe { FreeSid(group) };
    told != 0 && member != 0
}

/// Starts `program` with these arguments and an administrator's rights, if the user agrees. Returns at once.
pub(in super::super) fn elevate(program: &str, arguments: &str) -> Result<(), Refused> {
    let (verb, program, arguments) = (wide("runas"), wide(program), wide(arguments));
    let mut info = SHELLEXECUTEINFOW {
        cbSize: size_of::<SHELLEXECUTEINFOW>() as u32,
        lpVerb: verb.as_ptr(),
        lpFile: program.as_ptr(),
        lpParameters: arguments.as_ptr(),
        nShow: SW_SHOW,
        ..SHELLEXECUTEINFOW::default()
    };
    // SAFETY: the structure has its size written in it; the texts end with zeros and outlive the call.
    done("ShellExecuteEx", unsafe { ShellExecuteExW(&mut info) })
}
