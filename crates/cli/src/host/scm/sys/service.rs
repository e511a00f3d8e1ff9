//! The manager and its services.

use std::mem;
use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Win32::System::Services::{
    ChangeServiceConfig2W, ChangeServiceConfigW, CloseServiceHandle, ControlService,
    CreateServiceW, DeleteService, ENUM_SERVICE_STATUS_PROCESSW, EnumServicesStatusExW,
    GetServiceDisplayNameW, GetServiceKeyNameW, OpenSCManagerW, OpenServiceW,
    QUERY_SERVICE_CONFIGW, QueryServiceConfig2W, QueryServiceConfigW, QueryServiceStatusEx,
    SC_ACTION, SC_ACTION_RESTART, SC_ENUM_PROCESS_INFO, SC_HANDLE, SC_STATUS_PROCESS_INFO,
    SERVICE_AUTO_START, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, SERVICE_CONFIG_DESCRIPTION,
    SERVICE_CONFIG_FAILURE_ACTIONS, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG,
    SERVICE_CONFIG_PRESHUTDOWN_INFO, SERVICE_CONFIG_SERVICE_SID_INFO,
    SERVICE_DELAYED_AUTO_START_INFO, SERVICE_DESCRIPTIONW, SERVICE_DRIVER, SERVICE_ERROR_NORMAL,
    SERVICE_FAILURE_ACTIONS_FLAG, SERVICE_FAILURE_ACTIONSW, SERVICE_NO_CHANGE,
    SERVICE_PRESHUTDOWN_INFO, SERVICE_SID_INFO, SERVICE_STATE_ALL, SERVICE_STATUS,
    SERVICE_STATUS_PROCESS, SERVICE_WIN32, SERVICE_WIN32_OWN_PROCESS, StartServiceW,
};

use super::super::{
    Change, Config, Extra, Listed, Recovery, Refused, Start, State, Status, Which, reason,
};
use super::{done, last, narrow, narrow_list, room, units, wide, wide_list};

/// Longest name of a service in UTF-16 units, with its zero.
const NAME_UNITS: usize = 257;

