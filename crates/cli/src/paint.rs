//! Colour as a decision made once: whoever renders says what a word means, and this says how that looks.
//!
//! Sixteen colours only, so that every terminal's own theme decides; without colour nothing is added at all.

use aplomb_protocol::State;

/// Whether text is coloured. Handed to every function that renders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Coloured,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Busy,
    Faint,
    Strong,
    /// The colour of the nth service of a log.
    Service(usize),
}

/// Told apart easily on dark and light ground; red is kept for what is bad.
const SERVICES: &[&str] = &["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"];

impl Paint {
    /// `text` in the look of `tone`.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        if self == Paint::Plain || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Busy => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
            Tone::Service(nth) => SERVICES[nth % SERVICES.len()],
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(Tone::Bad, text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(Tone::Faint, text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint(Tone::Strong, text)
    }

    /// The name of a state, in its colour.
    pub(crate) fn state(self, state: State) -> String {
        self.paint(tone_of(state), state.name())
    }
}

/// How a state looks.
pub(crate) fn tone_of(state: State) -> Tone {
    match state {
        State::Running => Tone::Good,
        State::Failed => Tone::Bad,
        State::StartPending
        | State::StopPending
        | State::PausePending
        | State::ContinuePending
        | State::Paused => Tone::Busy,
        State::Stopped => Tone::Faint,
    }
}

/// Text padded with blanks to `width` columns, colour codes not counted.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(blanks))
}

/// How many columns a text takes: characters, colour codes left out. Wide characters count as two.
pub(crate) fn columns(text: &str) -> usize {
    Visible(text.chars()).map(width_of).sum()
}

/// The beginning of a text that fits into `width` columns, with `…` where something was cut off. Colour is closed.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character == '\x1b' {
            kept.push(character);
            for code in rest.by_ref() {
                kept.push(code);
                if code.is_ascii_alphabetic() {
                    break;
                }
            }
            continue;
        }
        if used + width_of(character) + 1 > width {
            break;
        }
        used += width_of(character);
        kept.push(character);
    }
    kept.push('…');
    if kept.contains('\x1b') {
        kept.push_str("\x1b[0m");
    }
    kept
}

/// Text from outside (a program's words, a log line's name) made harmless for a terminal: control characters become `�`.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\t' => ' ',
            character if character.is_control() => '\u{fffd}',
            character => character,
        })
        .collect()
}

/// The characters of a text without its colour codes.
struct Visible<'a>(std::str::Chars<'a>);

impl Iterator for Visible<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let character = self.0.next()?;
            if character != '\x1b' {
                return Some(character);
            }
            self.0.by_ref().find(char::is_ascii_alphabetic);
        }
    }
}

/// East Asian wide blocks and emoji take two columns; good enough for names and sentences.
fn width_of(character: char) -> usize {
    match u32::from(character) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Paint::Plain.bad("failed"), "failed");
        assert_eq!(Paint::Coloured.bad("failed"), "\x1b[1;31mfailed\x1b[0m");
    }

    #[test]
    fn colour_takes_no_room() {
        let red = Paint::Coloured.bad("größe");
        assert_eq!(columns(&red), 5);
        assert_eq!(columns(&padded(&red, 9)), 9);
        assert_eq!(columns("服务"), 4);
    }

    #[test]
    fn a_cut_text_fits_and_closes_its_colour() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("服务服务", 6), "服务…");
        let red = cut(&Paint::Coloured.bad("abcdefg"), 4);
        assert_eq!(red, "\x1b[1;31mabc…\x1b[0m");
        assert_eq!(columns(&red), 4);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\tc"), "a\u{fffd}[2Jb c");
    }
}
