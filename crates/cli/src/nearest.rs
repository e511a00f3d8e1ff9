//! The word somebody probably meant.

/// As clap's own for verbs and options: anything less alike is a guess that confuses.
const ALIKE: f64 = 0.7;

/// The one of `known` most like `word`, if any is alike enough.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), *candidate));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best.0 > ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_nonsense_is_not() {
        let known = ["gateway", "orders", "größe"];
        assert_eq!(nearest("gatway", &known), Some("gateway"));
        assert_eq!(nearest("grosse", &known), Some("größe"));
        assert_eq!(nearest("xyz", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
