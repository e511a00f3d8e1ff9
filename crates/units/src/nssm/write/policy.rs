//! Stop, restart, exit actions and hooks as values.

use std::time::Duration;

use aplomb_core::Spec;
use aplomb_core::spec::{
    Command, ExitAction, Growth, Hook, Moment, Request, RestartWhen, Stop, Whom,
};

use super::super::parameters::THROTTLE;
use super::super::value::Value;
use super::Out;
use crate::words::join_windows;

pub(super) fn write(spec: &Spec, out: &mut Out) {
    stop(&spec.stop, out);
    restart(spec, out);
    for hook in &spec.hooks {
        one_hook(hook, out);
    }
}

/// Bit of `AppStopMethodSkip` and value of the time of each step, in NSSM's order.
fn step(request: &Request) -> Option<(u32, &'static str)> {
    match request {
        Request::CtrlC => Some((1, "AppStopMethodConsole")),
        Request::CloseWindows => Some((2, "AppStopMethodWindow")),
        Request::QuitThreads => Some((4, "AppStopMethodThreads")),
        Request::Signal(_) | Request::Command(_) | Request::CommandOnly(_) | Request::CtrlBreak => {
            None
        }
    }
}

fn stop(stop: &Stop, out: &mut Out) {
    let steps: Vec<_> = stop
        .plan
        .iter()
        .map(|one| (step(&one.request), one.grace))
        .collect();
    let bits: Vec<u32> = steps
        .iter()
        .filter_map(|(known, _)| known.map(|(bit, _)| bit))
        .collect();
    let in_order = bits.windows(2).all(|pair| pair[0] < pair[1]);
    if bits.len() < steps.len() || !in_order {
        out.lose(
            "this stop plan; NSSM's own is written, with the whole budget for Ctrl+C",
            "use `ctrl-c`, `close`, `quit`, in this order",
        );
        if let Some(budget) = stop.budget {
            out.number(
                "AppStopMethodConsole",
                millis(budget.saturating_sub(stop.kill_margin)),
            );
        }
        return;
    }
    let mut skip = 7 & !bits.iter().sum::<u32>();
    for (known, grace) in steps {
        let Some((_, name)) = known else { continue };
        let left = stop
            .budget
            .unwrap_or(Duration::MAX)
            .saturating_sub(stop.kill_margin);
        out.number(name, millis(grace.unwrap_or(left)));
    }
    if stop.kill.is_none() {
        skip |= 8;
    }
    if skip > 0 {
        out.number("AppStopMethodSkip", skip);
    }
    match stop.whom {
        Whom::Tree | Whom::Mixed => {}
        Whom::Main | Whom::Nobody => out.number("AppKillProcessTree", 0),
    }
}

fn restart(spec: &Spec, out: &mut Out) {
    let restart = &spec.restart;
    let default = match restart.when {
        RestartWhen::Always => "Restart",
        RestartWhen::Never if spec.exit.remain_after_exit => "Ignore",
        RestartWhen::Never => "Exit",
        RestartWhen::OnFailure => {
            exit(out, "0", "Exit");
            "Restart"
        }
        RestartWhen::OnSuccess => {
            exit(out, "0", "Restart");
            "Exit"
        }
        RestartWhen::OnAbnormal | RestartWhen::OnAbort | RestartWhen::OnWatchdog => {
            out.lose(
                "restarts after signals or the watchdog only",
                "restart on failure",
            );
            "Exit"
        }
    };
    exit(out, "", default);
    for (code, action) in &spec.exit.actions {
        let action = match action {
            ExitAction::Restart => "Restart",
            ExitAction::Stop | ExitAction::Fail => "Exit",
            ExitAction::Shutdown => "Suicide",
        };
        exit(out, &code.to_string(), action);
    }
    out.number("AppRestartDelay", millis(restart.delay));
    let throttle = restart.healthy_after.map_or(THROTTLE, millis);
    if throttle != THROTTLE {
        out.number("AppThrottle", throttle);
    }
    let doubles = match restart.growth {
        Growth::Factor { permille, .. } => permille == 2000,
        Growth::None | Growth::Steps { .. } => false,
    };
    if !doubles {
        out.lose(
            "waits that do not double",
            "leave it: NSSM doubles up to 128 s",
        );
    }
}

fn exit(out: &mut Out, code: &str, action: &str) {
    let key = out.parameters().make("AppExit");
    key.set(code, Value::Text(action.to_owned()));
}

fn one_hook(hook: &Hook, out: &mut Out) {
    let name = match hook.on {
        Moment::StartPre => "Start/Pre",
        Moment::Started => "Start/Post",
        Moment::StopPre => "Stop/Pre",
        Moment::Exit => "Exit/Post",
        Moment::Rotate => "Rotate/Post",
        Moment::Ready
        | Moment::Stopped
        | Moment::Restart
        | Moment::Failed
        | Moment::Unhealthy
        | Moment::Kill => {
            let what = format!("a hook at `{}`", hook.on.name());
            out.lose(
                &what,
                "use `start-pre`, `started`, `stop-pre`, `exit` or `rotate`",
            );
            return;
        }
    };
    let (event, action) = name.split_once('/').unwrap_or((name, ""));
    let text = Value::Expand(line(&hook.command));
    let key = out.parameters().make(&format!(r"AppEvents\{event}"));
    if key.value(action).is_some() {
        out.lose(
            &format!("a second hook `{name}`"),
            "call both from one program",
        );
        return;
    }
    key.set(action, text);
}

fn line(command: &Command) -> String {
    let mut words = vec![command.program.as_str()];
    words.extend(command.args.iter().map(String::as_str));
    join_windows(&words)
}

/// Milliseconds, and the longest there are for more.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
