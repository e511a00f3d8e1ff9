//! Taking over services of NSSM's and srvany's where they are: who hosts them is one value, and the way back is kept.
//!
//! A plan first, which is only looked at; then the steps, which the service manager is told in turn. The program's own
//! values stay as they are, so that `aplomb nssm` and NSSM itself go on understanding them. Pure over `host::scm`.

use std::sync::Arc;
use std::time::Duration;

use aplomb_core::Spec;
use aplomb_units::Diagnostic;
use aplomb_units::nssm::{self, Key, Surroundings, Value};
use serde::Serialize;

use crate::host::scm::installation::{optional, preshutdown};
use crate::host::scm::{Change, Extra, Recovery, Refused, SERVICES, System, Which, kind, reason};

/// Where the former host of a service is remembered, below its key.
const MEMORY: &str = r"Parameters\Aplomb";
const FORMER_IMAGE: &str = "FormerImagePath";
const FORMER_PRESHUTDOWN: &str = "FormerPreshutdownTimeout";
/// Whether there were no recovery actions before ours.
const OWN_RECOVERY: &str = "OwnRecovery";
/// Milliseconds Windows grants before a shutdown where nothing is said.
const USUAL_PRESHUTDOWN: u32 = 10_000;
/// What is done to one service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub(crate) service: String,
    /// The command line that hosts it now.
    pub(crate) from: String,
    pub(crate) to: String,
    /// Milliseconds the system waits for it before a shutdown.
    pub(crate) preshutdown: (u32, u32),
    /// Recovery actions are set, because there are none.
    pub(crate) sets_recovery: bool,
    /// What will be otherwise than before, in sentences.
    pub(crate) remarks: Vec<String>,
    /// It runs; what is decided here holds from its next start.
    pub(crate) is_running: bool,
}

/// Why a service is not taken over, or not given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdoptionError {
    #[error("there is no service `{service}`")]
    Unknown { service: String },
    #[error(
        "`{service}` is no service of NSSM's or srvany's: its key has no value `Parameters\\Application`"
    )]
    Foreign { service: String },
    #[error("`{service}` is hosted by Aplomb already")]
    Ours { service: String },
    #[error("`{service}` was not taken over by `aplomb adopt`")]
    NotAdopted { service: String },
    #[error(
        "`{service}` is marked for deletion; it goes once every console and program lets go of it"
    )]
    Marked { service: String },
    #[error("only an administrator may do this to `{service}`")]
    NotPermitted { service: String },
    #[error("{call} was refused for `{service}`: {words}")]
    Refused {
        service: String,
        call: &'static str,
        words: String,
    },
}

/// The services that could be taken over, by name.
pub(crate) fn candidates(system: &System, image: &str) -> Result<Vec<String>, AdoptionError> {
    let listed = system.manager.list(Which::Programs);
    let listed = listed.map_err(|refused| why(system, "", refused))?;
    let names = listed.into_iter().map(|service| service.name);
    Ok(names
        .filter(|name| plan(system, name, image).is_ok())
        .collect())
}

/// What taking `name` over would do. `image` is the command line of ours that hosts it.
pub(crate) fn plan(system: &System, name: &str, image: &str) -> Result<Plan, AdoptionError> {
    let refused = |refused| why(system, name, refused);
    let service = system.manager.canonical(name).map_err(refused)?;
    let config = system.manager.config(&service).map_err(refused)?;
    let key = key(system, &service).map_err(refused)?;
    if config.kind & kind::OWN_PROCESS == 0 || !nssm::has_program(&key) {
        return Err(AdoptionError::Foreign { service });
    }
    if config.image.eq_ignore_ascii_case(image) {
        return Err(AdoptionError::Ours { service });
    }
    let (spec, remarks) = meaning(&service, &key);
    let before = key.value("PreshutdownTimeout").and_then(Value::number);
    let before = before.unwrap_or(USUAL_PRESHUTDOWN);
    let status = system.manager.status(&service).map_err(refused)?;
    Ok(Plan {
        from: config.image,
        to: image.to_owned(),
        preshutdown: (before, preshutdown(&spec).max(before)),
        sets_recovery: key.value("FailureActions").is_none(),
        remarks: remarks.into_iter().map(|one| one.message).collect(),
        is_running: status.pid != 0,
        service,
    })
}

