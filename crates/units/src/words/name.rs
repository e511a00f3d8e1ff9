//! Names of services: they become parts of paths, control groups and log lines on every system.

/// The longest name; leaves room for endings within the 255 bytes of a file name.
const LONGEST: usize = 200;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than 200 bytes")]
    TooLong,
    #[error("it holds {0:?}")]
    Letter(char),
    #[error("it begins with `{0}`")]
    Begin(char),
    #[error("nothing stands {0} its `@`")]
    At(&'static str),
}

/// Whether `name` can name a service or one instance of it (`web@2`): letters and digits of any script, `.`, `_`, `-`,
/// and single spaces inside.
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.len() > LONGEST {
        return Err(NameFault::TooLong);
    }
    let (family, label) = match name.split_once('@') {
        Some((family, label)) => (family, Some(label)),
        None => (name, None),
    };
    if label == Some("") {
        return Err(NameFault::At("after"));
    }
    if family.is_empty() {
        return Err(label.map_or(NameFault::Empty, |_| NameFault::At("before")));
    }
    for letter in family.chars().chain(label.unwrap_or_default().chars()) {
        if !(letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | ' ')) {
            return Err(NameFault::Letter(letter));
        }
    }
    let parts = [family, label.unwrap_or_default()];
    if name.contains("  ") || parts.iter().any(|part| part.trim() != *part) {
        return Err(NameFault::Letter(' '));
    }
    match family.chars().next() {
        Some(first @ ('.' | '-')) => Err(NameFault::Begin(first)),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_not_be_files_are_refused_with_the_letter() {
        for name in [
            "web",
            "web@2",
            "a.b_c-d",
            "0",
            "web@blue-1",
            "my web",
            "größe",
            "网关",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for (name, fault) in [
            ("", NameFault::Empty),
            (" web", NameFault::Letter(' ')),
            ("my  web", NameFault::Letter(' ')),
            ("web @2", NameFault::Letter(' ')),
            ("web\n", NameFault::Letter('\n')),
            ("a/b", NameFault::Letter('/')),
            ("a@b@c", NameFault::Letter('@')),
            ("..", NameFault::Begin('.')),
            ("-x", NameFault::Begin('-')),
            ("web@", NameFault::At("after")),
            ("@2", NameFault::At("before")),
        ] {
            assert_eq!(check_name(name), Err(fault), "{name}");
        }
    }
}
