//! What starts our engine when the machine starts: a unit of systemd's where systemd is the first process. Elsewhere
//! only the operator knows, and is told what to run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use aplomb_core::Spec;

use super::directories::Owner;
use crate::failure::Failure;
use crate::host::boot::Step;

const UNIT: &str = "aplomb.service";

/// What has to be done so that an engine starts what is installed; nothing where that has been done.
pub(crate) fn steps(owner: Owner, _spec: &Spec, _file: &Path) -> Result<Vec<Step>, Failure> {
    let program = env::current_exe()
        .map_err(|error| Failure::failed("cannot tell where `aplomb` lies").because(error))?;
    if !is_systemd_first() {
        return Ok(vec![Step::Tell {
            text: elsewhere(&program, owner),
        }]);
    }
    let file = unit_file(owner);
    let text = unit(&program, owner);
    if fs::read_to_string(&file).is_ok_and(|there| there == text) {
        return Ok(Vec::new());
    }
    let mut steps = vec![
        Step::Write { file, text },
        systemctl(owner, &["daemon-reload"]),
        systemctl(owner, &["enable", UNIT]),
    ];
    if owner == Owner::User {
        // Without it a user's services end when the last session does, and start with the first.
        let command = vec!["loginctl".into(), "enable-linger".into()];
        steps.push(Step::Run { command });
    }
    Ok(steps)
}

/// What starts the installed services at once where no engine runs.
pub(crate) fn start_now(owner: Owner, _service: &str) -> String {
    if !is_systemd_first() {
        return format!("aplomb up -d {}", owner.units().display());
    }
    match systemctl(owner, &["start", UNIT]) {
        Step::Run { command } => command.join(" "),
        Step::Write { .. } | Step::Service(_) | Step::Tell { .. } => String::new(),
    }
}

/// Takes back what was done for one service alone: nothing, as the engine is for all of them.
pub(crate) fn undo(_service: &str) -> Result<(), Failure> {
    Ok(())
}

/// As sd_booted(3).
fn is_systemd_first() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn unit_file(owner: Owner) -> PathBuf {
    match owner {
        Owner::System => Path::new("/etc/systemd/system").join(UNIT),
        Owner::User => owner.configuration().join("systemd/user").join(UNIT),
    }
}

/// The engine gets its own branch of the control groups; its stop takes as long as the services' budgets say, and
/// what it leaves is systemd's to kill.
fn unit(program: &Path, owner: Owner) -> String {
    let target = match owner {
        Owner::System => "multi-user.target",
        Owner::User => "default.target",
    };
    format!(
        "# Made by `aplomb install`.\n\
         [Unit]\n\
         Description=Aplomb, carrying installed services\n\
         After=network.target\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={} engine --load {}\n\
         Restart=on-failure\n\
         KillMode=mixed\n\
         TimeoutStopSec=infinity\n\
         Delegate=yes\n\
         \n\
         [Install]\n\
         WantedBy={target}\n",
        quoted(program),
        quoted(&owner.units()),
    )
}

/// A path as a word of systemd's: quoted, `%` and `$` as themselves.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    let awkward =
        |letter: char| letter.is_whitespace() || letter == '"' || letter == '\'' || letter == '\\';
    if plain.contains(awkward) {
        format!("\"{plain}\"")
    } else {
        plain
    }
}

fn elsewhere(program: &Path, owner: Owner) -> String {
    format!(
        "have your init system run `{} engine --load {}` at boot (systemd is not the first process here)",
        program.display(),
        owner.units().display()
    )
}

fn systemctl(owner: Owner, verb: &[&str]) -> Step {
    let manager: &[&str] = match owner {
        Owner::System => &["systemctl"],
        Owner::User => &["systemctl", "--user"],
    };
    let words = manager.iter().chain(verb).map(|word| (*word).to_owned());
    Step::Run {
        command: words.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_and_percents_is_one_word_of_a_unit() {
        assert_eq!(quoted(Path::new("/usr/bin/aplomb")), "/usr/bin/aplomb");
        assert_eq!(quoted(Path::new("/a b/100%/$x")), "\"/a b/100%%/$$x\"");
    }

    #[test]
    fn our_own_unit_is_understood_as_one() {
        let unit = unit(Path::new("/usr/bin/aplomb"), Owner::System);
        assert!(unit.contains("\nExecStart=/usr/bin/aplomb engine --load /etc/aplomb/services\n"));
        let source = aplomb_units::Source::new("/etc/systemd/system/aplomb.service", unit);
        let (mut faults, world) = (Vec::new(), aplomb_engine::Machine);
        // A branch of the control groups of its own is what only systemd can give us.
        let options = aplomb_units::Options { lenient: true };
        let read = aplomb_units::systemd::read(&[&source], &world, options, &mut faults);
        assert_eq!(read.len(), 1);
        assert!(!aplomb_units::diagnostic::refused(&faults), "{faults:?}");
    }
}
