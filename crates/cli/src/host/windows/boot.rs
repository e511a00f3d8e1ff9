//! What starts a service when the machine starts: the service control manager, which starts one process for each. Without
//! an administrator's rights only the user knows, and is told what to run.

use std::env;
use std::path::Path;

use aplomb_core::Spec;

use super::directories::Owner;
use crate::failure::Failure;
use crate::host::boot::Step;
use crate::host::scm;
use crate::host::scm::installation::{self, Installation};

/// What has to be done so that the service starts with the machine.
pub(crate) fn steps(owner: Owner, spec: &Spec, file: &Path) -> Result<Vec<Step>, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::failed("cannot tell where `aplomb` lies").because(error))?;
    let step = match owner {
        Owner::System => Step::Service(Installation::of(
            spec,
            &program.to_string_lossy(),
            &file.to_string_lossy(),
        )),
        Owner::User => Step::Tell {
            text: format!(
                "have it started when you log on: \"{}\" engine --load \"{}\"",
                program.display(),
                owner.units().display()
            ),
        },
    };
    Ok(vec![step])
}

/// What starts the installed service at once.
pub(crate) fn start_now(owner: Owner, service: &str) -> String {
    match owner {
        Owner::System => format!("aplomb nssm start \"{service}\""),
        Owner::User => format!("aplomb up -d \"{}\"", owner.units().display()),
    }
}

/// Takes back what was done for one service: it is stopped, and the manager forgets it.
pub(crate) fn undo(service: &str) -> Result<(), Failure> {
    installation::remove(&mut scm::open()?, service)?;
    Ok(())
}
