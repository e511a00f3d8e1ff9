//! One service of ours under the service control manager: made with everything it needs, and taken away again.
//!
//! What is half made is taken back. Settings that older systems do not know are left out; whatever else is refused ends
//! it, with the service manager's words. Pure over the traits.

use std::time::Duration;

use aplomb_core::Spec;
use aplomb_core::spec::StartMode;
use serde::Serialize;

use super::{
    Account, Change, Extra, Logon, Manager, Recovery, Refused, ServiceSid, Start, State, System,
    control, reason,
};

/// What the manager is told beyond the longest stop.
pub(crate) const MARGIN: Duration = Duration::from_secs(5);
/// The stop of a service without a budget, as far as a shutdown is concerned.
const ENDLESS: Duration = Duration::from_secs(180);
/// How often a stop is looked at, and how many looks a removal waits.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 600;

/// A service to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Installation {
    pub(crate) service: String,
    /// The command line that hosts it, its program quoted.
    pub(crate) image: String,
    pub(crate) description: String,
    pub(crate) start: &'static str,
    /// `None` for LocalSystem.
    pub(crate) account: Option<String>,
    /// Services the manager starts first.
    pub(crate) depends: Vec<String>,
    /// Milliseconds the system waits for its stop before a shutdown.
    pub(crate) preshutdown: u32,
}

/// Why a service is not made, or not taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InstallationError {
    #[error("there is a service `{service}` already, hosted by `{image}`")]
    Exists { service: String, image: String },
    #[error(
        "`{service}` is marked for deletion; it goes once every console and program lets go of it"
    )]
    Marked { service: String },
    #[error("only an administrator may do this to `{service}`")]
    NotPermitted { service: String },
    #[error("the service manager takes no service called `{service}`")]
    Name { service: String },
    #[error("`{account}` runs services only with its password")]
    Password { account: String },
    #[error("`{service}` does not come up")]
    NotUp { service: String },
    #[error("`{service}` does not stop")]
    Stubborn { service: String },
    #[error("{call} was refused for `{service}`: {words}")]
    Refused {
        service: String,
        call: &'static str,
        words: String,
    },
}

impl Installation {
    /// The service that hosts `spec` as `file` defines it, by `program`, the path of this one.
    pub(crate) fn of(spec: &Spec, program: &str, file: &str) -> Installation {
        let name = spec.family();
        Installation {
            service: name.to_owned(),
            // The file is named, so that it does not matter whose the hosting process takes the machine to be.
            image: format!("\"{program}\" service \"{name}\" \"{file}\""),
            description: spec.description.clone(),
            start: match spec.start_mode {
                StartMode::Auto => "auto",
                StartMode::Manual => "demand",
                StartMode::Disabled => "disabled",
            },
            account: spec.process.user.clone(),
            depends: Vec::new(),
            preshutdown: preshutdown(spec),
        }
    }

    /// As a line for people.
    pub(crate) fn words(&self) -> String {
        let account = self.account.as_deref().unwrap_or("LocalSystem");
        format!(
            "make the service `{}` of `{account}`, start {}, hosted by `{}`",
            self.service, self.start, self.image
        )
    }

    /// Makes the service; one that is ours already is brought up to date.
    pub(crate) fn install(&self, system: &mut System) -> Result<(), InstallationError> {
        let manager = system.manager.as_mut();
        let logon = self.logon(manager)?;
        let is_new = match manager.create(&self.service, &self.image) {
            Ok(()) => true,
            Err(refused) if refused.code == reason::SERVICE_EXISTS => {
                let config = manager.config(&self.service);
                let image = config.map_err(|refused| self.why(manager, refused))?.image;
                if !is_ours(&image, &self.service) {
                    let service = self.service.clone();
                    return Err(InstallationError::Exists { service, image });
                }
                false
            }
            Err(refused) => return Err(self.why(manager, refused)),
        };
        let configured = self.configure(manager, logon);
        configured.map_err(|refused| {
            if is_new {
                // Half a service helps nobody.
                let _ = manager.delete(&self.service);
            }
            self.why(manager, refused)
        })
    }

    fn logon(&self, manager: &mut dyn Manager) -> Result<Option<Logon>, InstallationError> {
        let Some(name) = &self.account else {
            return Ok(None);
        };
        let account = match Account::by_name(name) {
            Some(account) => account,
            None => manager.account(name).unwrap_or(Account::User),
        };
        if account.needs_password() {
            let account = name.clone();
            return Err(InstallationError::Password { account });
        }
        if account == Account::Managed {
            let granted = manager.grant_service_logon(name);
            granted.map_err(|refused| self.why(manager, refused))?;
        }
        let password = account.canonical().map(|_| String::new());
        let account = account.canonical().unwrap_or(name).to_owned();
        Ok(Some(Logon { account, password }))
    }

