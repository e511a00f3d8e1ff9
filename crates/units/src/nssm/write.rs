//! From a spec to the values of a service's key: what NSSM can say, and a note for everything else.
//!
//! Only what differs from NSSM's own defaults is written, as its command line would write it. Reading the values back
//! gives the same spec, but for what the notes name.

mod lost;
mod policy;

use std::sync::Arc;

use aplomb_core::Spec;
use aplomb_core::spec::{EnvBase, LogTo, StartMode, StderrTo, Stdin, Timestamps};

use super::parameters::PRIORITIES;
use super::value::{Key, Value};
use crate::diagnostic::{Diagnostic, Place};
use crate::words::join_windows;

/// The key of one service, and what NSSM has no word for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What stands below `Services\NAME`.
    pub key: Key,
    pub lost: Vec<Diagnostic>,
}

/// Writes one service.
pub fn write(spec: &Spec) -> Written {
    let mut out = Out {
        name: Arc::from(spec.name.as_str()),
        key: Key::default(),
        lost: Vec::new(),
    };
    out.native(spec);
    out.program(spec);
    out.surroundings(spec);
    out.output(spec);
    policy::write(spec, &mut out);
    lost::tell(spec, &mut out);
    Written {
        key: out.key,
        lost: out.lost,
    }
}

/// The text regedit imports, with the keys of several services.
pub fn export(services: &[(String, Key)]) -> String {
    let mut root = Key::default();
    let keys = root.make(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services");
    keys.keys.extend(services.iter().cloned());
    super::print_reg(&root)
}

struct Out {
    name: Arc<str>,
    key: Key,
    lost: Vec<Diagnostic>,
}

impl Out {
    /// `what` cannot be said to NSSM.
    fn lose(&mut self, what: &str, action: &str) {
        let message = format!("NSSM has no word for {what}");
        let place = Place::new(&self.name, 0..0);
        self.lost.push(Diagnostic::noted(place, message, action));
    }

    fn parameters(&mut self) -> &mut Key {
        self.key.make("Parameters")
    }

    fn expand(&mut self, name: &str, text: impl Into<String>) {
        let text = text.into();
        if text.contains('%') {
            self.lose(
                &format!("a `%` in `{name}` that is no variable"),
                "avoid names with `%`",
            );
        }
        self.parameters().set(name, Value::Expand(text));
    }

    fn number(&mut self, name: &str, number: u32) {
        self.parameters().set(name, Value::Number(number));
    }

    fn native(&mut self, spec: &Spec) {
        let (start, text) = (
            match spec.start_mode {
                StartMode::Auto => 2,
                StartMode::Manual => 3,
                StartMode::Disabled => 4,
            },
            &spec.description,
        );
        let key = &mut self.key;
        key.set("Type", Value::Number(0x10));
        key.set("Start", Value::Number(start));
        key.set("ErrorControl", Value::Number(1));
        key.set("ImagePath", Value::Expand("nssm.exe".to_owned()));
        key.set("DisplayName", Value::Text(spec.name.clone()));
        let user = spec.process.user.clone();
        key.set(
            "ObjectName",
            Value::Text(user.unwrap_or_else(|| "LocalSystem".into())),
        );
        if !text.is_empty() {
            key.set("Description", Value::Text(text.clone()));
        }
        let mut depends: Vec<String> = Vec::new();
        for name in spec.depends.requires.iter().chain(&spec.depends.wants) {
            if spec.depends.after.contains(name) && !depends.contains(name) {
                depends.push(name.clone());
            }
        }
        if !depends.is_empty() {
            key.set("DependOnService", Value::List(depends));
        }
    }

    fn program(&mut self, spec: &Spec) {
        let Some(command) = spec.start.first() else {
            self.lose("a service without a program", "leave it out");
            return;
        };
        self.expand("Application", command.program.clone());
        self.expand("AppParameters", join_windows(&command.args));
        let directory = spec.process.directory.as_ref();
        self.expand(
            "AppDirectory",
            directory.map_or_else(String::new, |directory| directory.path.clone()),
        );
    }

    fn surroundings(&mut self, spec: &Spec) {
        let process = &spec.process;
        if !process.env.is_empty() {
            let lines = process
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            let lines = Value::List(lines.collect());
            let name = match process.env_base {
                EnvBase::Inherit => "AppEnvironmentExtra",
                EnvBase::Clean => "AppEnvironment",
            };
            self.parameters().set(name, lines);
        }
        match &process.stdin {
            Stdin::Null => {}
            Stdin::File(path) => self.expand("AppStdin", path.clone()),
            Stdin::Text(_) | Stdin::Inherit => {
                self.lose("this standard input", "name a file");
            }
        }
        if !process.cpu_affinity.is_empty() {
            let members: Vec<String> = process.cpu_affinity.iter().map(u16::to_string).collect();
            let text = Value::Text(members.join(","));
            self.parameters().set("AppAffinity", text);
        }
        if let Some(nice) = process.nice.filter(|nice| *nice != 0) {
            let nearest = PRIORITIES
                .iter()
                .filter(|(.., known)| known.signum() == nice.signum())
                .min_by_key(|(.., known)| known.abs_diff(nice));
            if let Some((word, class, known)) = nearest {
                self.number("AppPriority", *class);
                if *known != nice {
                    self.lose(
                        &format!("a niceness of {nice}; `{word}` is near"),
                        "leave it",
                    );
                }
            }
        }
    }

    fn output(&mut self, spec: &Spec) {
        let log = &spec.log;
        self.sink("AppStdout", &log.to);
        match &log.stderr {
            StderrTo::Same => self.sink("AppStderr", &log.to),
            StderrTo::To(to) => self.sink("AppStderr", to),
            StderrTo::Own => {}
        }
        if log.timestamps == Timestamps::Utc {
            self.number("AppTimestampLog", 1);
        }
        let rotate = &log.rotate;
        let (size, age) = (rotate.size, rotate.age);
        if size.is_none() && age.is_none() {
            return;
        }
        self.number("AppRotateFiles", 1);
        self.number("AppRotateOnline", 1);
        if let Some(size) = size {
            let low = u32::try_from(size.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX);
            let high = u32::try_from(size.0 >> 32).unwrap_or(u32::MAX);
            self.number("AppRotateBytes", low);
            if high > 0 {
                self.number("AppRotateBytesHigh", high);
            }
        }
        if let Some(age) = age {
            let seconds = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
            match size {
                None => self.number("AppRotateSeconds", seconds),
                Some(_) => self.lose("a new file by size or by age", "choose one of the two"),
            }
        }
    }

    fn sink(&mut self, name: &str, to: &LogTo) {
        match to {
            LogTo::File(path) => self.expand(name, path.clone()),
            LogTo::Truncate(path) => {
                self.expand(name, path.clone());
                self.number(&format!("{name}CreationDisposition"), 2);
            }
            LogTo::Nothing => self.expand(name, "NUL"),
            LogTo::Default => self.lose(
                &format!("a log of its own for `{name}`"),
                "say which file with `log.to`",
            ),
            LogTo::Directory(_) | LogTo::Journal | LogTo::Inherit => {
                self.lose(
                    &format!("where `{name}` goes"),
                    "say which file with `log.to`",
                );
            }
        }
    }
}
