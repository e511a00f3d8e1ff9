//! Variables in the arguments of a command; systemd.service(5), "Command lines". Applied by the engine when a
//! command runs, over the environment that command will have.

use super::words::{self, Backslash};

/// The arguments with every variable replaced. `lookup` gives a variable's value; one it does not know is an empty
/// text inside a word, and no word at all where it stands alone.
///
/// `$NAME` as a whole word becomes as many words as its value has, quotes in the value honoured. `${NAME}` anywhere
/// in a word is replaced in place. `$$` is one `$`.
pub fn expand(args: &[String], lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut out = Vec::with_capacity(args.len());
    for arg in args {
        match whole_word(arg) {
            Some(name) => out.extend(lookup(name).map(|value| split(&value)).unwrap_or_default()),
            None => out.push(in_place(arg, &lookup)),
        }
    }
    out
}

/// `NAME` of a word that is `$NAME` and nothing else; `$` alone is a variable without a name, which nobody sets.
fn whole_word(arg: &str) -> Option<&str> {
    let name = arg.strip_prefix('$')?;
    (!name.starts_with(['{', '$'])).then_some(name)
}

/// The words of a value; a quote that is never closed ends with it.
fn split(value: &str) -> Vec<String> {
    let closed = ["", "\"", "'"]
        .iter()
        .find_map(|quote| words::split(&format!("{value}{quote}"), Backslash::Keep).ok());
    closed
        .unwrap_or_default()
        .into_iter()
        .map(|word| word.text)
        .collect()
}

fn in_place(arg: &str, lookup: &impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(arg.len());
    let mut rest = arg;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        // What is in the braces and could be no name stays as it stands.
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if let Some((name, after)) = braced.filter(|(name, _)| name.chars().all(is_part)) {
            out.push_str(&lookup(name).unwrap_or_default());
            rest = after;
            continue;
        }
        out.push('$');
        rest = rest.strip_prefix('$').unwrap_or(rest);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        expand(&words, |name| match name {
            "ONE" => Some("one".to_owned()),
            "TWO" => Some("two two".to_owned()),
            "QUOTED" => Some("a 'b c' d".to_owned()),
            "OPEN" => Some("a 'b c".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn a_variable_alone_becomes_its_words() {
        assert_eq!(expanded(&["$ONE", "$TWO"]), ["one", "two", "two"]);
        assert_eq!(
            expanded(&["$QUOTED", "$OPEN"]),
            ["a", "b c", "d", "a", "b c"]
        );
        assert_eq!(expanded(&["$EMPTY", "$UNSET", "x"]), ["x"]);
    }

    #[test]
    fn a_braced_variable_stays_inside_its_word() {
        assert_eq!(
            expanded(&["${TWO}", "a${ONE}b", "${UNSET}", "${ONE}${ONE}"]),
            ["two two", "aoneb", "", "oneone"]
        );
    }

    #[test]
    fn a_doubled_dollar_is_one_and_others_stay() {
        assert_eq!(
            expanded(&[
                "$$ONE",
                "a$ONE",
                "$",
                "cost: 5$",
                "${ONE",
                "${ONE:-x}",
                "${}",
                "a$$b"
            ]),
            ["$ONE", "a$ONE", "cost: 5$", "${ONE", "${ONE:-x}", "", "a$b"]
        );
    }
}