    fn configure(&self, manager: &mut dyn Manager, account: Option<Logon>) -> Result<(), Refused> {
        let start = match self.start {
            "demand" => Start::Demand,
            "disabled" => Start::Disabled,
            _ => Start::Auto,
        };
        let change = Change {
            start: Some(start),
            image: Some(self.image.clone()),
            depends: Some(self.depends.clone()),
            account,
            display: Some(self.service.clone()),
            ..Change::default()
        };
        manager.change(&self.service, &change)?;
        let time = Duration::from_millis(self.preshutdown.into());
        for extra in [
            Extra::Description(self.description.clone()),
            Extra::Preshutdown(time),
            Extra::Recovery(Recovery::ours()),
            Extra::FailureFlag(true),
            // Files can then be given to this one service.
            Extra::ServiceSid(ServiceSid::Unrestricted),
        ] {
            optional(manager.change_extra(&self.service, &extra))?;
        }
        Ok(())
    }

    fn why(&self, manager: &dyn Manager, refused: Refused) -> InstallationError {
        why(&self.service, manager, refused)
    }
}

impl Recovery {
    /// If we ourselves break down: once soon, then with more patience; a day without it begins anew.
    pub(crate) fn ours() -> Recovery {
        Recovery {
            reset_after: Duration::from_secs(86_400),
            restarts: [1, 10, 60].map(Duration::from_secs).to_vec(),
        }
    }
}

/// Stops the service, if it runs, and deletes it; `false` where there is none of ours by that name.
pub(crate) fn remove(system: &mut System, service: &str) -> Result<bool, InstallationError> {
    let manager = system.manager.as_mut();
    match manager.config(service) {
        Ok(config) if is_ours(&config.image, service) => {}
        Ok(_) => return Ok(false),
        Err(refused) if refused.code == reason::SERVICE_NOT_FOUND => return Ok(false),
        Err(refused) => return Err(why(service, manager, refused)),
    }
    match manager.control(service, control::STOP) {
        Ok(_) => await_stop(manager, service)?,
        Err(refused) if refused.code == reason::SERVICE_NOT_ACTIVE => {}
        Err(refused) => return Err(why(service, manager, refused)),
    }
    let deleted = manager.delete(service);
    deleted.map_err(|refused| why(service, manager, refused))?;
    Ok(true)
}

/// Starts a service of ours that is down, and waits until it is up; `false` where there is none of ours by that name.
pub(crate) fn start(system: &mut System, service: &str) -> Result<bool, InstallationError> {
    let manager = system.manager.as_mut();
    match manager.config(service) {
        Ok(config) if is_ours(&config.image, service) => {}
        Ok(_) | Err(_) => return Ok(false),
    }
    match manager.start(service, &[service.to_owned()]) {
        Ok(()) => {}
        Err(refused) if refused.code == reason::SERVICE_ALREADY_RUNNING => return Ok(true),
        Err(refused) => return Err(why(service, manager, refused)),
    }
    // Each look that finds it on its way earns it another: the host says itself how long a start may take.
    loop {
        let status = manager.status(service);
        let status = status.map_err(|refused| why(service, manager, refused))?;
        match status.state {
            Some(State::StartPending) => manager.pause(LOOK),
            Some(State::Running | State::PausePending | State::Paused | State::ContinuePending) => {
                return Ok(true);
            }
            Some(State::Stopped | State::StopPending) | None => {
                let service = service.to_owned();
                return Err(InstallationError::NotUp { service });
            }
        }
    }
}

fn await_stop(manager: &mut dyn Manager, service: &str) -> Result<(), InstallationError> {
    for _ in 0..LOOKS {
        let status = manager.status(service);
        let status = status.map_err(|refused| why(service, manager, refused))?;
        if status.state == Some(State::Stopped) {
            return Ok(());
        }
        manager.pause(LOOK);
    }
    let service = service.to_owned();
    Err(InstallationError::Stubborn { service })
}

/// Whether a command line is how we host that very service.
fn is_ours(image: &str, service: &str) -> bool {
    image.contains(&format!("\" service \"{service}\" \""))
}

