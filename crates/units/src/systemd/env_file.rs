//! Files of `NAME=VALUE` lines; systemd.exec(5), `EnvironmentFile=`. Pure over text: the engine reads the file when
//! a run starts and asks here what it says.
//!
//! Like a shell's assignments, but nothing is ever expanded or executed: quotes group, a backslash takes the meaning
//! from the next letter and joins lines, `#` and `;` begin a comment only at the start of a line.

/// All assignments in order; later ones win. A line that is none, or whose name is no name of a variable, is left out
/// and counted.
pub fn parse(text: &str) -> EnvFileText {
    let mut reader = Reader {
        letters: text
            .strip_prefix('\u{feff}')
            .unwrap_or(text)
            .chars()
            .peekable(),
        line: 1,
        found: EnvFileText::default(),
    };
    while reader.line() {}
    reader.found
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvFileText {
    pub variables: Vec<(String, String)>,
    /// Numbers of the lines that say nothing, counted from 1.
    pub ignored: Vec<usize>,
}

/// Whether this can be the name of a variable: letters, digits and `_`, no digit first.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}

struct Reader<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    found: EnvFileText,
}

impl Reader<'_> {
    /// Reads one line, or several joined ones; whether there was one.
    fn line(&mut self) -> bool {
        let begun = self.line;
        while self.peek().is_some_and(is_blank) {
            self.next();
        }
        match self.peek() {
            None => return false,
            Some('#' | ';') => self.comment(),
            Some(letter) if is_newline(letter) => {
                self.next();
            }
            Some(_) => self.assignment(begun),
        }
        true
    }

    /// To the end of the line; a backslash joins the next one to it.
    fn comment(&mut self) {
        while let Some(letter) = self.next() {
            match letter {
                '\\' => {
                    self.next();
                }
                letter if is_newline(letter) => return,
                _ => {}
            }
        }
    }

    fn assignment(&mut self, begun: usize) {
        let mut name = String::new();
        loop {
            match self.next() {
                Some('=') => break,
                Some(letter) if !is_newline(letter) => name.push(letter),
                Some(_) | None => return self.found.ignored.push(begun),
            }
        }
        let value = self.value();
        let name = name.trim_end_matches([' ', '\t']).to_owned();
        match is_name(&name) && !value.chars().any(is_unfit) {
            true => self.found.variables.push((name, value)),
            false => self.found.ignored.push(begun),
        }
    }

    /// The value up to the end of its line. Quotes group only as long as nothing but quoted parts has come; blanks
    /// between these go.
    fn value(&mut self) -> String {
        let mut value = Text::default();
        let mut begun = false;
        while let Some(letter) = self.next() {
            match letter {
                letter if is_newline(letter) => break,
                '\'' if !begun => self.single_quoted(&mut value),
                '"' if !begun => self.double_quoted(&mut value),
                letter if is_blank(letter) && !begun => {}
                letter if is_blank(letter) => value.blank(letter),
                '\\' => {
                    begun = true;
                    let next = self.next();
                    next.filter(|next| !is_newline(*next))
                        .into_iter()
                        .for_each(|next| value.push(next));
                }
                letter => {
                    begun = true;
                    value.push(letter);
                }
            }
        }
        value.trimmed()
    }

    fn single_quoted(&mut self, value: &mut Text) {
        value.keep();
        while let Some(letter) = self.next() {
            match letter {
                '\'' => return,
                letter => value.push(letter),
            }
        }
    }

    /// Here a backslash is one unless it stands before something it takes the meaning from.
    fn double_quoted(&mut self, value: &mut Text) {
        value.keep();
        while let Some(letter) = self.next() {
            match letter {
                '"' => return,
                '\\' => match self.next() {
                    Some(letter @ ('"' | '\\' | '`' | '$')) => value.push(letter),
                    Some('\n') => {}
                    Some(letter) => {
                        value.push('\\');
                        value.push(letter);
                    }
                    None => return,
                },
                letter => value.push(letter),
            }
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.letters.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.letters.next();
        if letter == Some('\n') {
            self.line += 1;
        }
        letter
    }
}

/// A value under construction: blanks that nothing protects go if they turn out to be last.
#[derive(Default)]
struct Text {
    text: String,
    kept: usize,
}

impl Text {
    fn push(&mut self, letter: char) {
        self.text.push(letter);
        self.keep();
    }

    fn blank(&mut self, letter: char) {
        self.text.push(letter);
    }

    fn keep(&mut self) {
        self.kept = self.text.len();
    }

    fn trimmed(mut self) -> String {
        self.text.truncate(self.kept);
        self.text
    }
}

fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t')
}

fn is_newline(letter: char) -> bool {
    matches!(letter, '\n' | '\r')
}

/// What no value may hold: control characters but tab and line feed, and what was not UTF-8.
fn is_unfit(letter: char) -> bool {
    letter == '\u{fffd}' || (letter.is_ascii_control() && !matches!(letter, '\t' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Vec<(String, String)> {
        parse(text).variables
    }

    fn one(text: &str) -> String {
        let found = variables(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].0, "A");
        found[0].1.clone()
    }

    #[test]
    fn quotes_group_and_nothing_is_expanded() {
        for (text, value) in [
            ("A=b c  ", "b c"),
            ("A = b", "b"),
            ("A='x  y '", "x  y "),
            ("A=\"a\\\"b\\\\c\\$d\\n\"", "a\"b\\c$d\\n"),
            ("A=$HOME `id` ${X}", "$HOME `id` ${X}"),
            ("A=a'b'\"c\"d", "a'b'\"c\"d"),
            ("A='x'  \"y\" z", "xyz"),
            ("A=\"a\" b'c'", "ab'c'"),
            ("A=\\x\\ ", "x "),
            ("A=", ""),
            ("A=x#y", "x#y"),
            ("A='two\nlines'", "two\nlines"),
            ("A=two\\\nparts", "twoparts"),
            ("A=\"two\\\nparts\"", "twoparts"),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let found = parse("\n# A=1\n; A=2\n  \t\nA=3\n");
        assert_eq!(found.variables, [("A".to_owned(), "3".to_owned())]);
        assert!(found.ignored.is_empty());
    }

    #[test]
    fn lines_that_are_no_assignments_are_counted() {
        let found = parse("export A=1\nnothing\n1A=2\nB=3\n=4\n");
        assert_eq!(found.variables, [("B".to_owned(), "3".to_owned())]);
        assert_eq!(found.ignored, [1, 2, 3, 5]);
    }

    #[test]
    fn order_is_kept_so_that_the_last_can_win() {
        assert_eq!(variables("A=1\nA=2\n").len(), 2);
    }

    #[test]
    fn any_text_is_read_without_panic() {
        for text in [
            "A='",
            "A=\"",
            "A=\\",
            "A",
            "=",
            "#\\",
            "\u{feff}A=1",
            "A=\"\\",
        ] {
            parse(text);
        }
    }
}
