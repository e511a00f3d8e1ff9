//! Words of a value: quotes, backslashes and C escapes; systemd.syntax(7), "Quoting", and systemd.service(5).

use std::ops::Range;

/// What separates words.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// What a backslash does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backslash {
    /// C escapes; an unknown one is kept as it stands and told.
    Escape,
    /// Nothing: it is a letter like any other.
    Keep,
}

/// One word with the bytes it was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub range: Range<usize>,
    /// Some escape in it is none; it was kept as written.
    pub odd_escape: bool,
}

/// Why a text cannot be split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordError {
    #[error("a quote is never closed")]
    OpenQuote { at: usize },
    #[error("an escape stands for a zero byte or for bytes that are not UTF-8")]
    BadEscape { at: usize },
}

impl WordError {
    /// Where in the text it went wrong.
    pub(super) fn at(self) -> usize {
        match self {
            WordError::OpenQuote { at } | WordError::BadEscape { at } => at,
        }
    }
}

/// All words of `text`.
pub(super) fn split(text: &str, backslash: Backslash) -> Result<Vec<Word>, WordError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(word) = next(text, at, backslash)? {
        at = word.range.end;
        words.push(word);
    }
    Ok(words)
}

/// The next word at or after byte `at`; `None` when only blanks are left.
pub(super) fn next(text: &str, at: usize, backslash: Backslash) -> Result<Option<Word>, WordError> {
    let start = at + blanks(&text[at..]);
    if start == text.len() {
        return Ok(None);
    }
    let mut reader = Reader {
        text,
        at: start,
        bytes: Vec::new(),
        odd_escape: false,
    };
    reader.word(backslash)?;
    let text = String::from_utf8(reader.bytes).map_err(|_| WordError::BadEscape { at: start })?;
    Ok(Some(Word {
        text,
        range: start..reader.at,
        odd_escape: reader.odd_escape,
    }))
}

/// How many bytes of blanks `text` begins with.
pub(super) fn blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches(BLANKS).len()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    bytes: Vec<u8>,
    odd_escape: bool,
}

impl Reader<'_> {
    fn word(&mut self, backslash: Backslash) -> Result<(), WordError> {
        let mut quote: Option<(char, usize)> = None;
        while let Some(letter) = self.peek() {
            match (quote, letter) {
                (Some((open, _)), letter) if open == letter => quote = None,
                (None, '"' | '\'') => quote = Some((letter, self.at)),
                (None, letter) if BLANKS.contains(&letter) => return Ok(()),
                (_, '\\') if backslash == Backslash::Escape => {
                    self.escape()?;
                    continue;
                }
                (_, letter) => self.push(letter),
            }
            self.at += letter.len_utf8();
        }
        match quote {
            Some((_, at)) => Err(WordError::OpenQuote { at }),
            None => Ok(()),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn push(&mut self, letter: char) {
        let mut buffer = [0; 4];
        self.bytes
            .extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
    }

    fn escape(&mut self) -> Result<(), WordError> {
        let at = self.at;
        let rest = &self.text[at + 1..];
        match unescape(rest) {
            Some((Escaped::Byte(0) | Escaped::Letter('\0'), _)) => {
                return Err(WordError::BadEscape { at });
            }
            Some((Escaped::Byte(byte), len)) => {
                self.bytes.push(byte);
                self.at += 1 + len;
            }
            Some((Escaped::Letter(letter), len)) => {
                self.push(letter);
                self.at += 1 + len;
            }
            None => {
                self.odd_escape = true;
                self.push('\\');
                self.at += 1;
                // The letter after it is no quote and no second escape.
                if let Some(letter) = rest.chars().next() {
                    self.push(letter);
                    self.at += letter.len_utf8();
                }
            }
        }
        Ok(())
    }
}

/// What an escape stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escaped {
    Byte(u8),
    Letter(char),
}