/// How long the system shall wait for a stop, in milliseconds.
pub(crate) fn preshutdown(spec: &Spec) -> u32 {
    let budget = spec.stop.budget.unwrap_or(ENDLESS);
    u32::try_from((budget + MARGIN).as_millis()).unwrap_or(u32::MAX)
}

/// What systems without this setting refuse is left out; everything else counts.
pub(crate) fn optional(told: Result<(), Refused>) -> Result<(), Refused> {
    match told {
        Err(refused) if UNKNOWN_SETTING.contains(&refused.code) => Ok(()),
        other => other,
    }
}

/// How a system says that it does not know a setting.
const UNKNOWN_SETTING: [u32; 2] = [reason::INVALID_LEVEL, reason::INVALID_PARAMETER];

fn why(service: &str, manager: &dyn Manager, refused: Refused) -> InstallationError {
    let service = service.to_owned();
    match refused.code {
        reason::SERVICE_MARKED_FOR_DELETE => InstallationError::Marked { service },
        reason::ACCESS_DENIED => InstallationError::NotPermitted { service },
        reason::INVALID_NAME => InstallationError::Name { service },
        code => InstallationError::Refused {
            service,
            call: refused.call,
            words: manager.words(code).trim_end().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scm::fake;

    fn web() -> Installation {
        let mut spec = Spec::new("web");
        spec.description = "Serves".into();
        Installation::of(&spec, r"C:\Program Files\aplomb.exe", r"C:\web.toml")
    }

    #[test]
    fn a_service_is_made_whole_and_again_brought_up_to_date() {
        let (mut system, machine) = fake::system();
        let mut web = web();
        assert_eq!(
            web.image,
            r#""C:\Program Files\aplomb.exe" service "web" "C:\web.toml""#
        );
        web.install(&mut system).expect("made");
        web.account = Some(r"NT SERVICE\web".into());
        web.start = "demand";
        web.install(&mut system).expect("ours already");
        let service = machine.borrow_mut().service("web").expect("there").clone();
        assert_eq!(
            (service.config.start, &service.config.account[..]),
            (Some(Start::Demand), r"NT SERVICE\web")
        );
        assert_eq!(service.password, None);
        for extra in [
            Extra::Preshutdown(Duration::from_secs(35)),
            Extra::FailureFlag(true),
            Extra::Recovery(Recovery::ours()),
            Extra::ServiceSid(ServiceSid::Unrestricted),
        ] {
            assert!(service.extras.contains(&extra), "{extra:?}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_said_and_nothing_is_left() {
        let (mut system, machine) = fake::system();
        machine.borrow_mut().add("other", "Other", 0x10);
        let mut other = web();
        other.service = "other".into();
        let refused = other.install(&mut system).expect_err("somebody's");
        assert!(
            matches!(refused, InstallationError::Exists { .. }),
            "{refused}"
        );
        for (code, part) in [
            (reason::ACCESS_DENIED, "only an administrator"),
            (reason::SERVICE_MARKED_FOR_DELETE, "marked for deletion"),
        ] {
            let call = "CreateService";
            machine.borrow_mut().refusals.push(Refused { call, code });
            let refused = web().install(&mut system).expect_err("refused").to_string();
            assert!(refused.contains(part), "{refused}");
        }
        let call = "ChangeServiceConfig";
        machine
            .borrow_mut()
            .refusals
            .push(Refused { call, code: 8 });
        assert!(web().install(&mut system).is_err());
        assert!(
            machine.borrow_mut().service("web").is_err(),
            "half a service is left"
        );
        let mut user = web();
        user.account = Some(r".\jan".into());
        assert!(matches!(
            user.install(&mut system),
            Err(InstallationError::Password { .. })
        ));
    }

    #[test]
    fn a_service_is_stopped_before_it_is_deleted_and_others_are_left() {
        let (mut system, machine) = fake::system();
        web().install(&mut system).expect("made");
        machine.borrow_mut().add("other", "Other", 0x10);
        system.manager.start("web", &[]).expect("started");
        system.manager.status("web").expect("running");
        assert_eq!(remove(&mut system, "web"), Ok(true));
        assert!(machine.borrow_mut().service("web").is_err());
        assert_eq!(remove(&mut system, "web"), Ok(false));
        assert_eq!(remove(&mut system, "other"), Ok(false));
        web().install(&mut system).expect("made");
        let (call, code) = ("DeleteService", reason::SERVICE_MARKED_FOR_DELETE);
        machine.borrow_mut().refusals.push(Refused { call, code });
        let refused = remove(&mut system, "web").expect_err("marked").to_string();
        assert!(refused.contains("every console"), "{refused}");
    }
}
