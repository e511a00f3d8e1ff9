//! What must hold among the keys of one service: combinations that cannot work, with the keys that make them.

use aplomb_core::spec::{Ready, RestartWhen};
use toml::de::DeTable;

use super::kind::KindWord;
use super::reader::Reader;
use super::service::Service;
use crate::words::{nearest, print_duration, resolve};

/// Tells every impossible combination of this service's settings.
pub(super) fn check(service: &Service, table: &DeTable<'_>, reader: &mut Reader<'_>) {
    let mut sound = Sound {
        service,
        table,
        reader,
    };
    sound.command();
    sound.kind();
    sound.readiness();
    sound.order();
    sound.relative();
}

struct Sound<'s, 'a, 't> {
    service: &'s Service,
    table: &'s DeTable<'t>,
    reader: &'s mut Reader<'a>,
}

impl Sound<'_, '_, '_> {
    /// Refuses at the key if it is written here, else at the service (it came from `[default]`).
    fn refuse(&mut self, key: &str, message: impl Into<String>, action: impl Into<String>) {
        let span = match self.table.get_key_value(key) {
            Some((key, _)) => key.span(),
            None => self.reader.places.unit.span.clone(),
        };
        self.reader.refuse(span, message, action);
    }

    fn command(&mut self) {
        let commands = self.service.spec.start.len();
        let remains = self.service.spec.exit.remain_after_exit;
        // A command with a fault of its own, or under a misspelt key, is missing for that reason only.
        let meant = |key: &str| nearest(key, ["command"]).is_some();
        if commands == 0 && self.table.keys().any(|key| meant(key.get_ref())) {
            return;
        }
        let name = &self.service.spec.name;
        match self.service.kind {
            KindWord::Target if commands > 0 => self.refuse(
                "command",
                format!("`{name}` is a target, which groups services and runs nothing"),
                "remove `command`, or the `kind`",
            ),
            KindWord::Target => {}
            KindWord::Oneshot if commands > 0 || remains => {}
            KindWord::Simple | KindWord::Idle | KindWord::Forking if commands == 1 => {}
            KindWord::Simple | KindWord::Idle | KindWord::Forking if commands > 1 => self.refuse(
                "command",
                format!("`{name}` has {commands} commands, and only a oneshot runs several"),
                "keep one, or add kind = \"oneshot\"",
            ),
            KindWord::Simple | KindWord::Idle | KindWord::Forking | KindWord::Oneshot => self
                .refuse(
                    "",
                    format!("`{name}` has no command"),
                    "add one, such as command = [\"/usr/bin/prog\"]",
                ),
        }
    }

    fn kind(&mut self) {
        let spec = &self.service.spec;
        if self.service.pid_file.is_some() && self.service.kind != KindWord::Forking {
            self.refuse(
                "pid-file",
                "`pid-file` says where a forking service leaves its number, and this one does not fork",
                "remove it, or add kind = \"forking\"",
            );
        }
        let always = matches!(
            spec.restart.when,
            RestartWhen::Always | RestartWhen::OnSuccess
        );
        if self.service.kind == KindWord::Oneshot && always {
            self.refuse(
                "restart",
                "a oneshot that succeeded has done its work and cannot be restarted for it",
                "write restart = \"on-failure\"",
            );
        }
        let without_run = matches!(self.service.kind, KindWord::Oneshot | KindWord::Target);
        for (key, set) in [
            ("health", spec.health.is_some()),
            ("watchdog", spec.watchdog.is_some()),
            ("ready", without_run && spec.ready != Ready::Started),
            (
                "listen",
                self.service.kind == KindWord::Target && !spec.listen.is_empty(),
            ),
        ] {
            if set && without_run {
                self.refuse(
                    key,
                    format!("`{key}` needs a program that goes on running, and this kind of service has none"),
                    "remove it",
                );
            }
        }
    }

    fn readiness(&mut self) {
        let spec = &self.service.spec;
        if let (Ready::Delay(delay), Some(timeout)) = (&spec.ready, spec.start_timeout)
            && *delay >= timeout
        {
            let message = format!(
                "it would be ready after {}, but its start is given up after {}",
                print_duration(*delay),
                print_duration(timeout)
            );
            self.refuse("ready", message, "raise `start-timeout`");
        }
    }

    /// With a working directory of its own, a relative program could be meant from there or from the file.
    fn relative(&mut self) {
        let own = self.reader.source.directory.clone();
        let directory = self.service.spec.process.directory.as_ref();
        let Some(directory) = directory.filter(|directory| directory.path != own) else {
            return;
        };
        for (program, span) in std::mem::take(&mut self.reader.relative) {
            let message = format!("`{program}` could be seen from this file or from `directory`");
            let from_file = resolve(&own, &program);
            let from_directory = resolve(&directory.path, &program);
            let action = format!("write {from_file} or {from_directory}");
            self.reader.refuse(span, message, action);
        }
    }

    fn order(&mut self) {
        let depends = &self.service.spec.depends;
        for name in &self.service.unordered {
            if !depends.requires.contains(name) && !depends.wants.contains(name) {
                let message =
                    format!("`unordered` names `{name}`, which is neither required nor wanted");
                self.refuse("unordered", message, "remove it there");
            }
        }
    }
}
