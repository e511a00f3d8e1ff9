//! The known name somebody probably meant.

/// The candidate with the smallest edit distance to `name`, if it is close enough to be worth naming: at most a third
/// of the letters differ, and at least one mistake is always forgiven.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a name of hundreds of letters; the bound keeps hostile input cheap.
    const LONGEST: usize = 64;
    if name.chars().count() > LONGEST {
        return None;
    }
    let length = name.chars().count();
    let allowed = (length / 3).max(1);
    candidates
        .into_iter()
        // Each letter of difference in length is a mistake already.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= allowed)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove, replace or swap with their neighbour; `_` and `-` and upper and lower case are alike.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().map(alike).collect();
    let b: Vec<char> = b.chars().map(alike).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

fn alike(letter: char) -> char {
    match letter.to_ascii_lowercase() {
        '_' => '-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let keys = ["restart", "requires", "command", "env-file"];
        for (slip, meant) in [
            ("restrat", Some("restart")),
            ("Command", Some("command")),
            ("env_file", Some("env-file")),
            ("require", Some("requires")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, keys), meant, "{slip}");
        }
    }
}
