//! From collected text to bytes: text mode's line ends, and the encoding scripts expect.
//!
//! NSSM up to 2.24 writes UTF-16 everywhere; 2.24-101 writes UTF-8 on a console and the system's code page elsewhere. We
//! write UTF-8 everywhere unless asked for UTF-16, because a code page loses names.

/// How text leaves us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    /// Little endian, without a mark at the front: what 2.24 and earlier write.
    Utf16,
}

impl Encoding {
    /// As the variable `NSSM_OUTPUT` says; UTF-8 unless that is `utf16`.
    pub(crate) fn named(word: Option<&str>) -> Encoding {
        match word {
            Some(word) if word.eq_ignore_ascii_case("utf16") => Encoding::Utf16,
            Some(_) | None => Encoding::Utf8,
        }
    }
}

/// The bytes of a text whose lines end with LF; every LF becomes CR LF, as text mode does it.
pub(crate) fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    let text = text.replace('\n', "\r\n");
    match encoding {
        Encoding::Utf8 => text.into_bytes(),
        Encoding::Utf16 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_as_nssm_ends_it_in_either_encoding() {
        assert_eq!(encode("a\r\n", Encoding::Utf8), b"a\r\r\n");
        assert_eq!(encode("a\n", Encoding::Utf8), b"a\r\n");
        assert_eq!(
            encode("S\n", Encoding::named(Some("UTF16"))),
            b"S\0\r\0\n\0"
        );
        assert_eq!(Encoding::named(Some("utf8")), Encoding::Utf8);
    }
}
