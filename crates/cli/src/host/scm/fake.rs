//! A manager and a registry in memory, for tests on every system. They share their state, as the real ones do: what
//! is created shows up as a key, and what is deleted goes with its key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use aplomb_units::nssm::{Key, Value};

use super::{
    Account, Change, Config, Extra, Listed, Manager, Process, Refused, Registry, SERVICES, Start,
    State, Status, System, Which, control, kind, reason,
};

/// What the machine holds; tests look into it and change it behind a client's back.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) registry: Key,
    pub(crate) processes: Vec<Process>,
    /// What the next call of this function is refused with.
    pub(crate) refusals: Vec<Refused>,
    pub(crate) waited: Duration,
    pub(crate) elevated: Vec<Vec<String>>,
    pub(crate) granted: Vec<String>,
    pub(crate) is_user: bool,
}

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) extras: Vec<Extra>,
    pub(crate) status: Status,
    /// States it goes through, one at each look, after a start or a control.
    pub(crate) path: Vec<State>,
    pub(crate) started_with: Vec<String>,
    pub(crate) controls: Vec<u32>,
    pub(crate) password: Option<String>,
}

/// A system over a machine that the test keeps holding.
pub(crate) fn system() -> (System, Rc<RefCell<Machine>>) {
    let machine = Rc::new(RefCell::new(Machine::default()));
    let system = System {
        manager: Box::new(Fake(Rc::clone(&machine))),
        registry: Box::new(Fake(Rc::clone(&machine))),
    };
    (system, machine)
}

#[derive(Debug)]
struct Fake(Rc<RefCell<Machine>>);

impl Machine {
    /// A service somebody else made, stopped.
    pub(crate) fn add(&mut self, name: &str, display: &str, kind: u32) -> &mut Service {
        let config = Config {
            name: name.to_owned(),
            kind,
            start: Some(Start::Demand),
            image: format!(r"C:\{name}.exe"),
            group: String::new(),
            depends: Vec::new(),
            account: "LocalSystem".to_owned(),
            display: display.to_owned(),
        };
        self.registry.make(&format!(r"{SERVICES}\{name}"));
        let service = Service {
            config,
            extras: Vec::new(),
            status: status(State::Stopped),
            path: Vec::new(),
            started_with: Vec::new(),
            controls: Vec::new(),
            password: None,
        };
        self.services
            .entry(name.to_lowercase())
            .insert_entry(service)
            .into_mut()
    }

    pub(crate) fn service(&mut self, name: &str) -> Result<&mut Service, Refused> {
        let refused = Refused {
            call: "OpenService",
            code: reason::SERVICE_NOT_FOUND,
        };
        self.services.get_mut(&name.to_lowercase()).ok_or(refused)
    }

    fn may(&mut self, call: &'static str) -> Result<(), Refused> {
        let at = self
            .refusals
            .iter()
            .position(|refused| refused.call == call);
        match at {
            Some(at) => Err(self.refusals.remove(at)),
            None => Ok(()),
        }
    }
}

fn status(state: State) -> Status {
    Status {
        state: Some(state),
        checkpoint: 0,
        wait_hint: 0,
        pid: match state {
            State::Stopped => 0,
            State::StartPending
            | State::StopPending
            | State::Running
            | State::ContinuePending
            | State::PausePending
            | State::Paused => 4711,
        },
    }
}

