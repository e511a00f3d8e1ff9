//! Messages of sd_notify(3), as assignments.

use aplomb_core::{Duration, Notify};

/// One line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// For the core.
    Told(Notify),
    /// The main process is this one now.
    MainPid(u32),
    /// Descriptors to be kept for the next run, which this engine does not do.
    StoreRefused,
}

/// All lines of a message that mean something here. Unknown ones are skipped, as the protocol asks for.
pub(crate) fn parse(text: &[u8]) -> Vec<Line> {
    let text = String::from_utf8_lossy(text);
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let (key, value) = line.split_once('=')?;
    let micros = || value.parse().ok().map(Duration::from_micros);
    Some(match key {
        "READY" if value == "1" => Line::Told(Notify::Ready),
        "RELOADING" if value == "1" => Line::Told(Notify::Reloading),
        "STOPPING" if value == "1" => Line::Told(Notify::Stopping),
        "STATUS" => Line::Told(Notify::Status(value.to_owned())),
        "WATCHDOG" if value == "1" => Line::Told(Notify::Watchdog),
        "WATCHDOG" if value == "trigger" => Line::Told(Notify::WatchdogTrigger),
        "WATCHDOG_USEC" => Line::Told(Notify::WatchdogInterval(micros()?)),
        "EXTEND_TIMEOUT_USEC" => Line::Told(Notify::ExtendTimeout(micros()?)),
        "MAINPID" => Line::MainPid(value.parse().ok().filter(|pid| *pid > 1)?),
        "FDSTORE" if value == "1" => Line::StoreRefused,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_is_understood_line_by_line() {
        let text =
            b"READY=1\nSTATUS=serving at 50%\nMAINPID=42\nX_OWN=1\nEXTEND_TIMEOUT_USEC=1500000";
        let expected = [
            Line::Told(Notify::Ready),
            Line::Told(Notify::Status("serving at 50%".into())),
            Line::MainPid(42),
            Line::Told(Notify::ExtendTimeout(Duration::from_millis(1500))),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn nonsense_means_nothing() {
        for text in [
            &b""[..],
            b"READY=2",
            b"MAINPID=0",
            b"MAINPID=-1",
            b"=",
            b"\xff\xff\n\0",
            b"EXTEND_TIMEOUT_USEC=x",
        ] {
            assert_eq!(parse(text), [], "{text:?}");
        }
    }
}
