//! Between the units and the machine: programs, interpreters, users, directories, files.

use std::collections::BTreeMap;

use aplomb_core::Spec;
use aplomb_core::spec::{Check, Command, Kind, Pause, Process, Ready, Reload, Request};

use super::Stack;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Field, Loaded};
use crate::words::is_absolute;
use crate::world::{FileKind, World};

pub(super) fn check(stack: &Stack<'_>, world: &dyn World, diagnostics: &mut Vec<Diagnostic>) {
    let mut machine = Machine {
        world,
        programs: BTreeMap::new(),
    };
    for unit in stack.units {
        machine.accounts(unit, diagnostics);
        machine.files(unit, diagnostics);
        machine.commands(stack, unit, diagnostics);
    }
}

/// What is wrong, and what to do.
type Fault = (String, String);

struct Machine<'w> {
    world: &'w dyn World,
    /// Many services run the same program; each is looked at once per search path.
    programs: BTreeMap<(String, String), Option<Fault>>,
}

impl Machine<'_> {
    fn accounts(&self, unit: &Loaded, diagnostics: &mut Vec<Diagnostic>) {
        let process = &unit.spec.process;
        let groups = process.group.iter().chain(&process.supplementary_groups);
        let users = process
            .user
            .iter()
            .map(|name| (Field::User, name, "user", self.world.user_exists(name)));
        let groups =
            groups.map(|name| (Field::Group, name, "group", self.world.group_exists(name)));
        for (field, name, what, exists) in users.chain(groups) {
            if !exists {
                let message = format!(
                    "`{}` needs the {what} `{name}`, which does not exist",
                    unit.spec.name
                );
                let action = format!("create the {what}, or write another");
                let place = unit.places.of(field, name).clone();
                diagnostics.push(Diagnostic::refused(place, message, action));
            }
        }
    }

    fn files(&self, unit: &Loaded, diagnostics: &mut Vec<Diagnostic>) {
        let process = &unit.spec.process;
        // Inside another root these paths mean other files.
        if process.root_directory.is_some() {
            return;
        }
        if let Some(directory) = &process.directory
            && !directory.optional
            && process.own_directories.is_empty()
            && is_absolute(&directory.path)
            && self.world.file(&directory.path) != FileKind::Directory
        {
            let message = format!("the working directory `{}` is none", directory.path);
            let place = unit.places.of(Field::WorkingDirectory, &directory.path);
            let action = "create it, or write another";
            diagnostics.push(Diagnostic::refused(place.clone(), message, action));
        }
        for file in process.env_files.iter().filter(|file| !file.optional) {
            let place = unit.places.of(Field::EnvFile, &file.path).clone();
            if !is_absolute(&file.path) {
                let message = format!("the path `{}` is relative, and to nothing known", file.path);
                diagnostics.push(Diagnostic::refused(place, message, "write the whole path"));
            } else if !file.path.contains(['*', '?', '[']) && self.missing(&file.path) {
                let message = format!("the file of variables `{}` does not exist", file.path);
                let action = "create it, or set optional for it";
                diagnostics.push(Diagnostic::refused(place, message, action));
            }
        }
    }

    fn missing(&self, path: &str) -> bool {
        self.world.file(path) == FileKind::Missing
    }

    fn commands(&mut self, stack: &Stack<'_>, unit: &Loaded, diagnostics: &mut Vec<Diagnostic>) {
        if unit.spec.process.root_directory.is_some() {
            return;
        }
        let search = search_path(&unit.spec.process, self.world);
        for command in commands(&unit.spec) {
            let key = (command.program.clone(), search.clone());
            let fault = match self.programs.get(&key) {
                Some(fault) => fault.clone(),
                None => {
                    let fault = self.program(&command.program, &search);
                    self.programs.insert(key, fault.clone());
                    fault
                }
            };
            let Some((message, action)) = fault else {
                continue;
            };
            // What does not exist yet may be what a oneshot is there to make; if it is not, the start says so.
            if self.missing(&command.program) && follows_a_oneshot(stack, unit) {
                continue;
            }
            // An env file may bring another search path, known only at the start.
            let unsure = !is_absolute(&command.program) && !unit.spec.process.env_files.is_empty();
            let severity = if command.ignore_failure || unsure {
                Severity::Warning
            } else {
                Severity::Refused
            };
            let place = unit.places.of(Field::Program, &command.program).clone();
            diagnostics.push(Diagnostic::new(severity, place, message, action));
        }
    }

    /// What is wrong with a program, looked up as the system would when executing it.
    fn program(&self, program: &str, search: &str) -> Option<Fault> {
        if program.contains(['/', '\\']) {
            if !is_absolute(program) {
                return Some((
                    format!("the path `{program}` is relative, and to nothing known"),
                    "write the whole path".into(),
                ));
            }
            return self.executable(program, search);
        }
        match self.world.find_program(program, search) {
            Some(path) => self.interpreter(&path, search),
            None => Some((
                format!("there is no program `{program}` in the search path {search}"),
                "install it, or write the whole path".into(),
            )),
        }
    }

    fn executable(&self, path: &str, search: &str) -> Option<Fault> {
        match self.world.file(path) {
            FileKind::File { executable: true } => self.interpreter(path, search),
            FileKind::File { executable: false } => Some((
                format!("the program `{path}` is not executable"),
                format!("run chmod +x {path}"),
            )),
            FileKind::Directory => Some((
                format!("`{path}` is a directory, not a program"),
                "write the path of a program in it".into(),
            )),
            FileKind::Other => Some((
                format!("`{path}` is no file that can be executed"),
                "write the path of a program".into(),
            )),
            FileKind::Missing => Some((
                format!("the program `{path}` does not exist"),
                "install it, or correct the path".into(),
            )),
        }
    }

    /// What is wrong with the `#!` line of a script.
    fn interpreter(&self, path: &str, search: &str) -> Option<Fault> {
        let head = self.world.head(path)?;
        let line = head.strip_prefix(b"#!")?;
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let correct = || format!("correct the first line of {path}");
        if line.ends_with('\r') {
            let message = format!(
                "the first line of `{path}` ends as on Windows, so its interpreter is not found"
            );
            return Some((message, format!("run sed -i 's/\\r$//' {path}")));
        }
        let mut words = line.split_whitespace();
        let interpreter = words.next()?;
        if !is_absolute(interpreter) {
            let message =
                format!("the interpreter `{interpreter}` of `{path}` is no absolute path");
            return Some((message, correct()));
        }
        if !matches!(
            self.world.file(interpreter),
            FileKind::File { executable: true }
        ) {
            let message = format!("the interpreter `{interpreter}` of `{path}` cannot be executed");
            return Some((message, format!("install it, or {}", correct())));
        }
        let by_env = interpreter.ends_with("/env");
        let named = words.find(|word| !word.starts_with('-') && !word.contains('='));
        let named = named.filter(|name| by_env && !name.contains('/'))?;
        if self.world.find_program(named, search).is_some() {
            return None;
        }
        let message =
            format!("`{path}` is run by `{named}`, which is not in the search path {search}");
        Some((message, format!("install {named}, or {}", correct())))
    }
}

