//! A unit while it is read: the spec so far, and what several keys say together until all are known.
//!
//! Each key of the table has one function that takes a [`Draft`] and an [`Input`]. What only the whole unit can tell
//! (the stop plan, readiness, the start limit) is put together in `finish`.

use std::ops::Range;
use std::time::Duration;

use aplomb_core::spec::{
    Capabilities, Command, EnvBase, LogTo, NotifyFrom, OwnDirectoryKind, Sandbox, Whom,
};
use aplomb_core::{Signal, Spec};

use super::fault::Fault;
use super::lex::Value;
use super::specifier::Specifiers;
use super::time_span::{self, QuantityError};
use super::words::{self, Backslash, Word};
use crate::source::Field;
use crate::world::World;

/// One assignment with what is known around it.
pub(super) struct Input<'a> {
    /// The key as written in the table.
    pub key: &'static str,
    pub value: &'a Value,
    pub specifiers: &'a Specifiers<'a>,
}

/// What `Type=` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceType {
    Simple,
    Exec,
    Forking,
    Oneshot,
    Dbus,
    Notify,
    NotifyReload,
    Idle,
}

/// A unit while it is read.
#[derive(Debug)]
pub(super) struct Draft {
    pub spec: Spec,
    pub service_type: Option<ServiceType>,
    pub notify_access: Option<NotifyFrom>,
    pub pid_file: Option<String>,
    pub has_bus_name: bool,
    /// `SuccessAction=` that is not carried out: the service need do nothing itself.
    pub has_success_action: bool,
    pub remain_after_exit: bool,
    /// The outer `None` is "not said", the inner one "for ever".
    pub timeout_start: Option<Option<Duration>>,
    pub timeout_stop: Option<Duration>,
    pub stop_commands: Vec<Command>,
    pub kill_mode: Whom,
    pub kill_signal: Signal,
    pub final_kill_signal: Signal,
    pub send_sigkill: bool,
    pub reload_commands: Vec<Command>,
    pub reload_signal: Option<Signal>,
    pub restart_steps: u32,
    pub restart_max_delay: Option<Duration>,
    pub limit_window: Option<Duration>,
    pub limit_starts: u32,
    pub stdout: Option<LogTo>,
    /// The outer `None` is "not said", the inner one `inherit`.
    pub stderr: Option<Option<LogTo>>,
    pub stdin_text: Vec<u8>,
    pub stdin_is_data: bool,
    pub rate_window: Option<Duration>,
    pub rate_burst: Option<u32>,
    pub directory_modes: Vec<(OwnDirectoryKind, u32)>,
    pub runtime_preserve: bool,
    /// `Sockets=` of a service, `Service=` of a socket.
    pub partners: Vec<String>,
    /// What a socket unit says for all its addresses.
    pub socket: super::socket::Common,
    pub also: Vec<String>,
    pub aliases: Vec<String>,
    pub default_instance: Option<String>,
    /// Started when the engine starts: `WantedBy=` of a target everybody reaches.
    pub enabled: bool,
    /// Said about the value that is being read; taken by whoever knows its file.
    pub faults: Vec<Fault>,
    /// As `faults`: what later checks may have to point at.
    pub said: Vec<(Field, String, Option<Range<usize>>)>,
}

impl Draft {
    /// With systemd's defaults, where they differ from the spec's.
    pub(super) fn new(name: &str) -> Draft {
        let mut spec = Spec::new(name);
        spec.process.env_base = EnvBase::Clean;
        spec.process.umask = Some(0o022);
        spec.process.ignore_sigpipe = true;
        spec.log.level_prefix = true;
        spec.start_mode = aplomb_core::spec::StartMode::Manual;
        super::restart::defaults(&mut spec.restart);
        Draft {
            spec,
            service_type: None,
            notify_access: None,
            pid_file: None,
            has_bus_name: false,
            has_success_action: false,
            remain_after_exit: false,
            timeout_start: None,
            timeout_stop: Some(super::stop::TIMEOUT),
            stop_commands: Vec::new(),
            kill_mode: Whom::Tree,
            kill_signal: Signal::TERM,
            final_kill_signal: Signal::KILL,
            send_sigkill: true,
            reload_commands: Vec::new(),
            reload_signal: None,
            restart_steps: 0,
            restart_max_delay: None,
            limit_window: Some(super::restart::LIMIT_WINDOW),
            limit_starts: super::restart::LIMIT_STARTS,
            stdout: None,
            stderr: None,
            stdin_text: Vec::new(),
            stdin_is_data: false,
            rate_window: None,
            rate_burst: None,
            directory_modes: Vec::new(),
            runtime_preserve: false,
            partners: Vec::new(),
            socket: super::socket::Common::default(),
            also: Vec::new(),
            aliases: Vec::new(),
            default_instance: None,
            enabled: false,
            faults: Vec::new(),
            said: Vec::new(),
        }
    }

    /// The sandbox, made when the first key asks for one.
    pub(super) fn sandbox(&mut self) -> &mut Sandbox {
        self.spec.process.sandbox.get_or_insert_with(|| {
            Box::new(Sandbox {
                ambient: Capabilities(0),
                ..Sandbox::default()
            })
        })
    }

