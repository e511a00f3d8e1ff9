//! When a run ends: how it is stopped, what its exit code calls for, how long the next one waits, which hooks run.

use std::time::Duration;

use aplomb_core::ExitCode;
use aplomb_core::spec::{
    Command, ExitAction, Growth, Hook, Moment, Request, RestartWhen, StopStep, Whom,
};

use super::super::parameters::{EXIT_ACTIONS, GRACE, HOOKS, THROTTLE};
use super::super::value::{Entry, Value};
use super::{Defects, Reader};
use crate::words::split_windows;

/// Ctrl+C, closing windows, quitting threads: bit of `AppStopMethodSkip`, value of its time, and what it is given
/// where nothing is said, in ms. Together with the kill these are 30 s; NSSM kills a program that needs 2 s.
const STEPS: [(u32, &str, Request, u32); 3] = [
    (1, "AppStopMethodConsole", Request::CtrlC, 20_000),
    (2, "AppStopMethodWindow", Request::CloseWindows, 5_000),
    (4, "AppStopMethodThreads", Request::QuitThreads, 3_000),
];
/// Bit of `AppStopMethodSkip`: what the steps did not end is left.
const NO_KILL: u32 = 8;
/// The longest wait between two runs; NSSM stops doubling there.
const LONGEST_WAIT: Duration = Duration::from_secs(128);
/// The first wait after a run that did not last, where no delay is said.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What NSSM waits at least once it waits at all.
const SHORTEST_WAIT_OF_NSSM: Duration = Duration::from_secs(2);
/// Hooks that hold up a start or a stop are given less than others.
const HURRIED_HOOK: Duration = Duration::from_secs(20);

