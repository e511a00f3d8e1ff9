//! How long `aplomb check` takes to read 1,000 units, in either dialect.

use std::fs;
use std::process::ExitStatus;
use std::time::Duration;

use crate::board::now;
use crate::figures::{CHECK, Figure, Sheet};
use crate::launch::{Stage, Yard};
use crate::obtain::Tools;
use crate::options::Options;
use crate::peers::{Plan, Service, aplomb_units};
use crate::trouble::{Outcome, Trouble};

const UNITS: usize = 1000;

pub(crate) fn measure(tools: &Tools, yard: &Yard, options: &Options, sheet: &mut Sheet) {
    for _ in 0..options.rounds {
        for dialect in [Dialect::Toml, Dialect::Systemd] {
            if let Err(trouble) = one(dialect, tools, yard, sheet) {
                sheet.note(CHECK, trouble.to_string());
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Dialect {
    Toml,
    Systemd,
}

impl Dialect {
    fn figures(self) -> (Figure, Figure) {
        match self {
            Dialect::Toml => (Figure::CheckToml, Figure::CheckTomlCpu),
            Dialect::Systemd => (Figure::CheckSystemd, Figure::CheckSystemdCpu),
        }
    }

    /// Writes the units; returns what `check` is to be given.
    fn write(self, stage: &Stage, services: &[Service]) -> Outcome<String> {
        let site = &stage.site;
        match self {
            Dialect::Toml => fs::write(site.path("units.toml"), aplomb_units(services))?,
            Dialect::Systemd => {
                fs::create_dir(site.path("units"))?;
                for service in services {
                    let text = format!(
                        "[Unit]\nDescription=Service {}\n\n[Service]\nExecStart={}\nRestart=always\n\n[Install]\nWantedBy=multi-user.target\n",
                        service.name,
                        service.line()
                    );
                    fs::write(
                        site.path("units").join(format!("{}.service", service.name)),
                        text,
                    )?;
                }
            }
        }
        Ok(site.text(match self {
            Dialect::Toml => "units.toml",
            Dialect::Systemd => "units",
        }))
    }
}

fn one(dialect: Dialect, tools: &Tools, yard: &Yard, sheet: &mut Sheet) -> Outcome<()> {
    let stage = Stage::prepare(yard, UNITS)?;
    let given = dialect.write(&stage, &stage.children())?;
    let plan = Plan {
        argv: vec![tools.path("aplomb"), "check".into(), given],
        ..Plan::default()
    };
    let mut stack = stage.launch(plan)?;
    let status: ExitStatus = stack.wait_for_end(Duration::from_secs(30))?;
    let ended = now();
    if !status.success() {
        let program = CHECK.to_owned();
        let said = format!("{status}{}", stack.said());
        return Err(Trouble::Failed { program, said });
    }
    let (wall, cpu) = dialect.figures();
    sheet.add(CHECK, wall, (ended - stack.launched()?) as f64 / 1e6);
    sheet.add(CHECK, cpu, stack.group().cpu()? as f64 / 1e6);
    Ok(())
}
