//! Looking at processes: names, parents, command lines, what they use. Changes nothing.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::time::Duration;

use windows_sys::Wdk::System::Threading::{
    NtQueryInformationProcess, ProcessCommandLineInformation,
};
use windows_sys::Win32::Foundation::{FILETIME, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS_EX,
};
use windows_sys::Win32::System::SystemInformation::GetSystemTimeAsFileTime;
use windows_sys::Win32::System::Threading::{
    GetProcessHandleCount, GetProcessTimes, QueryFullProcessImageNameW,
};

use super::{done, size_of};

/// A row of the system's list of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub pid: u32,
    /// Who begot it; that number may be somebody else's by now.
    pub parent: u32,
    pub threads: u32,
    /// The file's name, without its directory.
    pub name: String,
}

/// Every process there is.
pub(crate) fn rows() -> io::Result<Vec<Row>> {
    // SAFETY: no pointer is passed.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
    if snapshot == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, valid, owned by nobody else.
    let snapshot = unsafe { OwnedHandle::from_raw_handle(snapshot) };
    let mut entry = PROCESSENTRY32W {
        dwSize: size_of::<PROCESSENTRY32W>(),
        ..PROCESSENTRY32W::default()
    };
    let mut rows = Vec::new();
    // SAFETY: the snapshot is open, the entry of the size it says.
    let mut more = unsafe { Process32FirstW(snapshot.as_raw_handle(), &raw mut entry) };
    while more != 0 {
        let name = entry.szExeFile;
        let length = name.iter().position(|unit| *unit == 0);
        rows.push(Row {
            pid: entry.th32ProcessID,
            parent: entry.th32ParentProcessID,
            threads: entry.cntThreads,
            name: String::from_utf16_lossy(&name[..length.unwrap_or(name.len())]),
        });
        // SAFETY: as above.
        more = unsafe { Process32NextW(snapshot.as_raw_handle(), &raw mut entry) };
    }
    Ok(rows)
}

/// The path of the file a process executes.
pub(crate) fn image(process: &OwnedHandle) -> io::Result<String> {
    let mut room = vec![0_u16; 1024];
    let mut length = 1024;
    let process = process.as_raw_handle();
    // SAFETY: the room has as many units as we say.
    let answer =
        unsafe { QueryFullProcessImageNameW(process, 0, room.as_mut_ptr(), &raw mut length) };
    done(answer)?;
    room.truncate(length as usize);
    Ok(String::from_utf16_lossy(&room))
}

/// The command line of a process; an error where this system does not tell.
pub(crate) fn command_line(process: &OwnedHandle) -> io::Result<String> {
    /// Length and address of the text, before the text itself.
    const HEAD: usize = 16;
    const LONGEST: usize = 64 << 10;
    let mut room = vec![0_u16; LONGEST];
    let mut used = 0;
    // SAFETY: the room is ours and of the size told.
    let status = unsafe {
        NtQueryInformationProcess(
            process.as_raw_handle(),
            ProcessCommandLineInformation,
            room.as_mut_ptr().cast(),
            u32::try_from(LONGEST * 2).unwrap_or(u32::MAX),
            &raw mut used,
        )
    };
    if status < 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let units = usize::from(room[0]) / 2;
    let text = room.iter().skip(HEAD / 2).take(units).copied();
    Ok(String::from_utf16_lossy(&text.collect::<Vec<_>>()))
}

/// Bytes of memory a process has been promised and shares with nobody; those it has where the system does not tell.
pub(crate) fn memory(process: &OwnedHandle) -> Option<u64> {
    let mut told = PROCESS_MEMORY_COUNTERS_EX::default();
    let length = size_of::<PROCESS_MEMORY_COUNTERS_EX>();
    let pointer = (&raw mut told).cast();
    // SAFETY: the structure is of the size told.
    let answer = unsafe { K32GetProcessMemoryInfo(process.as_raw_handle(), pointer, length) };
    let promised = told.PrivateUsage.max(told.PagefileUsage);
    let bytes = if promised == 0 {
        told.WorkingSetSize
    } else {
        promised
    };
    (answer != 0).then_some(bytes as u64)
}

/// How long a process has been alive.
pub(crate) fn age(process: &OwnedHandle) -> io::Result<Duration> {
    let (mut born, mut end) = (FILETIME::default(), FILETIME::default());
    let (mut kernel, mut user) = (FILETIME::default(), FILETIME::default());
    // SAFETY: an open handle; four times are written where we point.
    let answer = unsafe {
        GetProcessTimes(
            process.as_raw_handle(),
            &raw mut born,
            &raw mut end,
            &raw mut kernel,
            &raw mut user,
        )
    };
    done(answer)?;
    let mut now = FILETIME::default();
    // SAFETY: written where we point.
    unsafe { GetSystemTimeAsFileTime(&raw mut now) };
    let ticks =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    let age = ticks(now).saturating_sub(ticks(born));
    Ok(Duration::from_nanos(age.saturating_mul(100)))
}

/// Handles a process has open; `None` where this system does not tell.
pub(crate) fn handles(process: &OwnedHandle) -> Option<u64> {
    let mut count = 0;
    // SAFETY: an open handle; the number is written where we point.
    let answer = unsafe { GetProcessHandleCount(process.as_raw_handle(), &raw mut count) };
    (answer != 0 && count > 0).then_some(u64::from(count))
}

/// Wine's mark in the system's own library; what it cannot show is known by it.
pub(crate) fn is_wine() -> bool {
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
    let Ok(name) = super::wide("ntdll.dll") else {
        return false;
    };
    // SAFETY: terminated text; the library is always there and never let go of.
    let library = unsafe { GetModuleHandleW(name.as_ptr()) };
    if library.is_null() {
        return false;
    }
    // SAFETY: an open library and terminated text.
    unsafe { GetProcAddress(library, c"wine_get_version".as_ptr().cast()) }.is_some()
}
