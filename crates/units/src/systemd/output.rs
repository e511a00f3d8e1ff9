//! Where input comes from and output goes; systemd.exec(5), "Logging and Standard Input/Output".

use std::time::Duration;

use aplomb_core::spec::{Level, LogTo, StderrTo, Stdin};

use super::draft::{Draft, Input};
use super::fault::Fault;
use super::words;
use crate::world::FileKind;

/// Where journald listens.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// journald's own rate limit, the half of ours that a unit leaves out.
const RATE: (u32, Duration) = (10_000, Duration::from_secs(30));

pub(super) fn stdout(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.stdout = match input.text() {
        // There is no terminal or socket to inherit: systemd too takes its default then.
        "" | "inherit" => None,
        _ => Some(target(draft, input)?),
    };
    Ok(())
}

pub(super) fn stderr(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.stderr = match input.text() {
        "" => None,
        "inherit" => Some(None),
        _ => Some(Some(target(draft, input)?)),
    };
    Ok(())
}

fn target(draft: &mut Draft, input: &Input<'_>) -> Result<LogTo, Fault> {
    let (word, rest) = input.text().split_once(':').unwrap_or((input.text(), ""));
    let path = || input.absolute(rest, None);
    match word {
        "null" => Ok(LogTo::Nothing),
        "journal" | "syslog" => Ok(journal(draft, input)),
        "journal+console" | "syslog+console" | "kmsg" | "kmsg+console" => {
            let message = format!("`{word}` goes to the journal only");
            draft.faults.push(Fault::noted(message, "write `journal`"));
            Ok(journal(draft, input))
        }
        "append" => Ok(LogTo::File(path()?)),
        "truncate" => Ok(LogTo::Truncate(path()?)),
        "file" => {
            let path = path()?;
            let message = "`file:` appends; systemd would write over the file from its start";
            draft
                .faults
                .push(Fault::warning(message, "write `append:` or `truncate:`"));
            Ok(LogTo::File(path))
        }
        "tty" | "socket" | "fd" => {
            let message = format!("`{}={word}` is not carried out", input.key);
            Err(Fault::not_carried(
                message,
                "write `journal`, `append:PATH` or `null`",
            ))
        }
        _ => Err(input.bad(
            "is no place for output",
            "write `journal`, `append:PATH` or `null`",
        )),
    }
}

/// The journal where there is one, else our own files.
fn journal(draft: &mut Draft, input: &Input<'_>) -> LogTo {
    match input.world().file(JOURNAL) {
        FileKind::Missing => {
            let message = "no journal runs here; output goes to Aplomb's own log files";
            draft
                .faults
                .push(Fault::noted(message, "read it with `aplomb logs`"));
            LogTo::Default
        }
        FileKind::Directory | FileKind::File { .. } | FileKind::Other => LogTo::Journal,
    }
}

pub(super) fn stdin(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.stdin_is_data = input.text() == "data";
    let (word, rest) = input.text().split_once(':').unwrap_or((input.text(), ""));
    draft.spec.process.stdin = match word {
        "" | "null" | "data" => Stdin::Null,
        "file" => Stdin::File(input.absolute(rest, None)?),
        "tty" | "tty-force" | "tty-fail" | "socket" | "fd" => {
            let message = format!("`StandardInput={word}` is not carried out");
            return Err(Fault::not_carried(
                message,
                "write `null`, `data` or `file:PATH`",
            ));
        }
        _ => {
            return Err(input.bad(
                "is no source of input",
                "write `null`, `data` or `file:PATH`",
            ));
        }
    };
    Ok(())
}

/// A line of text; escapes are undone.
pub(super) fn stdin_text(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.stdin_text.clear();
        return Ok(());
    }
    let plain = words::unescaped(input.text())
        .ok_or_else(|| input.bad("holds an unknown escape", "write `\\\\` for a backslash"))?;
    let line = input.expand(&plain, None)?;
    draft.stdin_text.extend_from_slice(line.as_bytes());
    draft.stdin_text.push(b'\n');
    Ok(())
}

pub(super) fn stdin_data(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        draft.stdin_text.clear();
        return Ok(());
    }
    let bytes =
        base64(input.text()).ok_or_else(|| input.bad("is not base64", "encode it again"))?;
    draft.stdin_text.extend(bytes);
    Ok(())
}

/// Bytes of RFC 4648 text, blanks in it ignored.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let padding = letters
        .iter()
        .rev()
        .take_while(|byte| **byte == b'=')
        .count();
    if !letters.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    let mut bits: u32 = 0;
    for (at, letter) in letters[..letters.len() - padding].iter().enumerate() {
        let value = LETTERS.iter().position(|known| known == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        if at % 4 == 3 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    match padding {
        0 => {}
        1 => bytes.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
        _ => bytes.extend_from_slice(&(bits >> 4).to_be_bytes()[3..]),
    }
    Some(bytes)
}

pub(super) fn identifier(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.log.identifier = Some(input.expanded()?).filter(|name| !name.is_empty());
    Ok(())
}

pub(super) fn level_max(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.spec.log.max_level = match input.is_empty() {
        true => Level::Debug,
        false => level(input)?,
    };
    Ok(())
}

pub(super) fn default_level(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let level = level(input)?;
    draft.spec.log.level = (level, level);
    Ok(())
}

fn level(input: &Input<'_>) -> Result<Level, Fault> {
    Level::parse(input.text()).ok_or_else(|| {
        input.bad(
            "is no log level",
            "write one of `err`, `warning`, `info`, …",
        )
    })
}

pub(super) fn rate_window(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.rate_window = Some(input.span()?.unwrap_or(Duration::MAX));
    Ok(())
}

pub(super) fn rate_burst(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.rate_burst = Some(input.number()?);
    Ok(())
}

/// Puts targets, input and rate limit together.
pub(super) fn finish(draft: &mut Draft) {
    let stdout = draft.stdout.take().unwrap_or_default();
    draft.spec.log.stderr = match draft.stderr.take().flatten() {
        Some(target) if target != stdout => StderrTo::To(target),
        Some(_) | None => StderrTo::Same,
    };
    draft.spec.log.to = stdout;
    let text = std::mem::take(&mut draft.stdin_text);
    // systemd does not tell `null` that was said from `null` that was not.
    let data = draft.stdin_is_data || !text.is_empty();
    if data && draft.spec.process.stdin == Stdin::Null {
        draft.spec.process.stdin = Stdin::Text(text);
    }
    draft.spec.log.rate_limit = match (draft.rate_burst, draft.rate_window) {
        (None, None) => None,
        (burst, window) => {
            let (burst, window) = (burst.unwrap_or(RATE.0), window.unwrap_or(RATE.1));
            (burst > 0 && !window.is_zero()).then_some((burst, window))
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_padding() {
        assert_eq!(base64("").as_deref(), Some(&b""[..]));
        assert_eq!(base64("Zm9v").as_deref(), Some(&b"foo"[..]));
        assert_eq!(base64("Zm9 vYg==").as_deref(), Some(&b"foob"[..]));
        assert_eq!(base64("Zm9vYmE=").as_deref(), Some(&b"fooba"[..]));
        for text in ["Zm9", "Zm9v=", "Zm9*", "===="] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
