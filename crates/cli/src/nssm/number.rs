//! Numbers as NSSM reads them: C's `strtoul` with base 0.

/// The number at the front of `text`, and what follows it. Blanks and a sign may come first; `0x` and `0` change the
/// base. No digits are zero, with everything following. Too large is the largest; a minus counts from there.
pub(super) fn leading(text: &str) -> (u32, &str) {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .filter(|rest| rest.starts_with(|letter: char| letter.is_ascii_hexdigit()));
    let (base, digits) = match hexadecimal {
        Some(rest) => (16, rest),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    let end = digits
        .find(|letter: char| !letter.is_digit(base))
        .unwrap_or(digits.len());
    if end == 0 {
        return (0, text);
    }
    let Ok(number) = u32::from_str_radix(&digits[..end], base) else {
        return (u32::MAX, &digits[end..]);
    };
    let number = if negative {
        number.wrapping_neg()
    } else {
        number
    };
    (number, &digits[end..])
}

/// The number `text` is, if it is nothing else.
pub(super) fn whole(text: &str) -> Option<u32> {
    let (number, rest) = leading(text);
    rest.is_empty().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [
            ("1500", Some(1500)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            (" 5", Some(5)),
            ("-1", Some(u32::MAX)),
            ("99999999999", Some(u32::MAX)),
            ("", Some(0)),
            ("12s", None),
            ("0xg", None),
            ("09", None),
            ("abc", None),
        ] {
            assert_eq!(whole(text), number, "{text:?}");
        }
        assert_eq!(leading("0-2,4"), (0, "-2,4"));
        assert_eq!(leading("x"), (0, "x"));
    }
}
