//! `aplomb adopt`: services of NSSM's and srvany's become Aplomb's, where they are.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::adoption::{AdoptionError, Plan, adopt, candidates, plan};
use crate::failure::{Exit, Failure};
use crate::host::scm;
use crate::ui::Form;

/// Host services of NSSM's or srvany's from now on (Windows)
///
/// Shows what changes, then has the service manager start Aplomb instead of NSSM; the service's own settings stay where
/// they are. In force from the next start of each service. `aplomb release` undoes it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aplomb adopt --all --dry-run       what would change
  aplomb adopt web
  aplomb restart web                 now, instead of at its next start")]
pub(crate) struct Adopt {
    /// The services
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Every service of NSSM's or srvany's
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Adopt {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut system = scm::open()?;
        let image = super::nssm::hosting_image();
        let names = match self.all {
            true => candidates(&system, &image)?,
            false => self.names.clone(),
        };
        let plans = names.iter().map(|name| plan(&system, name, &image));
        let plans: Vec<Plan> = plans.collect::<Result<_, AdoptionError>>()?;
        for plan in &plans {
            if !self.dry_run {
                adopt(&mut system, plan)?;
            }
        }
        if context.ui.form == Form::Json {
            let report = json!({ "adopted": !self.dry_run, "services": plans });
            context.ui.answer_json(&report)?;
            return Ok(Exit::Done);
        }
        if plans.is_empty() {
            context
                .ui
                .note("there is no service of NSSM's or srvany's left to adopt");
            return Ok(Exit::Done);
        }
        let shown: Vec<String> = plans.iter().map(|plan| words(plan, self.dry_run)).collect();
        context.ui.answer(&shown.join("\n"))?;
        Ok(Exit::Done)
    }
}

/// What changes, as a diff with its remarks.
fn words(plan: &Plan, dry_run: bool) -> String {
    let head = match dry_run {
        true => format!("{}: would be adopted", plan.service),
        false => format!("{}: adopted", plan.service),
    };
    let mut lines = vec![
        head,
        format!("  - ImagePath {}", plan.from),
        format!("  + ImagePath {}", plan.to),
    ];
    let (before, after) = plan.preshutdown;
    if before != after {
        lines.push(format!("  - PreshutdownTimeout {before} ms"));
        lines.push(format!("  + PreshutdownTimeout {after} ms"));
    }
    if plan.sets_recovery {
        lines.push("  + recovery: restart after 1 s, 10 s, then every 60 s".to_owned());
    }
    lines.extend(
        plan.remarks
            .iter()
            .map(|remark| format!("  note: {remark}")),
    );
    if plan.is_running {
        lines.push("  it runs; in force from its next start".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

impl From<AdoptionError> for Failure {
    fn from(error: AdoptionError) -> Failure {
        let (exit, action) = match &error {
            AdoptionError::Unknown { .. } => {
                (Exit::Unknown, "`aplomb nssm list` names those there are")
            }
            AdoptionError::Foreign { .. } => (
                Exit::Failed,
                "`aplomb install NAME PROGRAM` makes a new one; `aplomb import winsw FILE.xml` reads WinSW's",
            ),
            AdoptionError::Ours { .. } => (Exit::Failed, "`aplomb release NAME` gives it back"),
            AdoptionError::NotAdopted { .. } => (Exit::Failed, "leave it as it is"),
            AdoptionError::Marked { .. } => (
                Exit::Failed,
                "close the Services console and Task Manager, or restart the machine",
            ),
            AdoptionError::NotPermitted { .. } => (Exit::Failed, "run it as administrator"),
            AdoptionError::Refused { .. } => {
                (Exit::Failed, "look at the service with `sc qc NAME`")
            }
        };
        Failure::new(exit, error.to_string()).action(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_as_a_diff() {
        let plan = Plan {
            service: "web".into(),
            from: r"C:\nssm.exe".into(),
            to: r"C:\aplomb.exe nssm".into(),
            preshutdown: (10_000, 35_000),
            sets_recovery: true,
            remarks: vec!["NSSM rotates at every start".into()],
            is_running: true,
        };
        assert_eq!(
            words(&plan, true),
            "web: would be adopted
  - ImagePath C:\\nssm.exe
  + ImagePath C:\\aplomb.exe nssm
  - PreshutdownTimeout 10000 ms
  + PreshutdownTimeout 35000 ms
  + recovery: restart after 1 s, 10 s, then every 60 s
  note: NSSM rotates at every start
  it runs; in force from its next start
"
        );
    }
}