/// Takes the service over, as planned.
pub(crate) fn adopt(system: &mut System, plan: &Plan) -> Result<(), AdoptionError> {
    let service = &plan.service;
    let told = carry_out(system, plan);
    told.map_err(|refused| why(system, service, refused))
}

fn carry_out(system: &mut System, plan: &Plan) -> Result<(), Refused> {
    let service = &plan.service;
    let memory = format!(r"{SERVICES}\{service}\{MEMORY}");
    let registry = &mut system.registry;
    // The way back is written before the first step away.
    registry.set(&memory, FORMER_IMAGE, &Value::Text(plan.from.clone()))?;
    registry.set(
        &memory,
        FORMER_PRESHUTDOWN,
        &Value::Number(plan.preshutdown.0),
    )?;
    registry.set(
        &memory,
        OWN_RECOVERY,
        &Value::Number(plan.sets_recovery.into()),
    )?;
    let manager = &mut system.manager;
    let time = Duration::from_millis(plan.preshutdown.1.into());
    optional(manager.change_extra(service, &Extra::Preshutdown(time)))?;
    if plan.sets_recovery {
        let recovery = Extra::Recovery(Recovery::ours());
        optional(manager.change_extra(service, &recovery))?;
        optional(manager.change_extra(service, &Extra::FailureFlag(true)))?;
    }
    let change = Change {
        image: Some(plan.to.clone()),
        ..Change::default()
    };
    manager.change(service, &change)
}

/// Gives the service back to whoever hosted it before; tells that host's command line.
pub(crate) fn release(system: &mut System, name: &str) -> Result<String, AdoptionError> {
    let service = match system.manager.canonical(name) {
        Ok(service) => service,
        Err(refused) => return Err(why(system, name, refused)),
    };
    match give_back(system, &service) {
        Ok(Some(image)) => Ok(image),
        Ok(None) => Err(AdoptionError::NotAdopted { service }),
        Err(refused) => Err(why(system, &service, refused)),
    }
}

fn give_back(system: &mut System, service: &str) -> Result<Option<String>, Refused> {
    let memory = format!(r"{SERVICES}\{service}\{MEMORY}");
    let former = system.registry.value(&memory, FORMER_IMAGE)?;
    let Some(image) = former.as_ref().and_then(Value::text).map(str::to_owned) else {
        return Ok(None);
    };
    let number = |name| {
        let value = system.registry.value(&memory, name);
        value.map(|value| value.and_then(|value| value.number()))
    };
    let (preshutdown, own) = (number(FORMER_PRESHUTDOWN)?, number(OWN_RECOVERY)?);
    let change = Change {
        image: Some(image.clone()),
        ..Change::default()
    };
    let manager = &mut system.manager;
    manager.change(service, &change)?;
    if let Some(time) = preshutdown {
        let time = Duration::from_millis(time.into());
        optional(manager.change_extra(service, &Extra::Preshutdown(time)))?;
    }
    if own == Some(1) {
        let none = Recovery {
            reset_after: Duration::ZERO,
            restarts: Vec::new(),
        };
        optional(manager.change_extra(service, &Extra::Recovery(none)))?;
    }
    for name in [FORMER_IMAGE, FORMER_PRESHUTDOWN, OWN_RECOVERY] {
        system.registry.unset(&memory, name)?;
    }
    Ok(Some(image))
}

/// What a service's values mean to us, and what in them needs a word.
pub(crate) fn meaning(service: &str, key: &Key) -> (Spec, Vec<Diagnostic>) {
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let here = Surroundings {
        variables: Some(&variables),
        ..Surroundings::default()
    };
    let mut remarks = Vec::new();
    let file = Arc::from(format!(r"HKLM\{SERVICES}\{service}"));
    let loaded = nssm::service(service, key, &file, here, &mut remarks);
    (loaded.spec, remarks)
}

/// A service of this machine by its name, with all of its key.
pub(crate) fn read_key(system: &System, name: &str) -> Result<(String, Key), AdoptionError> {
    let refused = |refused| why(system, name, refused);
    let service = system.manager.canonical(name).map_err(refused)?;
    let key = key(system, &service).map_err(refused)?;
    Ok((service, key))
}

