//! What NSSM says, word for word: scripts read it. Checked against the real program by `cargo xtask wine-oracle`.
//!
//! A message ends with CR LF, and text mode makes CR CR LF of that; values end with CR LF on the wire. Both are part
//! of what scripts see, so that texts here hold the line ends NSSM's message table has, and `encode` adds the rest.

/// What `version` prints; the release whose behaviour this is.
pub(super) const VERSION: &str = "NSSM 2.24-101-g897c7ad 64-bit 2017-04-26\n";

/// How to use the command line.
pub(super) const USAGE: &str = "\
NSSM: The non-sucking service manager
Version 2.24-101-g897c7ad 64-bit, 2017-04-26
Usage: nssm <option> [<args> ...]

To show service installation GUI:

        nssm install [<servicename>]

To install a service without confirmation:

        nssm install <servicename> <app> [<args> ...]

To show service editing GUI:

        nssm edit <servicename>

To retrieve or edit service parameters directly:

        nssm dump <servicename>

        nssm get <servicename> <parameter> [<subparameter>]

        nssm set <servicename> <parameter> [<subparameter>] <value>

        nssm reset <servicename> <parameter> [<subparameter>]

To show service removal GUI:

        nssm remove [<servicename>]

To remove a service without confirmation:

        nssm remove <servicename> confirm

To manage a service:

        nssm start <servicename>

        nssm stop <servicename>

        nssm restart <servicename>

        nssm status <servicename>

        nssm statuscode <servicename>

        nssm rotate <servicename>

        nssm processes <servicename>";

/// Ours: NSSM opens a window instead.
pub(super) const NO_WINDOW: &str = "There is no window here.\n\
    `nssm install <servicename> <app>` installs, `nssm set <servicename> <parameter> <value>` changes,\n\
    `nssm dump <servicename>` shows all there is.  `aplomb install` and `aplomb edit` open a form.";
pub(super) const OPEN_MANAGER: &str = "Error opening service manager!";
pub(super) const DELETE_FAILED: &str = "Error deleting service!";
pub(super) const PRE_REMOVE: &str =
    "To remove a service without confirmation: nssm remove <servicename> confirm";
pub(super) const FLAGS_TOO_LONG: &str = "The program flags are too long!";
pub(super) const CANNOT_RENAME: &str = "Services cannot be renamed!";
pub(super) const PARAMETERS_FAILED: &str = "Error setting startup parameters for the service!";
pub(super) const BAD_ENVIRONMENT: &str =
    "Environment should comprise strings of the form KEY=VALUE.";
pub(super) const BAD_HOOK_EVENT: &str = "Invalid hook event.  Valid hook events are:";
pub(super) const BAD_HOOK_NAME: &str =
    "Invalid hook name.  Names should be specified in the form <event>/<action>.";
pub(super) const NOT_ADMINISTRATOR_INSTALL: &str =
    "Administrator access is needed to install a service.";
pub(super) const NOT_ADMINISTRATOR_REMOVE: &str =
    "Administrator access is needed to remove a service.";

pub(super) fn opened_not(why: &str) -> String {
    format!("Can't open service!\nOpenService(): {why}")
}

pub(super) fn enumerated_not(why: &str) -> String {
    format!("Can't open service!\nEnumServicesStatus(): {why}")
}

pub(super) fn queried_not(service: &str, why: &str) -> String {
    format!("Error querying service \"{service}\"!\nQueryServiceConfig(): {why}")
}

pub(super) fn created_not(why: &str) -> String {
    format!("Error creating service!\nCreateService(): {why}")
}

pub(super) fn changed_not(why: &str) -> String {
    format!("Error editing service!\nChangeServiceConfig(): {why}")
}

pub(super) fn installed(service: &str) -> String {
    format!("Service \"{service}\" installed successfully!")
}

pub(super) fn removed(service: &str) -> String {
    format!("Service \"{service}\" removed successfully!")
}

pub(super) fn not_ours(service: &str, image: &str) -> String {
    format!("Service \"{service}\" is not a valid NSSM service!\nExecutable is {image}")
}

pub(super) fn not_editable(service: &str) -> String {
    format!("Service \"{service}\" is not a SERVICE_WIN32_OWN_PROCESS service!")
}

pub(super) fn only_for_ours(parameter: &str) -> String {
    format!("Parameter \"{parameter}\" is only valid for services managed by NSSM!")
}

pub(super) fn unknown_parameter(parameter: &str) -> String {
    format!("Invalid parameter \"{parameter}\".  Valid parameters are:")
}

pub(super) fn needs_subparameter(parameter: &str) -> String {
    format!("Parameter \"{parameter}\" requires a subparameter!")
}

pub(super) fn no_default(parameter: &str) -> String {
    format!("Parameter \"{parameter}\" has no meaningful default value!")
}

pub(super) fn got_not(parameter: &str, service: &str) -> String {
    format!("Error getting parameter \"{parameter}\" for service \"{service}\"!")
}

pub(super) fn set_not(parameter: &str, service: &str) -> String {
    format!("Error setting parameter \"{parameter}\" for service \"{service}\"!")
}

pub(super) fn set(parameter: &str, service: &str) -> String {
    format!("Set parameter \"{parameter}\" for service \"{service}\".")
}

pub(super) fn reset(parameter: &str, service: &str) -> String {
    format!("Reset parameter \"{parameter}\" for service \"{service}\" to its default.")
}

pub(super) fn bad_exit_action(action: &str) -> String {
    format!("Invalid exit action \"{action}\".  Valid exit actions are:")
}

pub(super) fn bad_type(word: &str) -> String {
    format!("Invalid service type \"{word}\".  Valid types are:")
}

pub(super) fn bad_startup(word: &str) -> String {
    format!("Invalid startup type \"{word}\".  Valid types are:")
}

pub(super) fn bad_priority(word: &str) -> String {
    format!("Invalid process priority \"{word}\".  Valid priorities are:")
}

pub(super) fn needs_password(parameter: &str) -> String {
    format!("Setting \"{parameter}\" requires both a username and password!")
}

pub(super) fn interactive_needs_system(kind: &str, service: &str) -> String {
    format!(
        "Service type \"{kind}\" is invalid for service \"{service}\".\nOnly services running under the LocalSystem \
         account may be interactive."
    )
}

pub(super) fn granted_not(account: &str) -> String {
    format!("Failed to grant the \"Log on as a service\" right to account {account}!")
}

pub(super) fn bad_hook_action(event: &str) -> String {
    format!("Invalid hook action for event {event}.  Valid hook actions are:")
}

pub(super) fn bad_affinity(word: &str, last: u32) -> String {
    format!(
        "Affinity specification \"{word}\" is invalid.\nValid specifications are of the form \"0-2,4-6,10,15\"\n\
         Identifiers must be in the range 0-{last} on this system."
    )
}

pub(super) fn cut_affinity(wanted: &str, system: &str, effective: &str) -> String {
    format!(
        "Requested processor affinity range {wanted} is not appropriate.\n\
         The maximal affinity range is {system} on this system.\n\
         The requested affinity will be written to the registry as-is.\n\
         Note, however, that the effective affinity will be {effective}."
    )
}

pub(super) fn unexpected_status(service: &str, status: &str, control: &str) -> String {
    format!("{service}: Unexpected status {status} in response to {control} control.")
}