impl Manager for Fake {
    fn canonical(&self, name: &str) -> Result<String, Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("OpenSCManager")?;
        machine.may("OpenService")?;
        Ok(machine.service(name)?.config.name.clone())
    }

    fn create(&mut self, name: &str, image: &str) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("OpenSCManager")?;
        machine.may("CreateService")?;
        let refused = |code| {
            Err(Refused {
                call: "CreateService",
                code,
            })
        };
        if name.is_empty() || name.contains(['/', '\\']) || name.len() > 256 {
            return refused(reason::INVALID_NAME);
        }
        if machine.service(name).is_ok() {
            return refused(reason::SERVICE_EXISTS);
        }
        let service = machine.add(name, name, kind::OWN_PROCESS);
        service.config.image = image.to_owned();
        service.config.start = Some(Start::Auto);
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.service(name)?;
        machine.may("DeleteService")?;
        machine.services.remove(&name.to_lowercase());
        let services = machine.registry.make(SERVICES);
        services
            .keys
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        Ok(())
    }

    fn config(&self, name: &str) -> Result<Config, Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("QueryServiceConfig")?;
        Ok(machine.service(name)?.config.clone())
    }

    fn description(&self, name: &str) -> Result<String, Refused> {
        let mut machine = self.0.borrow_mut();
        let extras = &machine.service(name)?.extras;
        let said = extras.iter().rev().find_map(|extra| match extra {
            Extra::Description(text) => Some(text.clone()),
            Extra::DelayedStart(_)
            | Extra::FailureFlag(_)
            | Extra::Recovery(_)
            | Extra::Preshutdown(_)
            | Extra::ServiceSid(_) => None,
        });
        Ok(said.unwrap_or_default())
    }

    fn delayed_start(&self, name: &str) -> Result<bool, Refused> {
        let mut machine = self.0.borrow_mut();
        let extras = &machine.service(name)?.extras;
        let said = extras.iter().rev().find_map(|extra| match extra {
            Extra::DelayedStart(delayed) => Some(*delayed),
            Extra::Description(_)
            | Extra::FailureFlag(_)
            | Extra::Recovery(_)
            | Extra::Preshutdown(_)
            | Extra::ServiceSid(_) => None,
        });
        Ok(said.unwrap_or(false))
    }

    fn change(&mut self, name: &str, change: &Change) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("ChangeServiceConfig")?;
        let service = machine.service(name)?;
        let config = &mut service.config;
        config.kind = change.kind.unwrap_or(config.kind);
        config.start = change.start.or(config.start);
        let put = |to: &mut String, said: &Option<String>| {
            if let Some(said) = said {
                to.clone_from(said);
            }
        };
        put(&mut config.image, &change.image);
        put(&mut config.group, &change.group);
        put(&mut config.display, &change.display);
        if let Some(depends) = &change.depends {
            config.depends.clone_from(depends);
        }
        if let Some(logon) = &change.account {
            config.account.clone_from(&logon.account);
            service.password.clone_from(&logon.password);
        }
        Ok(())
    }

    fn change_extra(&mut self, name: &str, extra: &Extra) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("ChangeServiceConfig2")?;
        machine.service(name)?.extras.push(extra.clone());
        Ok(())
    }

    fn status(&self, name: &str) -> Result<Status, Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("QueryServiceStatusEx")?;
        let service = machine.service(name)?;
        if !service.path.is_empty() {
            service.status = status(service.path.remove(0));
        }
        Ok(service.status)
    }

    fn start(&mut self, name: &str, args: &[String]) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("StartService")?;
        let service = machine.service(name)?;
        service.started_with = args.to_vec();
        if service.path.is_empty() {
            service.path = vec![State::Running];
        }
        Ok(())
    }

    fn control(&mut self, name: &str, number: u32) -> Result<Status, Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("ControlService")?;
        let service = machine.service(name)?;
        if service.status.state == Some(State::Stopped) {
            return Err(Refused {
                call: "ControlService",
                code: reason::SERVICE_NOT_ACTIVE,
            });
        }
        service.controls.push(number);
        if service.path.is_empty() {
            service.path = match number {
                control::STOP => vec![State::StopPending, State::Stopped],
                control::PAUSE => vec![State::Paused],
                control::CONTINUE => vec![State::Running],
                _ => Vec::new(),
            };
        }
        Ok(service.status)
    }

    fn list(&self, which: Which) -> Result<Vec<Listed>, Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("EnumServicesStatus")?;
        let programs = kind::OWN_PROCESS | kind::SHARE_PROCESS;
        let listed = machine.services.values().filter(|service| match which {
            Which::Programs => service.config.kind & programs != 0,
            Which::All => true,
        });
        Ok(listed
            .map(|service| Listed {
                name: service.config.name.clone(),
                display: service.config.display.clone(),
            })
            .collect())
    }

    fn account(&self, _: &str) -> Result<Account, Refused> {
        Ok(Account::User)
    }

    fn grant_service_logon(&mut self, name: &str) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("LsaAddAccountRights")?;
        machine.granted.push(name.to_owned());
        Ok(())
    }

    fn processes(&self) -> Result<Vec<Process>, Refused> {
        Ok(self.0.borrow().processes.clone())
    }

    fn words(&self, code: u32) -> String {
        format!("system error {code}\r\n")
    }

    fn pause(&mut self, time: Duration) {
        self.0.borrow_mut().waited += time;
    }

    fn elevate(&mut self, words: &[String]) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("ShellExecuteEx")?;
        machine.elevated.push(words.to_vec());
        Ok(())
    }

    fn is_administrator(&self) -> bool {
        !self.0.borrow().is_user
    }

    fn processors(&self) -> u64 {
        0b1111
    }
}

impl Registry for Fake {
    fn exists(&self, key: &str) -> Result<bool, Refused> {
        Ok(self.0.borrow().registry.key(key).is_some())
    }

    fn value(&self, key: &str, name: &str) -> Result<Option<Value>, Refused> {
        let machine = self.0.borrow();
        let key = machine.registry.key(key);
        Ok(key.and_then(|key| key.value(name)).cloned())
    }

    fn values(&self, key: &str) -> Result<Vec<(String, Value)>, Refused> {
        let machine = self.0.borrow();
        let values = machine.registry.key(key).map(|key| &key.values);
        Ok(values
            .into_iter()
            .flatten()
            .map(|entry| (entry.name.clone(), entry.value.clone()))
            .collect())
    }

    fn keys(&self, key: &str) -> Result<Vec<String>, Refused> {
        let machine = self.0.borrow();
        let keys = machine.registry.key(key).map(|key| &key.keys);
        Ok(keys
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect())
    }

    fn set(&mut self, key: &str, name: &str, value: &Value) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("RegSetValueEx")?;
        machine.registry.make(key).set(name, value.clone());
        Ok(())
    }

    fn unset(&mut self, key: &str, name: &str) -> Result<(), Refused> {
        let mut machine = self.0.borrow_mut();
        machine.may("RegDeleteValue")?;
        if machine.registry.key(key).is_some() {
            machine.registry.make(key).unset(name);
        }
        Ok(())
    }
}
