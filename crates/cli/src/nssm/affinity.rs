//! Processors as a set of bits and as NSSM writes them: `0-2,4`.

use super::number::leading;

/// The processors `text` names; `None` where it is no list of numbers below 64.
///
/// Differs from NSSM in refusing an empty member (`0,`), out of which it makes processor 63.
pub(super) fn parse(text: &str) -> Option<u64> {
    text.split(',').try_fold(0, |mask, member| {
        let (first, rest) = number(member)?;
        let last = match rest {
            "" => first,
            _ => match number(rest.strip_prefix('-')?)? {
                (last, "") => last,
                (_, _) => return None,
            },
        };
        let bits = (first..=last).fold(0u64, |bits, at| bits | 1 << at);
        Some(mask | bits)
    })
}

fn number(text: &str) -> Option<(u32, &str)> {
    let begins = text.starts_with(|letter: char| letter.is_ascii_digit());
    let (number, rest) = leading(text);
    (begins && number < u64::BITS).then_some((number, rest))
}

/// The set as NSSM writes it: neighbours of three or more as a range. Empty for none.
pub(super) fn print(mask: u64) -> String {
    let mut members = Vec::new();
    let mut at = 0;
    while at < u64::BITS {
        if mask >> at & 1 == 0 {
            at += 1;
            continue;
        }
        let first = at;
        while at < u64::BITS && mask >> at & 1 == 1 {
            at += 1;
        }
        members.push(match at - first {
            1 => first.to_string(),
            2 => format!("{first},{}", at - 1),
            _ => format!("{first}-{}", at - 1),
        });
    }
    members.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written_in_nssms_shape() {
        for (text, mask, canonical) in [
            ("0", 1, "0"),
            ("0-2,4", 0b1_0111, "0-2,4"),
            ("0,1", 0b11, "0,1"),
            ("0-1", 0b11, "0,1"),
            ("63", 1 << 63, "63"),
            ("0-63", u64::MAX, "0-63"),
            ("4,0", 0b1_0001, "0,4"),
        ] {
            assert_eq!(parse(text), Some(mask), "{text}");
            assert_eq!(print(mask), canonical);
        }
        for text in ["", "a", "0,", "64", "0-", "0-64", "1-2-3", "-1", "0 1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