/// A handle of the manager, closed when dropped.
#[derive(Debug)]
struct Handle(SC_HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and closed once, here. What a failure would mean nobody can mend.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// The manager, opened.
#[derive(Debug)]
pub(in super::super) struct Manager(Handle);

/// A service, opened.
#[derive(Debug)]
pub(in super::super) struct Service(Handle);

impl Manager {
    /// Opened for `access`, the manager's own bits.
    pub(in super::super) fn open(access: u32) -> Result<Manager, Refused> {
        // SAFETY: null stands for this machine and for the active database.
        let handle = unsafe { OpenSCManagerW(null(), null(), access) };
        if handle.is_null() {
            return Err(last("OpenSCManager"));
        }
        Ok(Manager(Handle(handle)))
    }

    /// Opens a service by its key, for `access`.
    pub(in super::super) fn service(&self, name: &str, access: u32) -> Result<Service, Refused> {
        let name = wide(name);
        // SAFETY: the manager is open, the name ends with a zero.
        let handle = unsafe { OpenServiceW(self.0.0, name.as_ptr(), access) };
        if handle.is_null() {
            return Err(last("OpenService"));
        }
        Ok(Service(Handle(handle)))
    }

    pub(in super::super) fn create(&self, name: &str, image: &str) -> Result<(), Refused> {
        let (name, image) = (wide(name), wide(image));
        // SAFETY: the manager is open for creating, the texts end with zeros and outlive the call; null leaves group,
        // tag, dependencies, account and password at what the manager gives.
        let handle = unsafe {
            CreateServiceW(
                self.0.0,
                name.as_ptr(),
                name.as_ptr(),
                0,
                SERVICE_WIN32_OWN_PROCESS,
                SERVICE_AUTO_START,
                SERVICE_ERROR_NORMAL,
                image.as_ptr(),
                null(),
                null_mut(),
                null(),
                null(),
                null(),
            )
        };
        if handle.is_null() {
            return Err(last("CreateService"));
        }
        drop(Handle(handle));
        Ok(())
    }

    /// The name in the case its key has. The manager tells it only by way of the display name.
    pub(in super::super) fn canonical(&self, name: &str) -> Result<String, Refused> {
        let asked = wide(name);
        let mut display = [0; NAME_UNITS];
        let mut size = NAME_UNITS as u32 - 1;
        // SAFETY: the manager is open, the name ends with a zero, `size` is less than the room.
        let result = unsafe {
            GetServiceDisplayNameW(self.0.0, asked.as_ptr(), display.as_mut_ptr(), &mut size)
        };
        done("GetServiceDisplayName", result)?;
        let mut key = [0; NAME_UNITS];
        let mut size = NAME_UNITS as u32 - 1;
        // SAFETY: as above; the display name was just written and ends with a zero.
        let result =
            unsafe { GetServiceKeyNameW(self.0.0, display.as_ptr(), key.as_mut_ptr(), &mut size) };
        done("GetServiceKeyName", result)?;
        let found = narrow(&key);
        // Two services may show the same name; then the case given is as good as any.
        Ok(match found.eq_ignore_ascii_case(name) {
            true => found,
            false => name.to_owned(),
        })
    }

    pub(in super::super) fn list(&self, which: Which) -> Result<Vec<Listed>, Refused> {
        let kinds = match which {
            Which::Programs => SERVICE_WIN32,
            Which::All => SERVICE_WIN32 | SERVICE_DRIVER,
        };
        let mut listed = Vec::new();
        let mut resume = 0;
        let mut bytes = 0;
        loop {
            let mut buffer = room(bytes);
            let (mut needed, mut count) = (0, 0);
            // SAFETY: the manager is open for enumerating, the buffer holds `bytes` bytes, the numbers are ours.
            let result = unsafe {
                EnumServicesStatusExW(
                    self.0.0,
                    SC_ENUM_PROCESS_INFO,
                    kinds,
                    SERVICE_STATE_ALL,
                    buffer.as_mut_ptr().cast(),
                    bytes,
                    &mut needed,
                    &mut count,
                    &mut resume,
                    null(),
                )
            };
            let refused = (result == 0).then(|| last("EnumServicesStatus"));
            if let Some(refused) = refused
                && refused.code != reason::MORE_DATA
            {
                return Err(refused);
            }
            listed.extend(entries(&buffer, count));
            if refused.is_none() {
                return Ok(listed);
            }
            bytes = needed;
        }
    }
}

/// The entries at the front of the buffer, whose texts lie behind them.
fn entries(buffer: &[u64], count: u32) -> Vec<Listed> {
    let start: *const ENUM_SERVICE_STATUS_PROCESSW = buffer.as_ptr().cast();
    let end: *const u16 = buffer.as_ptr_range().end.cast();
    let mut listed = Vec::new();
    for at in 0..count as usize {
        // SAFETY: the system wrote `count` of these at the front of the buffer, which is aligned for them.
        let entry = unsafe { start.wrapping_add(at).read() };
        // SAFETY: both texts lie in the same buffer and end with zeros.
        let name = unsafe { units(entry.lpServiceName, end) };
        // SAFETY: as above.
        let display = unsafe { units(entry.lpDisplayName, end) };
        listed.push(Listed {
            name: narrow(&name),
            display: narrow(&display),
        });
    }
    listed
}

impl Service {
    pub(in super::super) fn delete(&self) -> Result<(), Refused> {
        // SAFETY: the service is open for deleting.
        done("DeleteService", unsafe { DeleteService(self.0.0) })
    }

    pub(in super::super) fn start(&self, args: &[String]) -> Result<(), Refused> {
        let args: Vec<Vec<u16>> = args.iter().map(|arg| wide(arg)).collect();
        let pointers: Vec<*const u16> = args.iter().map(|arg| arg.as_ptr()).collect();
        // SAFETY: the service is open for starting; the texts end with zeros and outlive the call.
        let result = unsafe { StartServiceW(self.0.0, pointers.len() as u32, pointers.as_ptr()) };
        done("StartService", result)
    }

    pub(in super::super) fn control(&self, control: u32) -> Result<Status, Refused> {
        let mut status = SERVICE_STATUS::default();
        // SAFETY: the service is open for this control, the structure is ours.
        let result = unsafe { ControlService(self.0.0, control, &mut status) };
        done("ControlService", result)?;
        Ok(Status {
            state: State::from_number(status.dwCurrentState),
            checkpoint: status.dwCheckPoint,
            wait_hint: status.dwWaitHint,
            pid: 0,
        })
    }

    pub(in super::super) fn status(&self) -> Result<Status, Refused> {
        let mut status = SERVICE_STATUS_PROCESS::default();
        let size = size_of::<SERVICE_STATUS_PROCESS>() as u32;
        let mut needed = 0;
        let to: *mut SERVICE_STATUS_PROCESS = &mut status;
        // SAFETY: the service is open for asking, the structure is ours and as large as said.
        let result = unsafe {
            QueryServiceStatusEx(
                self.0.0,
                SC_STATUS_PROCESS_INFO,
                to.cast(),
                size,
                &mut needed,
            )
        };
        done("QueryServiceStatusEx", result)?;
        Ok(Status {
            state: State::from_number(status.dwCurrentState),
            checkpoint: status.dwCheckPoint,
            wait_hint: status.dwWaitHint,
            pid: status.dwProcessId,
        })
    }

    /// The configuration, under the name it was asked by.
    pub(in super::super) fn config(&self, name: &str) -> Result<Config, Refused> {
        let mut needed = 0;
        // SAFETY: the service is open for asking; without room the system only says how much it needs.
        let result = unsafe { QueryServiceConfigW(self.0.0, null_mut(), 0, &mut needed) };
        if result == 0 && needed == 0 {
            return Err(last("QueryServiceConfig"));
        }
        let mut buffer = room(needed);
        let to: *mut QUERY_SERVICE_CONFIGW = buffer.as_mut_ptr().cast();
        // SAFETY: as above, with as much room as the system asked for.
        let result = unsafe { QueryServiceConfigW(self.0.0, to, needed, &mut needed) };
        done("QueryServiceConfig", result)?;
        // SAFETY: the system has just written one at the front of the buffer, which is aligned for it.
        let found = unsafe { to.read() };
        let end: *const u16 = buffer.as_ptr_range().end.cast();
        let text = |from: *mut u16| {
            // SAFETY: null, or a text inside the buffer, which ends with a zero.
            narrow(&unsafe { units(from, end) })
        };
        Ok(Config {
            name: name.to_owned(),
            kind: found.dwServiceType,
            start: Start::from_number(found.dwStartType),
            image: text(found.lpBinaryPathName),
            group: text(found.lpLoadOrderGroup),
            depends: depends(found.lpDependencies, end),
            account: text(found.lpServiceStartName),
            display: text(found.lpDisplayName),
        })
    }

    pub(in super::super) fn change(&self, change: &Change) -> Result<(), Refused> {
        let text = |said: &Option<String>| said.as_deref().map(wide);
        let (image, display) = (text(&change.image), text(&change.display));
        let (group, depends) = (
            text(&change.group),
            change.depends.as_deref().map(wide_list),
        );
        let account = change.account.as_ref().map(|logon| wide(&logon.account));
        let password = change
            .account
            .as_ref()
            .and_then(|logon| logon.password.as_deref())
            .map(wide);
        let pointer =
            |units: &Option<Vec<u16>>| units.as_ref().map_or(null(), |units| units.as_ptr());
        // SAFETY: the service is open for changing; every text is null or ends with a zero (a list with two) and
        // outlives the call.
        let result = unsafe {
            ChangeServiceConfigW(
                self.0.0,
                change.kind.unwrap_or(SERVICE_NO_CHANGE),
                change.start.map_or(SERVICE_NO_CHANGE, |start| start as u32),
                SERVICE_NO_CHANGE,
                pointer(&image),
                pointer(&group),
                null_mut(),
                pointer(&depends),
                pointer(&account),
                pointer(&password),
                pointer(&display),
            )
        };
        done("ChangeServiceConfig", result)
    }

    pub(in super::super) fn change_extra(&self, extra: &Extra) -> Result<(), Refused> {
        match extra {
            Extra::Description(text) => {
                let mut text = wide(text);
                let description = SERVICE_DESCRIPTIONW {
                    lpDescription: text.as_mut_ptr(),
                };
                self.change2(SERVICE_CONFIG_DESCRIPTION, &description)
            }
            Extra::DelayedStart(delayed) => {
                let info = SERVICE_DELAYED_AUTO_START_INFO {
                    fDelayedAutostart: i32::from(*delayed),
                };
                self.change2(SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &info)
            }
            Extra::FailureFlag(also) => {
                let flag = SERVICE_FAILURE_ACTIONS_FLAG {
                    fFailureActionsOnNonCrashFailures: i32::from(*also),
                };
                self.change2(SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &flag)
            }
            Extra::Recovery(recovery) => self.recover(recovery),
            Extra::Preshutdown(time) => {
                let info = SERVICE_PRESHUTDOWN_INFO {
                    dwPreshutdownTimeout: millis(*time),
                };
                self.change2(SERVICE_CONFIG_PRESHUTDOWN_INFO, &info)
            }
            Extra::ServiceSid(sid) => {
                let info = SERVICE_SID_INFO {
                    dwServiceSidType: *sid as u32,
                };
                self.change2(SERVICE_CONFIG_SERVICE_SID_INFO, &info)
            }
        }
    }

    fn recover(&self, recovery: &Recovery) -> Result<(), Refused> {
        let mut actions: Vec<SC_ACTION> = recovery
            .restarts
            .iter()
            .map(|delay| SC_ACTION {
                Type: SC_ACTION_RESTART,
                Delay: millis(*delay),
            })
            .collect();
        let info = SERVICE_FAILURE_ACTIONSW {
            dwResetPeriod: u32::try_from(recovery.reset_after.as_secs()).unwrap_or(u32::MAX),
            lpRebootMsg: null_mut(),
            lpCommand: null_mut(),
            cActions: actions.len() as u32,
            lpsaActions: actions.as_mut_ptr(),
        };
        self.change2(SERVICE_CONFIG_FAILURE_ACTIONS, &info)
    }

    /// `info` must be the structure that belongs to `level`; what it points to must live.
    fn change2<T>(&self, level: u32, info: &T) -> Result<(), Refused> {
        let info: *const T = info;
        // SAFETY: the service is open for changing; every caller above gives the structure of its level.
        let result = unsafe { ChangeServiceConfig2W(self.0.0, level, info.cast()) };
        done("ChangeServiceConfig2", result)
    }

    pub(in super::super) fn description(&self) -> Result<String, Refused> {
        let buffer = self.query2(SERVICE_CONFIG_DESCRIPTION)?;
        let from: *const SERVICE_DESCRIPTIONW = buffer.as_ptr().cast();
        // SAFETY: the system has just written one at the front of the buffer, which is aligned and large enough.
        let found = unsafe { from.read() };
        let end: *const u16 = buffer.as_ptr_range().end.cast();
        // SAFETY: null, or a text inside the buffer.
        Ok(narrow(&unsafe { units(found.lpDescription, end) }))
    }

    pub(in super::super) fn delayed_start(&self) -> Result<bool, Refused> {
        let buffer = self.query2(SERVICE_CONFIG_DELAYED_AUTO_START_INFO)?;
        let from: *const SERVICE_DELAYED_AUTO_START_INFO = buffer.as_ptr().cast();
        // SAFETY: as for the description.
        let found = unsafe { from.read() };
        Ok(found.fDelayedAutostart != 0)
    }

    /// What the system has at this level, at the front of room that holds at least 64 bytes.
    fn query2(&self, level: u32) -> Result<Vec<u64>, Refused> {
        let mut needed = 0;
        // SAFETY: the service is open for asking; without room the system only says how much it needs.
        let result = unsafe { QueryServiceConfig2W(self.0.0, level, null_mut(), 0, &mut needed) };
        if result == 0 && needed == 0 {
            return Err(last("QueryServiceConfig2"));
        }
        let bytes = needed.max(64);
        let mut buffer = room(bytes);
        // SAFETY: as above, with at least as much room as the system asked for.
        let result = unsafe {
            QueryServiceConfig2W(
                self.0.0,
                level,
                buffer.as_mut_ptr().cast(),
                bytes,
                &mut needed,
            )
        };
        done("QueryServiceConfig2", result)?;
        Ok(buffer)
    }
}

/// The names of a doubly ended list.
fn depends(from: *mut u16, end: *const u16) -> Vec<String> {
    let mut list = Vec::new();
    let mut at: *const u16 = from;
    loop {
        // SAFETY: null, or inside the buffer, which ends with `end`.
        let name = unsafe { units(at, end) };
        if name.is_empty() {
            break;
        }
        at = at.wrapping_add(name.len() + 1);
        list.extend(name);
        list.push(0);
    }
    narrow_list(&list)
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

const _: () = assert!(mem::align_of::<QUERY_SERVICE_CONFIGW>() <= mem::align_of::<u64>());