/// All of a service's key.
fn key(system: &System, service: &str) -> Result<Key, Refused> {
    fn below(system: &System, path: &str) -> Result<Key, Refused> {
        let mut key = Key::default();
        for (name, value) in system.registry.values(path)? {
            key.set(&name, value);
        }
        for name in system.registry.keys(path)? {
            let found = below(system, &format!(r"{path}\{name}"))?;
            key.keys.push((name, found));
        }
        Ok(key)
    }
    below(system, &format!(r"{SERVICES}\{service}"))
}

fn why(system: &System, service: &str, refused: Refused) -> AdoptionError {
    let service = service.to_owned();
    match refused.code {
        reason::SERVICE_NOT_FOUND => AdoptionError::Unknown { service },
        reason::SERVICE_MARKED_FOR_DELETE => AdoptionError::Marked { service },
        reason::ACCESS_DENIED => AdoptionError::NotPermitted { service },
        code => AdoptionError::Refused {
            service,
            call: refused.call,
            words: system.manager.words(code).trim_end().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::scm::fake;

    const IMAGE: &str = r"C:\aplomb.exe nssm";

    fn with_web() -> (System, std::rc::Rc<std::cell::RefCell<fake::Machine>>) {
        let (system, machine) = fake::system();
        let mut inside = machine.borrow_mut();
        inside.add("web", "Web", kind::OWN_PROCESS).config.image = r"C:\nssm.exe".into();
        inside.add("Eventlog", "Events", kind::SHARE_PROCESS);
        let key = inside.registry.make(&format!(r"{SERVICES}\web\Parameters"));
        key.set("Application", Value::Expand(r"C:\web.exe".into()));
        key.set("AppRotateFiles", Value::Number(1));
        drop(inside);
        (system, machine)
    }

    #[test]
    fn a_service_is_taken_over_and_given_back_as_it_was() {
        let (mut system, machine) = with_web();
        assert_eq!(candidates(&system, IMAGE).expect("listed"), ["web"]);
        let plan = plan(&system, "WEB", IMAGE).expect("planned");
        assert_eq!((&plan.from[..], &plan.to[..]), (r"C:\nssm.exe", IMAGE));
        assert_eq!(plan.preshutdown, (10_000, 35_000));
        assert!(plan.sets_recovery && plan.remarks[0].contains("every start"));
        adopt(&mut system, &plan).expect("taken over");
        let service = machine.borrow_mut().service("web").expect("there").clone();
        assert_eq!(service.config.image, IMAGE);
        assert!(
            service
                .extras
                .contains(&Extra::Preshutdown(Duration::from_secs(35)))
        );
        assert!(service.extras.contains(&Extra::FailureFlag(true)));
        assert!(candidates(&system, IMAGE).expect("listed").is_empty());
        assert_eq!(
            release(&mut system, "web").expect("given back"),
            r"C:\nssm.exe"
        );
        let service = machine.borrow_mut().service("web").expect("there").clone();
        assert_eq!(service.config.image, r"C:\nssm.exe");
        assert!(
            service
                .extras
                .contains(&Extra::Preshutdown(Duration::from_secs(10)))
        );
        let refused = release(&mut system, "web").expect_err("only once");
        assert!(matches!(refused, AdoptionError::NotAdopted { .. }));
    }

    #[test]
    fn the_way_back_is_kept_even_if_a_step_is_refused() {
        let (mut system, machine) = with_web();
        let plan = plan(&system, "web", IMAGE).expect("planned");
        machine.borrow_mut().refusals.push(Refused {
            call: "ChangeServiceConfig",
            code: reason::SERVICE_MARKED_FOR_DELETE,
        });
        let refused = adopt(&mut system, &plan).expect_err("refused");
        assert!(
            refused.to_string().contains("marked for deletion"),
            "{refused}"
        );
        assert_eq!(release(&mut system, "web").expect("back"), r"C:\nssm.exe");
    }

    #[test]
    fn what_is_not_ours_to_take_is_refused_with_its_reason() {
        let (system, machine) = with_web();
        for (name, part) in [
            ("nothere", "there is no service"),
            ("eventlog", "no service of NSSM's"),
        ] {
            let refused = plan(&system, name, IMAGE).expect_err(name).to_string();
            assert!(refused.contains(part), "{refused}");
        }
        machine
            .borrow_mut()
            .service("web")
            .expect("there")
            .config
            .image = IMAGE.to_uppercase();
        let refused = plan(&system, "web", IMAGE).expect_err("ours");
        assert!(matches!(refused, AdoptionError::Ours { .. }));
    }
}
