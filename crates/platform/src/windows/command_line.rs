//! Words as one command line, so that a program finds the same words again (CommandLineToArgvW, and the C runtime's
//! rules for the first one).

/// Why words cannot be handed to a batch file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a batch file cannot be given words with {0}")]
pub(crate) struct Unspeakable(&'static str);

/// The line for a program. The first word is never taken apart at backslashes.
pub(crate) fn of(words: &[String]) -> String {
    let mut line = String::new();
    let mut words = words.iter();
    if let Some(name) = words.next() {
        line.push('"');
        line.extend(name.chars().filter(|letter| *letter != '"'));
        line.push('"');
    }
    for word in words {
        line.push(' ');
        push_quoted(&mut line, word);
    }
    line
}

/// The line for a batch file, which its interpreter reads: what it would read otherwise than meant is refused.
pub(crate) fn of_batch(shell: &str, file: &str, words: &[String]) -> Result<String, Unspeakable> {
    const NEVER: [(&[char], &str); 3] = [
        (&['"'], "quotes"),
        (&['%', '!'], "percent or exclamation marks"),
        (&['\r', '\n', '\0'], "line ends"),
    ];
    let all = words.iter().skip(1).map(String::as_str);
    for word in all.clone().chain([file]) {
        if let Some((_, what)) = NEVER.iter().find(|(letters, _)| word.contains(*letters)) {
            return Err(Unspeakable(what));
        }
    }
    // No commands of the registry, delayed expansion off; the outer quotes are the shell's to take away.
    let mut line = format!("\"{shell}\" /d /e:on /v:off /s /c \"\"{file}\"");
    for word in all {
        line.push_str(" \"");
        line.push_str(word);
        // A backslash would not let the quote end the word.
        let slashes = word.chars().rev().take_while(|letter| *letter == '\\');
        line.extend(slashes);
        line.push('"');
    }
    line.push('"');
    Ok(line)
}

/// Backslashes mean themselves, except before a quote: there each is doubled.
fn push_quoted(line: &mut String, word: &str) {
    let plain = !word.is_empty() && !word.contains([' ', '\t', '\n', '\u{b}', '"']);
    if plain {
        return line.push_str(word);
    }
    line.push('"');
    let mut slashes = 0;
    for letter in word.chars() {
        match letter {
            '\\' => slashes += 1,
            '"' => {
                line.extend(std::iter::repeat_n('\\', slashes + 1));
                slashes = 0;
            }
            _ => slashes = 0,
        }
        line.push(letter);
    }
    line.extend(std::iter::repeat_n('\\', slashes));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        of(&words)
    }

    #[test]
    fn words_are_found_again() {
        assert_eq!(line(&["a b.exe", "plain"]), r#""a b.exe" plain"#);
        assert_eq!(line(&["p", ""]), r#""p" """#);
        assert_eq!(line(&["p", r"a\b c\"]), r#""p" "a\b c\\""#);
        assert_eq!(line(&["p", r#"say "hi""#]), r#""p" "say \"hi\"""#);
        assert_eq!(line(&["p", r#"\\"x"#]), r#""p" "\\\\\"x""#);
    }

    #[test]
    fn what_a_batch_file_would_read_otherwise_is_refused() {
        let batch = |word: &str| of_batch("cmd", "f.bat", &["f".into(), word.into()]);
        let good = r#""cmd" /d /e:on /v:off /s /c ""f.bat" "a & b""#.to_owned() + "\"";
        assert_eq!(batch("a & b"), Ok(good));
        for word in ["100%", "\"", "a\nb", "!x!"] {
            assert!(batch(word).is_err(), "{word}");
        }
    }
}
