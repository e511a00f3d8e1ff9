//! The environment as the system wants it: sorted, one name once, whatever its case.

use std::collections::BTreeMap;
use std::io;

use super::sys;

/// Variables without which most programs cannot even begin; taken from our own where nobody says otherwise.
const NEEDED: [&str; 4] = ["SystemRoot", "SystemDrive", "TEMP", "TMP"];

/// The block for these variables; later ones win.
pub(crate) fn block(variables: &[(String, String)]) -> io::Result<Vec<u16>> {
    let mut sorted: BTreeMap<String, (&str, String)> = BTreeMap::new();
    for name in NEEDED {
        if let Ok(value) = std::env::var(name) {
            sorted.insert(name.to_uppercase(), (name, value));
        }
    }
    for (name, value) in variables {
        sorted.insert(name.to_uppercase(), (name, value.clone()));
    }
    let mut block = Vec::new();
    for (name, value) in sorted.values() {
        block.extend(sys::wide(&format!("{name}={value}"))?);
    }
    // An empty block needs its closing zero twice.
    if block.is_empty() {
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

/// The value of a variable, its name in any case; later ones win.
pub(crate) fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut rows = variables.iter().rev();
    let found = rows.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(&found.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_whatever_its_case_and_the_last_value_wins() {
        let variables = [("Path", "a"), ("other", "b"), ("PATH", "c")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let block = block(&variables).expect("no zeroes inside");
        let text = String::from_utf16(&block).expect("text");
        let paths = text
            .split('\0')
            .filter(|row| row.to_uppercase().starts_with("PATH="));
        assert_eq!(paths.collect::<Vec<_>>(), ["PATH=c"]);
        assert!(text.ends_with("\0\0"));
    }
}