impl Reader<'_> {
    pub(super) fn stop_plan(&mut self) {
        let skip = self.number("AppStopMethodSkip").unwrap_or(0);
        let kept = self.surroundings.defects == Defects::Kept;
        let mut plan = Vec::new();
        let mut whole = Duration::ZERO;
        for (bit, name, request, ours) in STEPS {
            if skip & bit != 0 {
                continue;
            }
            let unsaid = if kept { GRACE } else { ours };
            let grace = Duration::from_millis(self.number(name).unwrap_or(unsaid).into());
            whole += grace;
            plan.push(StopStep {
                request,
                grace: Some(grace),
            });
        }
        let main_only = self.number("AppKillProcessTree") == Some(0);
        let stop = &mut self.spec.stop;
        stop.plan = plan;
        stop.budget = Some(whole + stop.kill_margin);
        if skip & NO_KILL != 0 {
            stop.kill = None;
        }
        if main_only {
            stop.whom = Whom::Main;
        }
    }

    pub(super) fn restarts(&mut self) {
        let said = self.number("AppRestartDelay").unwrap_or(0);
        let said = Some(Duration::from_millis(said.into())).filter(|delay| !delay.is_zero());
        let mut delay = said.unwrap_or(FIRST_WAIT);
        if self.surroundings.defects == Defects::Kept {
            delay = delay.max(SHORTEST_WAIT_OF_NSSM);
        }
        let throttle = self.number("AppThrottle").unwrap_or(THROTTLE);
        let restart = &mut self.spec.restart;
        restart.delay = delay;
        restart.growth = Growth::Factor {
            permille: 2000,
            max: LONGEST_WAIT.max(delay),
        };
        restart.healthy_after = Some(Duration::from_millis(throttle.into()));
        // NSSM never gives up.
        restart.limit = None;
        self.exit_actions();
    }

    fn exit_actions(&mut self) {
        let exits = self.parameters.key("AppExit");
        let entries = exits.map(|key| key.values.as_slice()).unwrap_or_default();
        self.spec.restart.when = RestartWhen::Always;
        for entry in entries {
            let action = entry.value.text().unwrap_or_default();
            let known = EXIT_ACTIONS
                .iter()
                .find(|known| known.eq_ignore_ascii_case(action));
            match known {
                Some(action) if entry.name.is_empty() => self.default_action(action, entry),
                Some(action) => self.exit_action(action, entry),
                None => {
                    let message = format!("`{action}` is no exit action; NSSM restarts then");
                    let action = "write `Restart`, `Ignore`, `Exit` or `Suicide`";
                    self.warn_span(&entry.span, message, action);
                }
            }
        }
        self.spec.exit.actions.sort_by_key(|(code, _)| *code);
    }

    fn default_action(&mut self, action: &str, entry: &Entry) {
        self.spec.restart.when = match action {
            "Restart" => RestartWhen::Always,
            _ => RestartWhen::Never,
        };
        match action {
            "Ignore" => self.spec.exit.remain_after_exit = true,
            "Suicide" => self.warn_span(
                &entry.span,
                "`Suicide` leaves the next run to the service manager's recovery actions; here the service has failed",
                "say `restart = \"always\"`, or keep recovery actions",
            ),
            _ => {}
        }
    }

    fn exit_action(&mut self, action: &str, entry: &Entry) {
        let Some(code) = exit_code(&entry.name) else {
            let message = format!("`{}` is no exit code", entry.name);
            self.warn_span(&entry.span, message, "write it as a decimal number");
            return;
        };
        if entry.name.parse::<u32>().is_err() {
            if self.surroundings.defects == Defects::Kept {
                return;
            }
            let message = format!(
                "NSSM never finds the exit code `{}`; it is {code}",
                entry.name
            );
            self.warn_span(&entry.span, message, "write it as a decimal number");
        }
        let means = match action {
            "Restart" => ExitAction::Restart,
            "Suicide" => ExitAction::Shutdown,
            "Exit" if code != ExitCode(0) => ExitAction::Fail,
            "Exit" => ExitAction::Stop,
            _ => {
                let message = format!(
                    "after exit code {code} NSSM would go on saying that the service runs; here it is stopped"
                );
                self.warn_span(&entry.span, message, "leave it, or restart after this code");
                ExitAction::Stop
            }
        };
        self.spec.exit.actions.push((code, means));
    }

    pub(super) fn hooks(&mut self) {
        for (event, actions) in HOOKS {
            let Some(key) = self.parameters.key(&format!(r"AppEvents\{event}")) else {
                continue;
            };
            for action in *actions {
                if let Some(entry) = key.entry(action) {
                    self.hook(event, action, entry);
                }
            }
        }
    }

    fn hook(&mut self, event: &str, action: &str, entry: &Entry) {
        let Some(text) = entry.value.text().filter(|text| !text.is_empty()) else {
            return;
        };
        let (on, timeout) = match (event, action) {
            ("Start", "Pre") => (Moment::StartPre, HURRIED_HOOK),
            ("Start", _) => (Moment::Started, Hook::TIMEOUT),
            ("Stop", _) => (Moment::StopPre, HURRIED_HOOK),
            ("Exit", _) => (Moment::Exit, Hook::TIMEOUT),
            ("Rotate", "Post") => (Moment::Rotate, Hook::TIMEOUT),
            _ => {
                let message = format!("there is no moment like the hook `{event}/{action}`");
                self.warn_span(&entry.span, message, "do its work elsewhere");
                return;
            }
        };
        let text = match &entry.value {
            Value::Expand(_) => self.expanded("AppEvents", text),
            Value::Text(_) | Value::Number(_) | Value::List(_) | Value::Other { .. } => {
                text.to_owned()
            }
        };
        let mut words = split_windows(&text);
        if words.is_empty() {
            return;
        }
        let command = Command {
            program: words.remove(0),
            args: words,
            ..Command::default()
        };
        self.spec.hooks.push(Hook {
            on,
            command,
            timeout,
        });
    }
}

/// A code as NSSM writes it, or as somebody typed it.
fn exit_code(text: &str) -> Option<ExitCode> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse::<i64>().ok().and_then(|number| {
            u32::try_from(number)
                .ok()
                .or(i32::try_from(number).ok().map(i32::cast_unsigned))
        }),
    };
    number.map(ExitCode)
}