/// Whether a oneshot runs to its end before this one may start.
fn follows_a_oneshot(stack: &Stack<'_>, unit: &Loaded) -> bool {
    let depends = &unit.spec.depends;
    let required = depends
        .requires
        .iter()
        .filter(|name| depends.after.contains(name));
    let peers = required
        .flat_map(|name| stack.named(name))
        .filter_map(|at| stack.units.get(*at));
    peers
        .into_iter()
        .any(|peer| peer.spec.kind == Kind::Oneshot)
}

/// The search path a service's programs are looked up in.
fn search_path(process: &Process, world: &dyn World) -> String {
    if !process.search_path.is_empty() {
        return world.search_path(&process.search_path);
    }
    let own = process.env.iter().rev().find(|(name, _)| name == "PATH");
    match own {
        Some((_, path)) => path.clone(),
        None => world.env("PATH").unwrap_or_default(),
    }
}

/// Every command of a service, wherever it stands.
fn commands(spec: &Spec) -> Vec<&Command> {
    let mut commands: Vec<&Command> = Vec::new();
    commands.extend(spec.start_condition.iter().chain(&spec.start_pre));
    commands.extend(spec.start.iter().chain(&spec.start_post));
    match &spec.reload {
        Reload::Commands(reload) => commands.extend(reload),
        Reload::Impossible | Reload::Signal(_) | Reload::Notify(_) => {}
    }
    match &spec.pause {
        Pause::Commands { pause, resume } => commands.extend([&**pause, &**resume]),
        Pause::Freeze => {}
    }
    if let Ready::Probe { check, .. } = &spec.ready {
        commands.extend(check_command(check));
    }
    commands.extend(
        spec.health
            .as_ref()
            .and_then(|health| check_command(&health.check)),
    );
    commands.extend(spec.stop.pre.as_ref().map(|pre| &pre.command));
    for step in &spec.stop.plan {
        if let Request::Command(command) | Request::CommandOnly(command) = &step.request {
            commands.push(command);
        }
    }
    commands.extend(&spec.stop.post);
    commands.extend(spec.hooks.iter().map(|hook| &hook.command));
    commands
}

fn check_command(check: &Check) -> Option<&Command> {
    match check {
        Check::Command(command) => Some(command),
        Check::Port(_) | Check::Http { .. } | Check::File(_) => None,
    }
}
