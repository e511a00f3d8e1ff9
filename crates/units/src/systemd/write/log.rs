//! `log` as `StandardOutput=` and its neighbours.

use aplomb_core::spec::{Level, Log, LogTo, StderrTo};

use super::{Out, plain, span, yes_no};

pub(super) fn write(log: &Log, out: &mut Out) {
    if let Some(target) = target(&log.to, out) {
        out.service("StandardOutput", &target);
    }
    match &log.stderr {
        StderrTo::Same => {}
        StderrTo::To(LogTo::Default | LogTo::Inherit) | StderrTo::Own => {
            out.lose(
                "standard error in this place",
                "write it into the same place as the output",
            );
        }
        StderrTo::To(to) => {
            if let Some(target) = target(to, out) {
                out.service("StandardError", &target);
            }
        }
    }
    if log.max_level != Level::Debug {
        out.service("LogLevelMax", log.max_level.name());
    }
    match log.level {
        (Level::Info, Level::Info) => {}
        (stdout, stderr) if stdout == stderr => out.service("SyslogLevel", stdout.name()),
        _ => out.lose(
            "different levels of output and errors",
            "write the same for both",
        ),
    }
    if !log.level_prefix {
        out.service("SyslogLevelPrefix", yes_no(false));
    }
    if let Some((burst, window)) = log.rate_limit {
        out.service("LogRateLimitIntervalSec", &span(Some(window)));
        out.service("LogRateLimitBurst", &burst.to_string());
    }
    if let Some(identifier) = &log.identifier
        && let Some(identifier) = out.text_of("SyslogIdentifier", identifier)
    {
        out.service("SyslogIdentifier", &identifier);
    }
    files(log, out);
}

fn target(to: &LogTo, out: &mut Out) -> Option<String> {
    let (word, path) = match to {
        LogTo::Default => return None,
        LogTo::Journal => return Some("journal".into()),
        LogTo::Nothing => return Some("null".into()),
        LogTo::Inherit => {
            out.lose("output into the engine's own", "use the journal");
            return None;
        }
        LogTo::Directory(_) => {
            out.lose("a log directory", "name a file: `append:/PATH`");
            return None;
        }
        LogTo::File(path) => ("append", path),
        LogTo::Truncate(path) => ("truncate", path),
    };
    let path = plain(path);
    if path.is_none() {
        out.lose("a log file of this name", "name it without odd letters");
    }
    Some(format!("{word}:{}", path?))
}

/// Everything about files of our own: systemd leaves them to the journal and to others.
fn files(log: &Log, out: &mut Out) {
    let default = Log::default();
    let kept = (
        &log.rotate,
        log.keep,
        log.keep_bytes,
        log.keep_age,
        log.compress,
    );
    if kept
        != (
            &default.rotate,
            default.keep,
            default.keep_bytes,
            default.keep_age,
            default.compress,
        )
    {
        out.lose(
            "rotation and how long logs are kept",
            "configure journald or logrotate",
        );
    }
    if log.timestamps != default.timestamps {
        out.lose("timestamps in log files", "use the journal, which has them");
    }
    if log.max_line != default.max_line {
        out.lose("the longest line", "configure `LineMax=` of journald");
    }
}
