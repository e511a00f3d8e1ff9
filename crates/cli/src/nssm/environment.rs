//! Lists that are set, added to and taken from word by word: environments and dependencies.
//!
//! A word with `+` adds, with `-` takes away, with `:` begins anew, as does the first word without any. NSSM looks at
//! the first word's sign only and keeps the others as part of the text, which nobody can have meant.

/// What a list becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edited {
    pub(super) list: Vec<String>,
}

/// How the members of a list are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    /// `NAME=VALUE`: known by the name.
    Variables,
    /// Known as a whole.
    Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Anew,
    Add,
    Take,
}

/// `old` after what `words` say. Words may hold several lines; empty ones mean nothing.
pub(super) fn edit(old: &[String], words: &[String], members: Members) -> Edited {
    let mut list = old.to_vec();
    let mut sign = None;
    for line in words.iter().flat_map(|word| word.lines()) {
        let (own, member) = match line.chars().next() {
            Some('+') => (Some(Sign::Add), &line[1..]),
            Some('-') => (Some(Sign::Take), &line[1..]),
            Some(':') => (Some(Sign::Anew), &line[1..]),
            Some(_) | None => (None, line),
        };
        if sign.is_none() && own.unwrap_or(Sign::Anew) == Sign::Anew {
            list.clear();
        }
        let now = own.or(sign).unwrap_or(Sign::Anew);
        sign = Some(now);
        if member.is_empty() {
            continue;
        }
        match now {
            Sign::Anew | Sign::Add => add(&mut list, member, members),
            Sign::Take => list.retain(|known| !is_meant(known, member, members)),
        }
    }
    Edited { list }
}

fn add(list: &mut Vec<String>, member: &str, members: Members) {
    let same = |known: &&mut String| match members {
        Members::Variables => name(known).eq_ignore_ascii_case(name(member)),
        Members::Names => known.eq_ignore_ascii_case(member),
    };
    match list.iter_mut().find(same) {
        Some(known) => *known = member.to_owned(),
        None => list.push(member.to_owned()),
    }
}

/// Whether `known` is what `-member` takes away: the variable of that name, or only with that very value.
fn is_meant(known: &str, member: &str, members: Members) -> bool {
    match members {
        Members::Variables if !member.contains('=') => name(known).eq_ignore_ascii_case(member),
        Members::Variables | Members::Names => known.eq_ignore_ascii_case(member),
    }
}

fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}

/// The value of the variable called `wanted`.
pub(super) fn value<'a>(list: &'a [String], wanted: &str) -> Option<&'a str> {
    list.iter()
        .filter_map(|variable| variable.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value)
}

/// Whether every member is `NAME=VALUE`; a process with anything else in its environment does not start.
pub(super) fn is_sound(list: &[String]) -> bool {
    list.iter().all(|variable| {
        variable
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(old: &[&str], words: &[&str]) -> Vec<String> {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        edit(&own(old), &own(words), Members::Variables).list
    }

    #[test]
    fn words_set_add_and_take() {
        let old = ["A=1", "B=2"];
        assert_eq!(edited(&old, &["C=3", "D=4"]), ["C=3", "D=4"]);
        assert_eq!(edited(&old, &[":C=3", "+D=4"]), ["C=3", "D=4"]);
        assert_eq!(edited(&old, &["+a=9"]), ["a=9", "B=2"]);
        assert_eq!(
            edited(&old, &["+C=3", "+D=4"]),
            ["A=1", "B=2", "C=3", "D=4"]
        );
        assert_eq!(edited(&old, &["-a"]), ["B=2"]);
        assert_eq!(edited(&old, &["-A=2"]), old);
        assert_eq!(edited(&old, &["-A=1", "B"]), [] as [&str; 0]);
        assert_eq!(edited(&old, &["+C=3", "-B"]), ["A=1", "C=3"]);
        assert_eq!(edited(&[], &["A=1\r\nB=2"]), ["A=1", "B=2"]);
    }

    #[test]
    fn a_variable_has_a_name() {
        assert!(is_sound(&["A=".into(), "B=x=y".into()]));
        assert!(!is_sound(&["A".into()]) && !is_sound(&["=A".into()]));
        assert_eq!(value(&["Path=x".into()], "PATH"), Some("x"));
    }
}
