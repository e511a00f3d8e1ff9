//! What the program finds around it: directory, environment, user, processors, priority, input.

use aplomb_core::spec::{Directory, EnvBase, Stdin};

use super::super::parameters::PRIORITIES;
use super::{Owner, Reader};
use crate::nssm::Value;
use crate::source::Field;

impl Reader<'_> {
    pub(super) fn environment(&mut self) {
        let native = self.key.value("Environment").and_then(Value::list);
        self.variables_of(
            "Environment",
            &native.map(<[String]>::to_vec).unwrap_or_default(),
        );
        let whole = self.list("AppEnvironment");
        if !whole.is_empty() && self.owner == Owner::Nssm {
            self.spec.process.env_base = EnvBase::Clean;
            self.note(
                "AppEnvironment",
                "`AppEnvironment` takes the place of the whole environment; what Aplomb sets for every service stays",
                "compare `aplomb show NAME` with what the program needs",
            );
        }
        self.variables_of("AppEnvironment", &whole);
        let extra = self.list("AppEnvironmentExtra");
        self.variables_of("AppEnvironmentExtra", &extra);
        self.surroundings_of_process();
    }

    fn variables_of(&mut self, name: &str, list: &[String]) {
        for line in list {
            let Some((variable, value)) = line.split_once('=').filter(|(name, _)| !name.is_empty())
            else {
                let message = format!("`{line}` in `{name}` is no variable");
                self.warn(name, message, "write `NAME=VALUE`");
                continue;
            };
            let value = self.expanded(name, value);
            let pair = (variable.to_owned(), value);
            // Later lines see what earlier ones set.
            if let Some(known) = &mut self.variables {
                known.push(pair.clone());
            }
            self.spec
                .process
                .env
                .retain(|(known, _)| !known.eq_ignore_ascii_case(variable));
            self.spec.process.env.push(pair);
        }
    }

    fn surroundings_of_process(&mut self) {
        let directory = self.text("AppDirectory");
        self.spec.process.directory = directory.map(|path| {
            let path = path.trim_matches('"').to_owned();
            let place = self.place("AppDirectory");
            self.places
                .say(Field::WorkingDirectory, path.clone(), place);
            Directory {
                path,
                optional: false,
            }
        });
        if self.spec.process.directory.is_none() {
            self.spec.process.directory = self.directory_of_program();
        }
        if let Some(path) = self.text("AppStdin") {
            let path = self.below_directory(&path);
            self.spec.process.stdin = Stdin::File(path);
        }
        if let Some(class) = self.number("AppPriority") {
            match PRIORITIES.iter().find(|(_, known, _)| *known == class) {
                Some((.., 0)) => {}
                Some((.., nice)) => self.spec.process.nice = Some(*nice),
                None => {
                    let message = format!(
                        "`AppPriority` is {class}, which is no class; NSSM takes the normal one"
                    );
                    self.warn("AppPriority", message, "remove the value");
                }
            }
        }
        self.processors();
        self.user();
    }

    /// Where nothing is said NSSM takes the directory the program lies in.
    fn directory_of_program(&mut self) -> Option<Directory> {
        let program = self.text("Application")?;
        let program = program.trim_matches('"');
        let (directory, _) = program.rsplit_once(['\\', '/'])?;
        let root = if directory.ends_with(':') { r"\" } else { "" };
        Some(Directory {
            path: format!("{directory}{root}"),
            optional: false,
        })
    }

    /// A path as the program's directory makes it whole.
    pub(super) fn below_directory(&self, path: &str) -> String {
        let is_whole = path.starts_with(['\\', '/']) || path.as_bytes().get(1) == Some(&b':');
        match &self.spec.process.directory {
            Some(directory) if !is_whole => {
                let directory = directory.path.trim_end_matches(['\\', '/']);
                format!(r"{directory}\{path}")
            }
            Some(_) | None => path.to_owned(),
        }
    }

    fn processors(&mut self) {
        let Some(said) = self.text("AppAffinity") else {
            return;
        };
        let members = said.split(',').map(|member| {
            let (first, last) = member.split_once('-').unwrap_or((member, member));
            let first: u16 = first.trim().parse().ok()?;
            let last: u16 = last.trim().parse().ok()?;
            (last < 64 && first <= last).then_some(first..=last)
        });
        match members.collect::<Option<Vec<_>>>() {
            Some(members) => {
                self.spec.process.cpu_affinity = members.into_iter().flatten().collect();
            }
            None if said.eq_ignore_ascii_case("All") => {}
            None => {
                let message = format!("`AppAffinity` is `{said}`, which is no set of processors");
                self.warn("AppAffinity", message, "write it as `0-2,4`");
            }
        }
    }

    /// LocalSystem is who runs us; everybody else is named.
    fn user(&mut self) {
        let account = self.key.value("ObjectName").and_then(Value::text);
        let Some(account) = account.map(str::to_owned).filter(|name| !name.is_empty()) else {
            return;
        };
        if account.eq_ignore_ascii_case("LocalSystem") {
            return;
        }
        let place = self.place("ObjectName");
        self.places.say(Field::User, account.clone(), place);
        self.spec.process.user = Some(account);
    }
}
