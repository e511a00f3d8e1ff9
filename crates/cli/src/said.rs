//! What can be said of a service on the command line, without a file: the same words as in one, where both have them.

use std::path::{Path, PathBuf};

use aplomb_core::Spec;
use aplomb_core::spec::{Command, Directory, LogTo, RestartWhen};
use aplomb_units::{Source, toml};
use clap::Args;

use crate::failure::Failure;

/// Settings of a service on the command line.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Said {
    /// A variable of its environment; can be given again
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Its working directory
    #[arg(short = 'C', long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Run it as this user
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// What proves that it serves: `notify`, `port 8080`, `http URL`, `log REGEX`, `file PATH`, `fd 3`, `delay 2s`
    #[arg(long, value_name = "PROOF")]
    pub(crate) ready: Option<String>,
    /// The signal that asks it to end [default: SIGTERM]
    #[arg(long, value_name = "SIGNAL", conflicts_with = "stop_plan")]
    pub(crate) stop_signal: Option<String>,
    /// A stop step such as `SIGINT 5s`; given again, the next step
    #[arg(long, value_name = "STEP")]
    pub(crate) stop_plan: Vec<String>,
    /// The time a stop may take before it is killed [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub(crate) budget: Option<String>,
    /// Keep its output in NAME.log in this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
}

/// Which ends call for another run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    Never,
    OnSuccess,
    OnFailure,
    OnAbnormal,
    Always,
}

impl When {
    pub(crate) fn meant(self) -> RestartWhen {
        match self {
            When::Never => RestartWhen::Never,
            When::OnSuccess => RestartWhen::OnSuccess,
            When::OnFailure => RestartWhen::OnFailure,
            When::OnAbnormal => RestartWhen::OnAbnormal,
            When::Always => RestartWhen::Always,
        }
    }
}

impl Said {
    /// The service that runs `command`, with everything that was said of it.
    pub(crate) fn spec(&self, name: &str, command: &[String]) -> Result<Spec, Failure> {
        let mut spec = Spec::new(name);
        self.say_in_toml(&mut spec)?;
        let Some((program, args)) = command.split_first() else {
            return Err(Failure::usage("no program is named"));
        };
        spec.start = vec![Command {
            program: program.clone(),
            args: args.to_vec(),
            ..Command::default()
        }];
        spec.process.env.clone_from(&self.env);
        spec.process.user.clone_from(&self.user);
        if let Some(dir) = &self.dir {
            let path = absolute(dir)?;
            let optional = false;
            spec.process.directory = Some(Directory { path, optional });
        }
        if let Some(dir) = &self.log {
            spec.log.to = LogTo::Directory(absolute(dir)?);
        }
        Ok(spec)
    }

    /// What has a grammar of its own is read by the reader of files, so that both understand the same.
    fn say_in_toml(&self, spec: &mut Spec) -> Result<(), Failure> {
        if let Some(ready) = &self.ready {
            spec.ready = read("--ready", &format!("ready = {}", text(ready)))?.ready;
        }
        let signal = self.stop_signal.as_ref();
        let steps = self.stop_plan.iter().chain(signal);
        let plan: Vec<toml::Value> = steps.map(|step| toml::Value::Text(step.clone())).collect();
        if !plan.is_empty() {
            let option = signal.map_or("--stop-plan", |_| "--stop-signal");
            let plan = toml::Value::List(plan).inline();
            spec.stop.plan = read(option, &format!("stop.plan = {plan}"))?
                .stop
                .plan
                .clone();
        }
        if let Some(budget) = &self.budget {
            let said = read("--budget", &format!("stop.budget = {}", text(budget)))?;
            spec.stop.budget = said.stop.budget;
        }
        Ok(())
    }
}

fn text(text: &str) -> String {
    toml::Value::Text(text.to_owned()).inline()
}

/// A service of which this one line is said.
fn read(option: &str, line: &str) -> Result<Spec, Failure> {
    let source = Source::new(
        "",
        format!("[service.said]\ncommand = [\"said\"]\n{line}\n"),
    );
    let mut diagnostics = Vec::new();
    let loaded = toml::read(&source, &mut diagnostics);
    if let Some(fault) = diagnostics.first() {
        let what = format!("cannot use `{option}`");
        return Err(Failure::usage(what)
            .because(&fault.message)
            .action(fault.action.clone()));
    }
    match loaded.into_iter().next() {
        Some(loaded) => Ok(loaded.spec),
        None => Err(Failure::usage(format!("cannot use `{option}`"))),
    }
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let refused = |why: String| {
        Failure::usage(format!("cannot use the directory `{}`", path.display())).because(why)
    };
    let absolute = std::path::absolute(path).map_err(|error| refused(error.to_string()))?;
    let text = absolute.to_str().map(str::to_owned);
    text.ok_or_else(|| refused("its name is not UTF-8".into()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        Some(_) | None => Err("write it as NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use aplomb_core::spec::{Check, Ready, Request, Stop};
    use aplomb_core::{Duration, Signal};

    use super::*;

    fn command() -> Vec<String> {
        vec!["./größe".into(), "a b".into(), "--port".into()]
    }

    #[test]
    fn the_program_and_its_arguments_are_taken_as_they_are() {
        let spec = Said::default().spec("web", &command()).expect("a spec");
        assert_eq!(spec.start[0].program, "./größe");
        assert_eq!(spec.start[0].args, ["a b", "--port"]);
        assert_eq!(*spec.stop, Stop::default());
        assert_eq!(spec.ready, Ready::Started);
    }

    #[test]
    fn proofs_and_plans_are_said_as_in_a_file() {
        let said = Said {
            ready: Some("port 8080".into()),
            stop_plan: vec!["SIGINT 5s".into(), "SIGTERM".into()],
            budget: Some("1m".into()),
            ..Said::default()
        };
        let spec = said.spec("web", &command()).expect("a spec");
        let Ready::Probe { check, .. } = &spec.ready else {
            panic!("{:?}", spec.ready);
        };
        assert_eq!(*check, Check::Port("127.0.0.1:8080".into()));
        assert_eq!(spec.stop.plan[0].request, Request::Signal(Signal::INT));
        assert_eq!(spec.stop.plan[0].grace, Some(Duration::from_secs(5)));
        assert_eq!(spec.stop.plan.len(), 2);
        assert_eq!(spec.stop.budget, Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_cannot_be_understood_names_its_option() {
        let said = Said {
            stop_signal: Some("SIGNOTHING".into()),
            ..Said::default()
        };
        let failure = said.spec("web", &command()).expect_err("no signal");
        assert_eq!(failure.message, "cannot use `--stop-signal`");
        let said = Said {
            ready: Some("soon \"\n".into()),
            ..Said::default()
        };
        assert!(said.spec("web", &command()).is_err());
    }
}
