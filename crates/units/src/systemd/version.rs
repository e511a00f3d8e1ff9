//! Versions and how they compare: the rules of the UAPI group's version format specification, which systemd follows.

use std::cmp::Ordering;

use super::pattern::fits;

/// `<`, `>=` and their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Equal,
    Unequal,
    AtLeast,
    More,
}

const SIGNS: &[(&str, Comparison)] = &[
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<>", Comparison::Unequal),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

impl Comparison {
    /// The sign a text begins with, and the rest.
    pub(super) fn split(text: &str) -> Option<(Comparison, &str)> {
        SIGNS
            .iter()
            .find_map(|(sign, compare)| Some((*compare, text.strip_prefix(sign)?)))
    }

    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::Unequal => order.is_ne(),
            Comparison::AtLeast => order.is_ge(),
            Comparison::More => order.is_gt(),
        }
    }
}

/// Whether a version fulfils all of several expressions: `>= 5.10 < 7`, `6.*`. `None` where one cannot be read.
pub(super) fn matches(version: &str, expressions: &str) -> Option<bool> {
    let mut words = expressions.split_ascii_whitespace();
    let mut holds = true;
    while let Some(word) = words.next() {
        holds &= match Comparison::split(word) {
            None => fits(version, word),
            Some((compare, "")) => compare.holds(order(version, words.next()?)),
            Some((compare, other)) => compare.holds(order(version, other)),
        };
    }
    Some(holds)
}

/// Which of two versions is the older one.
pub(super) fn order(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        one = one.trim_start_matches(is_separator);
        other = other.trim_start_matches(is_separator);
        for (mark, shorter_is_older) in [('~', false), ('-', true), ('^', true), ('.', true)] {
            match (one.starts_with(mark), other.starts_with(mark)) {
                (true, true) => {
                    one = &one[1..];
                    other = &other[1..];
                }
                (true, false) => return ends_first(other, shorter_is_older).reverse(),
                (false, true) => return ends_first(one, shorter_is_older),
                (false, false) => {}
            }
        }
        if one.is_empty() || other.is_empty() {
            return one.len().min(1).cmp(&other.len().min(1));
        }
        let numeric = one.starts_with(|c: char| c.is_ascii_digit())
            || other.starts_with(|c: char| c.is_ascii_digit());
        let (left, right);
        ((left, one), (right, other)) = match numeric {
            true => (
                run(one, |c| c.is_ascii_digit()),
                run(other, |c| c.is_ascii_digit()),
            ),
            false => (
                run(one, |c| c.is_ascii_alphabetic()),
                run(other, |c| c.is_ascii_alphabetic()),
            ),
        };
        let found = match numeric {
            true => by_number(left, right),
            false => left.cmp(right),
        };
        if found.is_ne() {
            return found;
        }
    }
}

/// How the side without a mark stands to the one that has it: `~` is older than everything, the other marks only newer
/// than the end.
fn ends_first(without: &str, shorter_is_older: bool) -> Ordering {
    match shorter_is_older {
        true if without.is_empty() => Ordering::Less,
        true | false => Ordering::Greater,
    }
}

fn is_separator(letter: char) -> bool {
    !letter.is_ascii_alphanumeric() && !"~-^.".contains(letter)
}

fn run(text: &str, of: fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter: char| !of(letter)).unwrap_or(text.len());
    text.split_at(end)
}

/// Digits by their worth, however many there are; none at all are the least.
fn by_number(one: &str, other: &str) -> Ordering {
    if one.is_empty() || other.is_empty() {
        return one.len().cmp(&other.len());
    }
    let one = one.trim_start_matches('0');
    let other = other.trim_start_matches('0');
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_order() {
        let order_of = [
            "~1", "1~rc1", "1", "1-2", "1.0", "1.2", "1.10", "2.0-rc1", "2.0.1", "10",
        ];
        for (at, one) in order_of.iter().enumerate() {
            for (other_at, other) in order_of.iter().enumerate() {
                assert_eq!(order(one, other), at.cmp(&other_at), "{one} {other}");
            }
        }
        assert_eq!(order("1.02", "1.2"), Ordering::Equal);
    }

    #[test]
    fn several_expressions_must_all_hold() {
        for (text, expected) in [
            (">= 5.10", Some(true)),
            (">=5.10 <7", Some(true)),
            ("6.*", Some(true)),
            ("< 6", Some(false)),
            ("6.1.0-18 >7", Some(false)),
            ("", Some(true)),
            (">=", None),
        ] {
            assert_eq!(matches("6.1.0-18", text), expected, "{text}");
        }
    }
}
