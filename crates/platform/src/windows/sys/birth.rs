//! The birth of a process: inside its job before its first instruction, with exactly the handles it is given.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE,
    SetHandleInformation,
};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DeleteProcThreadAttributeList,
    EXTENDED_STARTUPINFO_PRESENT, GetCurrentProcess, InitializeProcThreadAttributeList,
    LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_CREATION_FLAGS, PROCESS_INFORMATION,
    STARTF_USESHOWWINDOW, STARTF_USESTDHANDLES, STARTUPINFOEXW, UpdateProcThreadAttribute,
};

use super::job::Job;
use super::{done, size_of, wide};

/// A process about to be made, everything decided.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    /// The file to execute; `None`: the first word of the command line.
    pub program: Option<&'a str>,
    pub command_line: &'a str,
    /// As [`crate::windows::environment`] writes it; `None`: our own.
    pub environment: Option<&'a [u16]>,
    pub directory: Option<&'a str>,
    /// Input, output, errors; each a handle that may be inherited.
    pub standard: Option<[RawHandle; 3]>,
    /// What else it inherits.
    pub inherited: &'a [RawHandle],
    /// The C runtime's table of descriptors.
    pub descriptors: &'a [u8],
    pub job: Option<&'a Job>,
    pub flags: PROCESS_CREATION_FLAGS,
}

/// A process just made.
#[derive(Debug)]
pub(crate) struct Newborn {
    pub process: OwnedHandle,
    pub pid: u32,
}

impl Birth<'_> {
    pub(crate) fn bear(&self) -> io::Result<Newborn> {
        let program = self.program.map(wide).transpose()?;
        let mut command_line = wide(self.command_line)?;
        let directory = self.directory.map(wide).transpose()?;
        let mut handles = self.inherited.to_vec();
        handles.extend(self.standard.into_iter().flatten());
        handles.sort_unstable();
        handles.dedup();
        let job = self.job.map(|job| [job.raw()]);
        let mut attributes = Attributes::new()?;
        if !handles.is_empty() {
            attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &handles)?;
        }
        if let Some(job) = &job {
            attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, job)?;
        }
        let mut start = STARTUPINFOEXW::default();
        start.StartupInfo.cb = size_of::<STARTUPINFOEXW>();
        // Windows it opens come up as it likes, not as we were asked to show ours.
        start.StartupInfo.dwFlags = STARTF_USESHOWWINDOW;
        start.StartupInfo.wShowWindow = 1;
        start.lpAttributeList = attributes.list();
        if let Some([input, output, errors]) = self.standard {
            start.StartupInfo.dwFlags |= STARTF_USESTDHANDLES;
            start.StartupInfo.hStdInput = input;
            start.StartupInfo.hStdOutput = output;
            start.StartupInfo.hStdError = errors;
        }
        if !self.descriptors.is_empty() {
            start.StartupInfo.cbReserved2 = u16::try_from(self.descriptors.len()).unwrap_or(0);
            start.StartupInfo.lpReserved2 = self.descriptors.as_ptr().cast_mut();
        }
        let mut born = PROCESS_INFORMATION::default();
        // SAFETY: every pointer is null or to terminated text, a block or a structure that lives until the call has
        // returned; the command line is ours to be written to; the structure is an extended one, as the flag says.
        let answer = unsafe {
            CreateProcessW(
                program.as_ref().map_or(null(), |text| text.as_ptr()),
                command_line.as_mut_ptr(),
                null(),
                null(),
                i32::from(!handles.is_empty()),
                self.flags | EXTENDED_STARTUPINFO_PRESENT | CREATE_UNICODE_ENVIRONMENT,
                self.environment
                    .map_or(null(), |block| block.as_ptr().cast()),
                directory.as_ref().map_or(null(), |text| text.as_ptr()),
                (&raw const start).cast(),
                &raw mut born,
            )
        };
        done(answer)?;
        // SAFETY: made by the call, owned by nobody else.
        let process = unsafe { OwnedHandle::from_raw_handle(born.hProcess) };
        // SAFETY: as above; nobody needs it.
        drop(unsafe { OwnedHandle::from_raw_handle(born.hThread) });
        Ok(Newborn {
            process,
            pid: born.dwProcessId,
        })
    }
}

/// What a new process is given beyond the plain call: room for two attributes.
#[derive(Debug)]
struct Attributes<'a> {
    /// Words, so that the list is aligned.
    room: Vec<u64>,
    /// The values are pointed to until the list is gone.
    values: std::marker::PhantomData<&'a [RawHandle]>,
}

const ATTRIBUTES: u32 = 2;

impl<'a> Attributes<'a> {
    fn new() -> io::Result<Attributes<'a>> {
        let mut bytes = 0;
        // SAFETY: without a list the call only tells the size, and says so by failing.
        unsafe { InitializeProcThreadAttributeList(null_mut(), ATTRIBUTES, 0, &raw mut bytes) };
        let mut room = vec![0_u64; bytes.div_ceil(8)];
        let list: LPPROC_THREAD_ATTRIBUTE_LIST = room.as_mut_ptr().cast();
        // SAFETY: the room has the size asked for.
        let answer =
            unsafe { InitializeProcThreadAttributeList(list, ATTRIBUTES, 0, &raw mut bytes) };
        done(answer)?;
        Ok(Attributes {
            room,
            values: std::marker::PhantomData,
        })
    }

    fn list(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.room.as_mut_ptr().cast()
    }

    fn set(&mut self, attribute: u32, handles: &'a [RawHandle]) -> io::Result<()> {
        let value: *const c_void = handles.as_ptr().cast();
        let list = self.list();
        // SAFETY: the list is initialized and has room for it; the handles outlive the list by its lifetime.
        let answer = unsafe {
            UpdateProcThreadAttribute(
                list,
                0,
                attribute as usize,
                value,
                size_of_val(handles),
                null_mut(),
                null(),
            )
        };
        done(answer)
    }
}

impl Drop for Attributes<'_> {
    fn drop(&mut self) {
        // SAFETY: initialized by `new`, used by nobody any more.
        unsafe { DeleteProcThreadAttributeList(self.list()) };
    }
}

/// A second handle to the same thing that children may inherit.
pub(crate) fn inheritable(handle: RawHandle) -> io::Result<OwnedHandle> {
    // SAFETY: a constant that means ourselves; needs no closing.
    let own = unsafe { GetCurrentProcess() };
    let mut copy: HANDLE = null_mut();
    // SAFETY: `handle` is an open one of ours, the copy is written where we point.
    let answer =
        unsafe { DuplicateHandle(own, handle, own, &raw mut copy, 0, 1, DUPLICATE_SAME_ACCESS) };
    done(answer)?;
    // SAFETY: made by the call, owned by nobody else.
    Ok(unsafe { OwnedHandle::from_raw_handle(copy) })
}

/// One of our own standard handles; `None` where we have none.
pub(crate) fn own_standard(which: usize) -> Option<RawHandle> {
    let which = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].get(which)?;
    // SAFETY: no pointer; the handle is not ours to close, and is not closed.
    let handle = unsafe { GetStdHandle(*which) };
    (!handle.is_null() && handle != INVALID_HANDLE_VALUE).then_some(handle)
}

/// Nobody inherits our own standard handles by accident.
pub(crate) fn keep_standard_handles() {
    for handle in (0..3).filter_map(own_standard) {
        // SAFETY: an open handle of ours. One that cannot be changed (an old console's) is inherited by nobody anyway.
        unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
    }
}
