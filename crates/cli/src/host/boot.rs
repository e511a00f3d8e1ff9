//! What has to be done so that an engine starts with the machine, as steps that can be shown before they are taken.
//! Which steps, each system knows for itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::failure::Failure;

pub(crate) use super::of_system::boot::{start_now, steps, undo};
use super::scm::installation::Installation;

/// One thing to be done for it.
#[cfg_attr(
    windows,
    expect(dead_code, reason = "files and commands are the way of other systems")
)]
#[cfg_attr(
    unix,
    expect(dead_code, reason = "there is no service control manager here")
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    Write {
        file: PathBuf,
        text: String,
    },
    Run {
        command: Vec<String>,
    },
    /// A service of the service control manager's.
    Service(Installation),
    /// Nothing we can do; words for the operator.
    Tell {
        text: String,
    },
}

impl Step {
    /// As a line for people.
    pub(crate) fn words(&self) -> String {
        match self {
            Step::Write { file, .. } => format!("write `{}`", file.display()),
            Step::Run { command } => format!("run `{}`", command.join(" ")),
            Step::Service(service) => service.words(),
            Step::Tell { text } => text.clone(),
        }
    }

    pub(crate) fn take(&self) -> Result<(), Failure> {
        match self {
            Step::Write { file, text } => write(file, text),
            Step::Run { command } => run(command),
            Step::Service(service) => Ok(service.install(&mut super::scm::open()?)?),
            Step::Tell { .. } => Ok(()),
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    let written = fs::create_dir_all(directory).and_then(|()| fs::write(file, text));
    written.map_err(|error| {
        Failure::failed(format!("cannot write `{}`", file.display())).because(error)
    })
}

fn run(command: &[String]) -> Result<(), Failure> {
    let Some((program, args)) = command.split_first() else {
        return Ok(());
    };
    let what = || format!("`{}` failed", command.join(" "));
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| Failure::failed(what()).because(error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::failed(what()).because(if said.is_empty() {
        output.status.to_string()
    } else {
        said
    }))
}
