//! What starts an engine when the machine starts: the service control manager, by a service of our own name.

use std::env;

use super::directories::Owner;
use crate::failure::Failure;
use crate::host::boot::Step;

/// What has to be done so that an engine starts what is installed.
pub(crate) fn steps(owner: Owner) -> Result<Vec<Step>, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::failed("cannot tell where `aplomb` lies").because(error))?;
    let text = match owner {
        Owner::System => format!(
            "have it started at boot: sc create Aplomb start= auto binPath= \"\\\"{}\\\" service Aplomb --load \\\"{}\\\"\"",
            program.display(),
            owner.units().display()
        ),
        Owner::User => format!(
            "have it started when you log on: \"{}\" engine --load \"{}\"",
            program.display(),
            owner.units().display()
        ),
    };
    Ok(vec![Step::Tell { text }])
}

/// What starts the installed services at once where no engine runs.
pub(crate) fn start_now(owner: Owner) -> String {
    format!("aplomb up -d \"{}\"", owner.units().display())
}
