//! A service's name as part of a file name: legal on Linux and Windows, reversible, never a path.
//!
//! What a file system could take amiss is written as `%` and two hex digits of each byte: separators, `<>:"|?*`,
//! control characters, a leading dot, a trailing dot or blank, the first letter of a device name (`con`, `com1.x`),
//! and whatever would make the file look like another service's (`x.err`, `x-20261122T152451.123Z`). Letters of
//! all scripts stay as they are. Two names that differ only in case are two files only where the file system
//! tells them apart; on Windows the system's own service names do not differ either.

use std::fmt::Write as _;

use crate::clock::parse_name_stamp;

/// Longer stems are cut and end in a hash, so that the name of a rotated file's index stays below the 255 bytes
/// that file systems allow. Those cannot be read back.
const LONGEST: usize = 160;

/// The part of the file name before `.log`, for a service of this name. Different names have different stems.
pub fn stem(service: &str) -> String {
    let mut stem = String::with_capacity(service.len());
    let last = service.chars().count().saturating_sub(1);
    let device = is_device(service);
    let look_alike = look_alike(service);
    for (at, (byte, letter)) in service.char_indices().enumerate() {
        let awkward = match letter {
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' | '%' => true,
            '.' => at == 0 || at == last,
            ' ' => at == last,
            letter => letter.is_control() || (at == 0 && device),
        };
        if awkward || look_alike == Some(byte) {
            escape(letter, &mut stem);
        } else {
            stem.push(letter);
        }
    }
    if stem.is_empty() {
        // No service has an empty name; a file needs one, and `%` alone is nobody's.
        stem.push('%');
    }
    if stem.len() > LONGEST {
        return shortened(&stem);
    }
    stem
}

/// The service whose stem this is; `None` where there is none, or where it was too long to be kept.
pub fn service_of(stem: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(stem.len());
    let mut rest = stem.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (hex, tail) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    let service = String::from_utf8(bytes).ok()?;
    (self::stem(&service) == stem).then_some(service)
}

fn escape(letter: char, into: &mut String) {
    for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(into, "%{byte:02X}");
    }
}

/// Windows takes these, with any extension and in any case, for devices (Naming Files, Paths, and Namespaces).
fn is_device(service: &str) -> bool {
    let base = service.split('.').next().unwrap_or_default();
    let base = base.trim_end_matches(' ').to_ascii_lowercase();
    let numbered = |port: &str| {
        let number = base.strip_prefix(port)?;
        let mut letters = number.chars();
        let digit = letters.next()?;
        (letters.next().is_none() && matches!(digit, '0'..='9' | '¹' | '²' | '³')).then_some(())
    };
    matches!(
        base.as_str(),
        "con" | "prn" | "aux" | "nul" | "conin$" | "conout$"
    ) || numbered("com").is_some()
        || numbered("lpt").is_some()
}

/// Where the name's end would be read as "standard error of" or "rotated file of" another service.
fn look_alike(service: &str) -> Option<usize> {
    if let Some(other) = service.strip_suffix(".err") {
        return Some(other.len());
    }
    let (other, end) = service.rsplit_once('-')?;
    let end = end.strip_suffix(".err").unwrap_or(end);
    parse_name_stamp(end).map(|_| other.len())
}

/// FNV-1a: small, the same for ever, and nobody gains by making two of his own services collide.
fn shortened(stem: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in stem.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let kept = stem.floor_char_boundary(LONGEST);
    format!("{}~{hash:016x}", &stem[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "web",
            "web@2",
            "käse 7",
            "订单",
            "a-b_c.d",
            "confetti",
            "com10",
            "web-20261122",
        ] {
            assert_eq!(stem(name), name);
        }
    }

    #[test]
    fn no_name_is_a_path_a_device_or_another_services_file() {
        assert_eq!(stem("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(stem(".."), "%2E%2E");
        assert_eq!(stem("C:\\x"), "C%3A%5Cx");
        assert_eq!(stem("con"), "%63on");
        assert_eq!(stem("NUL.txt"), "%4EUL.txt");
        assert_eq!(stem("COM¹"), "%43OM¹");
        assert_eq!(stem("lpt1 .x"), "%6Cpt1 .x");
        assert_eq!(stem("end. "), "end.%20");
        assert_eq!(stem("a\nb"), "a%0Ab");
        assert_eq!(stem("100%"), "100%25");
        assert_eq!(stem("web.err"), "web%2Eerr");
        assert_eq!(
            stem("web-20261122T152451.123Z"),
            "web%2D20261122T152451.123Z"
        );
        assert_eq!(stem(""), "%");
    }

    #[test]
    fn every_stem_leads_back_to_its_service() {
        for name in [
            "web",
            "../x",
            "con",
            "aux.c",
            "a%2Fb",
            "x.err",
            "é.",
            " ",
            ".",
            "a-20261122T152451.123Z",
            "\u{85}",
        ] {
            assert_eq!(service_of(&stem(name)).as_deref(), Some(name));
        }
        for nobody in ["%", "%2", "%zz", "%ff", "a%41", "con", "%+1"] {
            assert_eq!(service_of(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn long_names_are_cut_and_differ() {
        let (one, two) = ("订".repeat(200) + "1", "订".repeat(200) + "2");
        assert_ne!(stem(&one), stem(&two));
        assert!(stem(&one).len() <= LONGEST + 17);
    }
}