/// The escape after a backslash, and how many bytes of `rest` it takes.
fn unescape(rest: &str) -> Option<(Escaped, usize)> {
    let first = rest.chars().next()?;
    let simple = match first {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        's' => ' ',
        '\\' | '"' | '\'' => first,
        'x' => return digits(rest, 1, 2, 16).map(|(value, len)| (byte(value), len)),
        'u' => return letter(rest, 4),
        'U' => return letter(rest, 8),
        '0'..='7' => {
            let (value, len) = digits(rest, 0, 3, 8)?;
            return (value <= 0xff).then(|| (byte(value), len));
        }
        _ => return None,
    };
    Some((Escaped::Letter(simple), first.len_utf8()))
}

fn byte(value: u32) -> Escaped {
    Escaped::Byte(value.to_le_bytes()[0])
}

fn letter(rest: &str, count: usize) -> Option<(Escaped, usize)> {
    let (value, len) = digits(rest, 1, count, 16)?;
    Some((Escaped::Letter(char::from_u32(value)?), len))
}

/// Exactly `count` digits after the first `skip` bytes.
fn digits(rest: &str, skip: usize, count: usize, radix: u32) -> Option<(u32, usize)> {
    let digits = rest.get(skip..skip + count)?;
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = u32::from_str_radix(digits, radix).ok()?;
    Some((value, skip + count))
}

/// A whole text with its escapes undone; `None` where one is unknown, or the result is no text.
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut reader = Reader {
        text,
        at: 0,
        bytes: Vec::new(),
        odd_escape: false,
    };
    while let Some(letter) = reader.peek() {
        if letter == '\\' {
            reader.escape().ok()?;
            continue;
        }
        reader.push(letter);
        reader.at += letter.len_utf8();
    }
    let text = String::from_utf8(reader.bytes).ok()?;
    (!reader.odd_escape).then_some(text)
}

/// One word written so that [`next`] reads it back.
pub(super) fn quoted(word: &str) -> String {
    let plain = |letter: char| !letter.is_control() && !" \"'\\;".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            letter if letter.is_ascii_control() => {
                text.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        split(text, Backslash::Escape)
            .unwrap()
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn quotes_may_begin_inside_a_word_and_hold_blanks() {
        assert_eq!(texts(r#" a "b c" d'e f'g '' "#), ["a", "b c", "de fg", ""]);
    }

    #[test]
    fn escapes_of_the_manual_page_stand_for_their_bytes() {
        assert_eq!(
            texts(r#"\a\b\f\n\r\t\v\\\"\'\s"#),
            ["\x07\x08\x0c\n\r\t\x0b\\\"' "]
        );
        assert_eq!(texts(r"\x41\102\u00e4\U0001f600"), ["ABä😀"]);
        assert_eq!(texts(r"\xc3\xa4"), ["ä"]);
    }

    #[test]
    fn an_unknown_escape_stays_and_is_told() {
        let words = split(r"a\dx \;", Backslash::Escape).unwrap();
        assert_eq!(words[0].text, r"a\dx");
        assert!(words[0].odd_escape && words[1].odd_escape);
    }

    #[test]
    fn without_escapes_a_backslash_is_a_letter() {
        let words = split(r"dev-disk-by\x2dlabel.mount 'a b'", Backslash::Keep).unwrap();
        assert_eq!(words[0].text, r"dev-disk-by\x2dlabel.mount");
        assert_eq!(words[1].text, "a b");
    }

    #[test]
    fn what_cannot_be_a_word_is_refused_with_its_place() {
        assert_eq!(
            split("a 'b", Backslash::Escape),
            Err(WordError::OpenQuote { at: 2 })
        );
        assert_eq!(
            split(r"a\x00", Backslash::Escape),
            Err(WordError::BadEscape { at: 1 })
        );
        assert_eq!(
            split(r"\xff", Backslash::Escape),
            Err(WordError::BadEscape { at: 0 })
        );
    }

    #[test]
    fn a_quoted_word_reads_back() {
        for word in [
            "", "plain", "a b", "it's", "\"", "\\", "\\x41", "a\tb\n", ";", "ä\u{1}",
        ] {
            assert_eq!(texts(&quoted(word)), [word]);
        }
    }
}
