//! Sizes: `16MiB` (powers of 1024), `16 MB` (powers of 1000), `4096` (bytes).

use aplomb_core::Bytes;

/// Units with their number of bytes, largest first. `M` alone is left out: people mean both by it.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];
/// How many of `UNITS` are powers of 1024; only those are printed.
const BINARY: usize = 4;

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeFault {
    #[error("it does not begin with a whole number")]
    NoNumber,
    #[error("`{0}` may mean powers of 1000 or of 1024")]
    Ambiguous(String),
    #[error("`{0}` is no unit of size")]
    UnknownUnit(String),
    #[error("it is more than can be counted")]
    TooLarge,
}

/// Reads a whole number of bytes or of a unit.
pub fn parse_size(text: &str) -> Result<Bytes, SizeFault> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(SizeFault::NoNumber);
    }
    let number: u64 = number.parse().map_err(|_| SizeFault::TooLarge)?;
    let bytes = number
        .checked_mul(unit_bytes(unit.trim_start())?)
        .ok_or(SizeFault::TooLarge)?;
    Ok(Bytes(bytes))
}

fn unit_bytes(unit: &str) -> Result<u64, SizeFault> {
    if unit.is_empty() {
        return Ok(1);
    }
    if let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) {
        return Ok(*bytes);
    }
    if matches!(unit, "k" | "K" | "m" | "M" | "g" | "G" | "t" | "T") {
        return Err(SizeFault::Ambiguous(unit.into()));
    }
    Err(SizeFault::UnknownUnit(unit.into()))
}

/// In the largest power of 1024 that divides it; bare bytes otherwise.
pub fn print_size(size: Bytes) -> String {
    let unit = UNITS[..BINARY]
        .iter()
        .find(|(_, bytes)| size.0 > 0 && size.0.is_multiple_of(*bytes));
    match unit {
        Some((name, bytes)) => format!("{}{name}", size.0 / bytes),
        None => size.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_decimal_units_differ_and_a_bare_letter_is_refused() {
        assert_eq!(parse_size("16MiB"), Ok(Bytes(16 << 20)));
        assert_eq!(parse_size("16 MB"), Ok(Bytes(16_000_000)));
        assert_eq!(parse_size("4096"), Ok(Bytes(4096)));
        assert_eq!(parse_size("16M"), Err(SizeFault::Ambiguous("M".into())));
        assert_eq!(
            parse_size("16 mib"),
            Err(SizeFault::UnknownUnit("mib".into()))
        );
        assert_eq!(parse_size("-1"), Err(SizeFault::NoNumber));
        assert_eq!(parse_size("99999999TiB"), Err(SizeFault::TooLarge));
    }

    #[test]
    fn printing_and_parsing_agree() {
        for size in [0, 1, 1023, 1024, 1 << 20, 3 << 30, 16_000_000, u64::MAX] {
            assert_eq!(parse_size(&print_size(Bytes(size))), Ok(Bytes(size)));
        }
        assert_eq!(print_size(Bytes(16 << 20)), "16MiB");
    }
}