    pub(super) fn say(&mut self, field: Field, value: &str, range: Option<Range<usize>>) {
        self.said.push((field, value.to_owned(), range));
    }
}

impl<'a> Input<'a> {
    pub(super) fn text(&self) -> &'a str {
        &self.value.text
    }

    /// An empty value takes back what was said before.
    pub(super) fn is_empty(&self) -> bool {
        self.value.text.is_empty()
    }

    pub(super) fn world(&self) -> &dyn World {
        self.specifiers.world
    }

    pub(super) fn boolean(&self) -> Result<bool, Fault> {
        time_span::boolean(self.text())
            .ok_or_else(|| self.bad("is neither yes nor no", "write `yes` or `no`"))
    }

    /// A span of seconds; `None` is for ever.
    pub(super) fn span(&self) -> Result<Option<Duration>, Fault> {
        time_span::seconds(self.text())
            .map_err(|why| self.bad_quantity(why, "write a span such as `1min 30s`"))
    }

    /// A span of seconds of which 0 too means for ever.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, Fault> {
        Ok(self.span()?.filter(|span| !span.is_zero()))
    }

    pub(super) fn signal(&self) -> Result<Signal, Fault> {
        signal(self.text())
            .ok_or_else(|| self.bad("is no signal", "write a name such as `SIGTERM`"))
    }

    pub(super) fn number<T: std::str::FromStr>(&self) -> Result<T, Fault> {
        let text = self.text();
        text.parse()
            .map_err(|_| self.bad("is no number that fits here", "write a whole number"))
    }

    /// Octal permission bits.
    pub(super) fn mode(&self) -> Result<u32, Fault> {
        u32::from_str_radix(self.text(), 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)
            .ok_or_else(|| self.bad("is no file mode", "write octal digits such as `0755`"))
    }

    /// The value with specifiers replaced.
    pub(super) fn expanded(&self) -> Result<String, Fault> {
        self.expand(self.text(), None)
    }

    /// A part of the value with specifiers replaced.
    pub(super) fn expand(&self, text: &str, range: Option<Range<usize>>) -> Result<String, Fault> {
        self.specifiers.expand(text).map_err(|why| Fault {
            range,
            ..Fault::warning(
                format!("{why}; `{}=` is ignored", self.key),
                "write the value itself",
            )
        })
    }

    /// The value as an absolute path, specifiers replaced, made plain.
    pub(super) fn path(&self) -> Result<String, Fault> {
        self.absolute(self.text(), None)
    }

    /// A part of the value as an absolute path.
    pub(super) fn absolute(
        &self,
        text: &str,
        range: Option<Range<usize>>,
    ) -> Result<String, Fault> {
        let path = self.expand(text, range.clone())?;
        if !path.starts_with('/') {
            let mut fault = self.bad("is not an absolute path", "begin it with `/`");
            fault.range = range;
            return Err(fault);
        }
        Ok(super::exec_line::simplified(&path))
    }

    /// The words of the value; escapes are kept or undone.
    pub(super) fn words(&self, backslash: Backslash) -> Result<Vec<Word>, Fault> {
        words::split(self.text(), backslash).map_err(|why| {
            let mut fault = super::exec_line::word_fault(why);
            fault.severity = crate::diagnostic::Severity::Warning;
            fault.message = format!("{}; `{}=` is ignored", fault.message, self.key);
            fault
        })
    }

    /// Names of units, with specifiers replaced; quotes and backslashes are letters here.
    pub(super) fn names(&self) -> Result<Vec<(String, Range<usize>)>, Fault> {
        let mut names = Vec::new();
        let mut at = 0;
        for word in self.text().split(words::BLANKS) {
            let range = at..at + word.len();
            // One blank of one byte follows.
            at = range.end + 1;
            if !word.is_empty() {
                names.push((self.expand(word, Some(range.clone()))?, range));
            }
        }
        Ok(names)
    }

    /// Words with specifiers replaced, each with its bytes.
    pub(super) fn expanded_words(
        &self,
        backslash: Backslash,
    ) -> Result<Vec<(String, Range<usize>)>, Fault> {
        self.words(backslash)?
            .into_iter()
            .map(|word| {
                Ok((
                    self.expand(&word.text, Some(word.range.clone()))?,
                    word.range,
                ))
            })
            .collect()
    }

    /// A value systemd would ignore with a warning; so do we.
    pub(super) fn bad(&self, what: &str, action: &str) -> Fault {
        let text: String = self.text().chars().take(60).collect();
        Fault::warning(
            format!("`{text}` {what}; `{}=` is ignored", self.key),
            action,
        )
    }

    pub(super) fn bad_quantity(&self, why: QuantityError, action: &str) -> Fault {
        Fault::warning(
            format!("cannot read `{}=`: {why}; it is ignored", self.key),
            action,
        )
    }
}

/// A signal by number, or by name as systemd takes it: in capitals only.
pub(super) fn signal(text: &str) -> Option<Signal> {
    let capital = !text.contains(|letter: char| letter.is_ascii_lowercase());
    capital.then(|| Signal::parse(text)).flatten()
}
