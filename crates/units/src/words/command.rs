//! The words of a command written as one text: split as a shell splits words, but never given to a shell.
//!
//! What a shell would have done more than splitting (pipes, redirections, variables, patterns) is a fault, so that
//! nobody believes it happens. Quoted, those characters are themselves.

use std::ops::Range;

/// Why a text cannot be split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFault {
    pub kind: SplitFaultKind,
    /// Bytes of the text.
    pub span: Range<usize>,
}

/// What is wrong at the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitFaultKind {
    /// Only a shell gives this character its meaning.
    ShellSyntax,
    /// A quote is not closed.
    OpenQuote,
    /// Nothing follows the last backslash.
    TrailingBackslash,
}

/// The words of `text` by the quoting rules of sh(1): blanks part words, `'…'` is verbatim, `"…"` knows `\\`, `\"`,
/// `\$` and a backslash-backquote, a backslash elsewhere takes the next character as it is.
pub fn split(text: &str) -> Result<Vec<String>, SplitFault> {
    let mut splitter = Splitter {
        text,
        at: 0,
        word: None,
        words: Vec::new(),
    };
    while let Some(letter) = splitter.next() {
        splitter.outside(letter)?;
    }
    splitter.end_word();
    Ok(splitter.words)
}

struct Splitter<'a> {
    text: &'a str,
    at: usize,
    /// The word being read; `None` between words, so that `''` is a word too.
    word: Option<String>,
    words: Vec<String>,
}

impl Splitter<'_> {
    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn push(&mut self, letter: char) {
        self.word.get_or_insert_default().push(letter);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn fault<T>(&self, kind: SplitFaultKind, from: usize) -> Result<T, SplitFault> {
        Err(SplitFault {
            kind,
            span: from..self.at,
        })
    }

    fn outside(&mut self, letter: char) -> Result<(), SplitFault> {
        let from = self.at - letter.len_utf8();
        match letter {
            ' ' | '\t' | '\n' | '\r' => self.end_word(),
            '\'' => self.single_quoted(from)?,
            '"' => self.double_quoted(from)?,
            '\\' => match self.next() {
                Some(next) => self.push(next),
                None => return self.fault(SplitFaultKind::TrailingBackslash, from),
            },
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' | '*' => {
                return self.fault(SplitFaultKind::ShellSyntax, from);
            }
            '$' if self.starts_expansion() => {
                return self.fault(SplitFaultKind::ShellSyntax, from);
            }
            '#' if self.word.is_none() => return self.fault(SplitFaultKind::ShellSyntax, from),
            other => self.push(other),
        }
        Ok(())
    }

    /// After a `$`: would a shell replace what follows?
    fn starts_expansion(&self) -> bool {
        self.peek().is_some_and(|next| {
            next.is_ascii_alphanumeric() || matches!(next, '_' | '{' | '(' | '@' | '*' | '?' | '$')
        })
    }

    fn single_quoted(&mut self, from: usize) -> Result<(), SplitFault> {
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(letter) => self.push(letter),
                None => return self.fault(SplitFaultKind::OpenQuote, from),
            }
        }
    }

    fn double_quoted(&mut self, from: usize) -> Result<(), SplitFault> {
        self.word.get_or_insert_default();
        loop {
            let here = self.at;
            match self.next() {
                Some('"') => return Ok(()),
                Some('`') => return self.fault(SplitFaultKind::ShellSyntax, here),
                Some('$') if self.starts_expansion() => {
                    return self.fault(SplitFaultKind::ShellSyntax, here);
                }
                Some('\\') => match self.next() {
                    Some(escaped @ ('\\' | '"' | '$' | '`')) => self.push(escaped),
                    Some(other) => {
                        self.push('\\');
                        self.push(other);
                    }
                    None => return self.fault(SplitFaultKind::OpenQuote, from),
                },
                Some(letter) => self.push(letter),
                None => return self.fault(SplitFaultKind::OpenQuote, from),
            }
        }
    }
}

/// One text that [`split`] takes apart into these words again.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(quote).collect();
    quoted.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+~^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (text, words) in [
            ("a b  c", vec!["a", "b", "c"]),
            ("a 'b c' \"d e\"", vec!["a", "b c", "d e"]),
            (
                r#"a\ b "q\"q" 'x\y' "x\y""#,
                vec!["a b", "q\"q", "x\\y", "x\\y"],
            ),
            ("x '' y", vec!["x", "", "y"]),
            ("--a='b c'd", vec!["--a=b cd"]),
            ("größe 'ñ'", vec!["größe", "ñ"]),
            ("'$HOME' 5$ a#b", vec!["$HOME", "5$", "a#b"]),
            ("  ", vec![]),
        ] {
            assert_eq!(
                split(text),
                Ok(words.into_iter().map(String::from).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_only_a_shell_could_do_is_refused_where_it_stands() {
        for (text, at) in [
            ("a | b", 2),
            ("a > b", 2),
            ("a && b", 2),
            ("a; b", 1),
            ("echo $HOME", 5),
            ("echo \"$(date)\"", 6),
            ("ls *.txt", 3),
            ("a # b", 2),
        ] {
            let fault = split(text).unwrap_err();
            assert_eq!(
                (fault.kind, fault.span.start),
                (SplitFaultKind::ShellSyntax, at),
                "{text}"
            );
        }
        assert_eq!(split("a 'b").unwrap_err().kind, SplitFaultKind::OpenQuote);
        assert_eq!(
            split("a\\").unwrap_err().kind,
            SplitFaultKind::TrailingBackslash
        );
    }

    #[test]
    fn joined_words_split_into_themselves() {
        let words = [
            "", "a b", "it's", "$x", "|", "\\", "\"", "ñ", "\n", "#", "*",
        ];
        assert_eq!(split(&join(words)).unwrap(), words);
    }
}
