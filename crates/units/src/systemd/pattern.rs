//! Patterns for names, as fnmatch(3): `*`, `?`, `[…]`, and a backslash before a letter that means itself.

/// Whether the whole text fits the pattern. Linear in the text for each star: hostile patterns stay cheap.
pub(super) fn fits(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern = parts(pattern);
    let (mut at, mut part) = (0, 0);
    // Where to go on if what follows the last star does not fit: one letter further.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match pattern.get(part) {
            Some(Part::Any) => {
                part += 1;
                retry = Some((part, at));
                continue;
            }
            Some(expected) if text.get(at).is_some_and(|letter| expected.fits(*letter)) => {
                at += 1;
                part += 1;
                continue;
            }
            None if at == text.len() => return true,
            Some(_) | None => {}
        }
        let Some((after_star, from)) = retry.filter(|(_, from)| *from < text.len()) else {
            return false;
        };
        retry = Some((after_star, from + 1));
        (part, at) = (after_star, from + 1);
    }
}

enum Part {
    /// `*`
    Any,
    /// `?`
    One,
    Letter(char),
    Set {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
}

impl Part {
    fn fits(&self, letter: char) -> bool {
        match self {
            Part::Any => false,
            Part::One => true,
            Part::Letter(known) => *known == letter,
            Part::Set { ranges, negated } => {
                ranges
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&letter))
                    != *negated
            }
        }
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Letter(letters.next().unwrap_or('\\')),
            '[' => match set(letters.as_str()) {
                Some((part, rest)) => {
                    letters = rest.chars();
                    part
                }
                None => Part::Letter('['),
            },
            letter => Part::Letter(letter),
        });
    }
    parts
}

/// What stands after `[`, up to its `]`, and what follows. A `]` that comes first is a letter.
fn set(text: &str) -> Option<(Part, &str)> {
    let (text, negated) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let first = text.chars().next()?;
    let end = first.len_utf8() + text[first.len_utf8()..].find(']')?;
    let letters: Vec<char> = text[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(first) = letters.get(at) {
        let last = letters
            .get(at + 2)
            .filter(|_| letters.get(at + 1) == Some(&'-'));
        ranges.push((*first, *last.unwrap_or(first)));
        at += if last.is_some() { 3 } else { 1 };
    }
    Some((Part::Set { ranges, negated }, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_a_shell_has_them() {
        for (text, pattern) in [
            ("", ""),
            ("", "*"),
            ("web1", "web?"),
            ("web.example", "*.example"),
            ("a.b.c", "a*c"),
            ("aXbXc", "a*X*c"),
            ("web3", "web[0-9]"),
            ("webx", "web[!0-9]"),
            ("a]", "a[]]"),
            ("a*", "a\\*"),
            ("a[", "a["),
        ] {
            assert!(fits(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in [
            ("a", ""),
            ("", "?"),
            ("web", "web?"),
            ("ab", "a*c"),
            ("web3", "web[!0-9]"),
            ("ab", "a\\*"),
        ] {
            assert!(!fits(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn a_hostile_pattern_stays_cheap() {
        let text = "a".repeat(5_000);
        assert!(!fits(&text, &format!("{}b", "*a".repeat(500))));
    }
}
