//! The journal's native protocol: one datagram per entry, fields by name, values of any bytes.
//!
//! A pure encoder. Which socket it goes to, and what becomes of a datagram too large for it, is the sender's business.
//! Rules: systemd's "Native Journal Protocol" (JOURNAL_NATIVE_PROTOCOL).

use aplomb_core::spec::Level;

/// One line for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub message: &'a [u8],
    pub priority: Level,
    pub identifier: &'a str,
    /// The service, as `UNIT=`.
    pub unit: &'a str,
}

impl Entry<'_> {
    /// Appends the datagram.
    pub fn encode(&self, into: &mut Vec<u8>) {
        field("MESSAGE", self.message, into);
        field("PRIORITY", &[b'0' + self.priority as u8], into);
        field("SYSLOG_IDENTIFIER", self.identifier.as_bytes(), into);
        field("UNIT", self.unit.as_bytes(), into);
    }
}

/// `NAME=value`, or for a value with line breaks `NAME`, its length as 64 bits little endian, and the value.
fn field(name: &str, value: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(name.as_bytes());
    if memchr::memchr(b'\n', value).is_some() {
        into.push(b'\n');
        into.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        into.push(b'=');
    }
    into.extend_from_slice(value);
    into.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(message: &[u8], unit: &str) -> Vec<u8> {
        let mut datagram = Vec::new();
        let entry = Entry {
            message,
            priority: Level::Warning,
            identifier: "web",
            unit,
        };
        entry.encode(&mut datagram);
        datagram
    }

    #[test]
    fn plain_values_are_one_line_each() {
        assert_eq!(
            encoded(b"hi\xff=1", "web"),
            b"MESSAGE=hi\xff=1\nPRIORITY=4\nSYSLOG_IDENTIFIER=web\nUNIT=web\n"
        );
    }

    #[test]
    fn a_value_cannot_forge_a_field() {
        let forged = encoded(b"x", "a\nPRIORITY=0");
        assert_eq!(
            forged,
            b"MESSAGE=x\nPRIORITY=4\nSYSLOG_IDENTIFIER=web\nUNIT\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n"
        );
    }
}
