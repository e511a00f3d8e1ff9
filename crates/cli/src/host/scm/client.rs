//! The real service control manager and the real registry.
//!
//! Every call opens what it needs with no more rights than it needs, and closes it: nothing is held between calls, so
//! that no console of ours keeps a deleted service from going.

use std::thread;
use std::time::Duration;

use aplomb_units::nssm::Value;
use aplomb_units::words::join_windows;
use windows_sys::Win32::System::Services::{
    SC_MANAGER_CONNECT, SC_MANAGER_CREATE_SERVICE, SC_MANAGER_ENUMERATE_SERVICE,
    SERVICE_CHANGE_CONFIG, SERVICE_PAUSE_CONTINUE, SERVICE_QUERY_CONFIG, SERVICE_QUERY_STATUS,
    SERVICE_START, SERVICE_STOP, SERVICE_USER_DEFINED_CONTROL,
};

use super::sys;
use super::{
    Account, Change, Config, Extra, Listed, Manager, Process, Refused, Registry, Status, Which,
    control, reason,
};

/// The right to delete, the same for every object of the system.
const DELETE: u32 = 0x0001_0000;

/// The manager of this machine.
#[derive(Debug)]
pub(super) struct Client;

/// The registry of this machine.
#[derive(Debug)]
pub(super) struct Local;

fn service(name: &str, access: u32) -> Result<sys::Service, Refused> {
    sys::Manager::open(SC_MANAGER_CONNECT)?.service(name, access)
}

impl Manager for Client {
    fn canonical(&self, name: &str) -> Result<String, Refused> {
        let manager = sys::Manager::open(SC_MANAGER_CONNECT | SC_MANAGER_ENUMERATE_SERVICE)?;
        manager.service(name, SERVICE_QUERY_STATUS)?;
        // A service that does not show its name is still the one asked for.
        Ok(manager.canonical(name).unwrap_or_else(|_| name.to_owned()))
    }

    fn create(&mut self, name: &str, image: &str) -> Result<(), Refused> {
        sys::Manager::open(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE)?.create(name, image)
    }

    fn delete(&mut self, name: &str) -> Result<(), Refused> {
        service(name, DELETE)?.delete()
    }

    fn config(&self, name: &str) -> Result<Config, Refused> {
        service(name, SERVICE_QUERY_CONFIG)?.config(name)
    }

    fn description(&self, name: &str) -> Result<String, Refused> {
        service(name, SERVICE_QUERY_CONFIG)?.description()
    }

    fn delayed_start(&self, name: &str) -> Result<bool, Refused> {
        service(name, SERVICE_QUERY_CONFIG)?.delayed_start()
    }

    fn change(&mut self, name: &str, change: &Change) -> Result<(), Refused> {
        service(name, SERVICE_CHANGE_CONFIG)?.change(change)
    }

    fn change_extra(&mut self, name: &str, extra: &Extra) -> Result<(), Refused> {
        // Recovery by a restart needs the right to start.
        let access = match extra {
            Extra::Recovery(_) => SERVICE_CHANGE_CONFIG | SERVICE_START,
            Extra::Description(_)
            | Extra::DelayedStart(_)
            | Extra::FailureFlag(_)
            | Extra::Preshutdown(_)
            | Extra::ServiceSid(_) => SERVICE_CHANGE_CONFIG,
        };
        service(name, access)?.change_extra(extra)
    }

    fn status(&self, name: &str) -> Result<Status, Refused> {
        service(name, SERVICE_QUERY_STATUS)?.status()
    }

    fn start(&mut self, name: &str, args: &[String]) -> Result<(), Refused> {
        service(name, SERVICE_START | SERVICE_QUERY_STATUS)?.start(args)
    }

    fn control(&mut self, name: &str, number: u32) -> Result<Status, Refused> {
        let access = match number {
            control::STOP => SERVICE_STOP,
            control::PAUSE | control::CONTINUE => SERVICE_PAUSE_CONTINUE,
            _ => SERVICE_USER_DEFINED_CONTROL,
        };
        service(name, access)?.control(number)
    }

    fn list(&self, which: Which) -> Result<Vec<Listed>, Refused> {
        sys::Manager::open(SC_MANAGER_CONNECT | SC_MANAGER_ENUMERATE_SERVICE)?.list(which)
    }

    fn account(&self, name: &str) -> Result<Account, Refused> {
        sys::lookup(name)
    }

    fn grant_service_logon(&mut self, name: &str) -> Result<(), Refused> {
        sys::grant(name)
    }

    fn processes(&self) -> Result<Vec<Process>, Refused> {
        sys::processes()
    }

    fn words(&self, code: u32) -> String {
        sys::message(code)
    }

    fn pause(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn elevate(&mut self, words: &[String]) -> Result<(), Refused> {
        let program = std::env::current_exe().map_err(|_| Refused {
            call: "GetModuleFileName",
            code: reason::FILE_NOT_FOUND,
        })?;
        sys::elevate(&program.to_string_lossy(), &join_windows(words))
    }

    fn is_administrator(&self) -> bool {
        sys::is_administrator()
    }

    fn processors(&self) -> u64 {
        sys::processors()
    }
}

impl Registry for Local {
    fn exists(&self, key: &str) -> Result<bool, Refused> {
        Ok(sys::open_key(key)?.is_some())
    }

    fn value(&self, key: &str, name: &str) -> Result<Option<Value>, Refused> {
        match sys::open_key(key)? {
            Some(key) => key.value(name),
            None => Ok(None),
        }
    }

    fn values(&self, key: &str) -> Result<Vec<(String, Value)>, Refused> {
        let Some(key) = sys::open_key(key)? else {
            return Ok(Vec::new());
        };
        let mut values = Vec::new();
        for name in key.value_names()? {
            if let Some(value) = key.value(&name)? {
                values.push((name, value));
            }
        }
        Ok(values)
    }

    fn keys(&self, key: &str) -> Result<Vec<String>, Refused> {
        match sys::open_key(key)? {
            Some(key) => key.key_names(),
            None => Ok(Vec::new()),
        }
    }

    fn set(&mut self, key: &str, name: &str, value: &Value) -> Result<(), Refused> {
        sys::create_key(key)?.set(name, value)
    }

    fn unset(&mut self, key: &str, name: &str) -> Result<(), Refused> {
        match sys::open_key(key)? {
            Some(_) => sys::create_key(key)?.unset(name),
            None => Ok(()),
        }
    }
}
