//! Command lines as Windows programs take them apart: one text, split by the program itself.
//!
//! The rules are those of Microsoft's C runtime (and of Rust's std): blanks part words, `"` groups, backslashes count
//! only before a `"`. They know no fault, so that `split_windows` cannot fail. The name of the program is not part of
//! the text here; it follows a rule of its own.

/// The words of `text`, as the program it is handed to sees them.
pub fn split_windows(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' if !quoted => words.extend(word.take()),
            '\\' => {
                let mut backslashes = 1;
                while letters.next_if_eq(&'\\').is_some() {
                    backslashes += 1;
                }
                let word = word.get_or_insert_default();
                if letters.peek() != Some(&'"') {
                    word.extend(std::iter::repeat_n('\\', backslashes));
                    continue;
                }
                word.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 1 {
                    letters.next();
                    word.push('"');
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                // Inside quotes two of them are one that is meant.
                if quoted && letters.next_if_eq(&'"').is_some() {
                    word.push('"');
                } else {
                    quoted = !quoted;
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// One text that [`split_windows`] takes apart into these words again.
pub fn join_windows<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word.as_ref())).collect();
    quoted.join(" ")
}

fn quote(word: &str) -> String {
    let needs = word.is_empty() || word.contains([' ', '\t', '"']);
    if !needs {
        return word.to_owned();
    }
    let mut text = String::from('"');
    let mut backslashes = 0;
    for letter in word.chars() {
        match letter {
            '\\' => backslashes += 1,
            '"' => {
                // Each backslash before a quote counts, and the quote needs one of its own.
                text.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        text.push(letter);
    }
    text.extend(std::iter::repeat_n('\\', backslashes));
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_as_the_c_runtime_parts_them() {
        for (text, words) in [
            ("a b\tc", vec!["a", "b", "c"]),
            ("  a  ", vec!["a"]),
            ("\"a b\" c", vec!["a b", "c"]),
            (r#"a\b \\server\x"#, vec![r"a\b", r"\\server\x"]),
            (r#""C:\a b\\" x"#, vec![r"C:\a b\", "x"]),
            (r#"\"a\""#, vec!["\"a\""]),
            (r#""a""b""#, vec!["a\"b"]),
            (r#"--x="1 2""#, vec!["--x=1 2"]),
            (r#""" a"#, vec!["", "a"]),
            ("", vec![]),
            (r#""never closed"#, vec!["never closed"]),
        ] {
            assert_eq!(split_windows(text), words, "{text}");
        }
    }

    #[test]
    fn what_is_joined_splits_into_the_same_words() {
        let words = [
            "a",
            "",
            "a b",
            r"C:\x y\",
            r#"say "hi""#,
            r#"\""#,
            r"\\",
            "\t",
            r#"a\\"b"#,
            "名 前",
        ];
        assert_eq!(split_windows(&join_windows(&words)), words);
    }
}
