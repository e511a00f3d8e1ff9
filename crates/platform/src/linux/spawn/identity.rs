//! Who a program runs as: user, groups, capabilities.

use std::io;

use aplomb_core::spec::{Capabilities, Privilege, Process, Sandbox};

use crate::linux::sys::script::{Script, Stage};
use crate::linux::users::{self, User};
use crate::{SpawnError, Step};

/// The identity a launch asks for, by number.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// `None`: the engine's own.
    pub(super) user: Option<User>,
    pub(super) gid: Option<u32>,
    groups: Vec<u32>,
}

impl Identity {
    /// Looks up what the process says. A command that keeps the engine's user has none.
    pub(super) fn resolve(process: &Process, privilege: Privilege) -> Result<Identity, SpawnError> {
        if privilege != Privilege::Service {
            return Ok(Identity::default());
        }
        let user = match &process.user {
            Some(name) => Some(find_user(name)?),
            None => None,
        };
        let gid = match (&process.group, &user) {
            (Some(name), _) => Some(find_group(name)?),
            (None, Some(user)) => Some(user.gid),
            (None, None) => None,
        };
        let mut groups = match &user {
            Some(user) => users::groups_of(&user.name).map_err(group_failed)?,
            None => Vec::new(),
        };
        for name in &process.supplementary_groups {
            groups.push(find_group(name)?);
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Identity { user, gid, groups })
    }

    /// Numbers for what is made for the service.
    pub(super) fn owner(&self) -> (Option<u32>, Option<u32>) {
        (self.user.as_ref().map(|user| user.uid), self.gid)
    }

    /// Groups, then user: the other way round there would be no right left to change the groups.
    pub(super) fn assume(&self, script: &mut Script, keep_capabilities: bool) {
        script.stage(Stage::Setup(Step::Group));
        if self.gid.is_some() || !self.groups.is_empty() {
            script.set_groups(&self.groups);
        }
        if let Some(gid) = self.gid {
            script.set_gid(gid);
        }
        script.stage(Stage::Setup(Step::User));
        if let Some(user) = &self.user {
            if keep_capabilities {
                script.keep_capabilities();
            }
            script.set_uid(user.uid);
        }
    }
}

/// What a program may ever do; must come before the rights to change it are gone.
pub(super) fn bound(script: &mut Script, sandbox: &Sandbox) {
    script.stage(Stage::Setup(Step::Capabilities));
    let allowed = sandbox.bounding.unwrap_or(Capabilities::ALL).0 & !taken_away(sandbox);
    for capability in 0..Capabilities::NAMES.len() {
        if allowed & (1 << capability) == 0 {
            script.drop_from_bounding_set(capability);
        }
    }
}

/// What a program has although it is not root.
pub(super) fn endow(script: &mut Script, ambient: Capabilities) {
    script.stage(Stage::Setup(Step::Capabilities));
    if ambient.0 == 0 {
        return;
    }
    script.set_capabilities(ambient.0);
    for capability in 0..Capabilities::NAMES.len() {
        if ambient.0 & (1 << capability) != 0 {
            script.raise_ambient(capability);
        }
    }
}

/// Capabilities with which a program could undo what the sandbox does.
fn taken_away(sandbox: &Sandbox) -> u64 {
    let rows: [(bool, &[&str]); 4] = [
        (sandbox.private_devices, &["CAP_MKNOD", "CAP_SYS_RAWIO"]),
        (sandbox.protect_kernel_modules, &["CAP_SYS_MODULE"]),
        (sandbox.protect_kernel_logs, &["CAP_SYSLOG"]),
        (sandbox.protect_clock, &["CAP_SYS_TIME", "CAP_WAKE_ALARM"]),
    ];
    let names = rows
        .iter()
        .filter(|(on, _)| *on)
        .flat_map(|(_, names)| *names);
    names
        .filter_map(|name| Capabilities::parse_one(name))
        .fold(0, |all, one| all | one.0)
}

fn find_user(name: &str) -> Result<User, SpawnError> {
    let found = users::user(name).map_err(|source| SpawnError::Setup {
        step: Step::User,
        source,
    })?;
    found.ok_or_else(|| SpawnError::NoUser {
        name: name.to_owned(),
    })
}

fn find_group(name: &str) -> Result<u32, SpawnError> {
    users::group(name)
        .map_err(group_failed)?
        .ok_or_else(|| SpawnError::NoGroup {
            name: name.to_owned(),
        })
}

fn group_failed(source: io::Error) -> SpawnError {
    SpawnError::Setup {
        step: Step::Group,
        source,
    }
}
