//! One line of the record: a check of sixteen hexadecimal digits, a blank, an entry as JSON, a line break.

use super::Entry;

/// Length of the check and the blank behind it.
const CHECK: usize = 17;

/// Appends an entry.
pub(super) fn encode(entry: &Entry, into: &mut Vec<u8>) {
    let start = into.len();
    into.extend_from_slice(&[b' '; CHECK]);
    if serde_json::to_writer(&mut *into, entry).is_err() {
        // Nothing we write is beyond JSON; what was, would be left out and found missing.
        into.truncate(start);
        return;
    }
    let check = check(&into[start + CHECK..]);
    for (at, place) in into[start..start + CHECK - 1].iter_mut().enumerate() {
        let digit = (check >> (60 - 4 * at)) & 0xf;
        *place = b"0123456789abcdef"[digit as usize];
    }
    into.push(b'\n');
}

/// The lines of a record. Bytes of zero before and between them are what freed memory leaves; a last line without its
/// end is torn and told as it is.
pub(super) fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| {
        let zeros = line.iter().take_while(|byte| **byte == 0).count();
        &line[zeros..]
    });
    lines.filter(|line| !line.is_empty())
}

/// The entry of a line; `None`: it is not as it was written. An error: it is, and says what this program does not know,
/// with the format where it tells one.
pub(super) fn decode(line: &[u8]) -> Option<Result<Entry, Option<u32>>> {
    let (head, json) = line.split_at_checked(CHECK)?;
    let digits = std::str::from_utf8(head).ok()?.strip_suffix(' ')?;
    if digits.starts_with('+') || u64::from_str_radix(digits, 16).ok()? != check(json) {
        return None;
    }
    Some(serde_json::from_slice(json).map_err(|_| format_of(json)))
}

fn format_of(json: &[u8]) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_slice(json).ok()?;
    value.get("format")?.as_u64()?.try_into().ok()
}

/// The check of a line: FNV-1a over words of eight bytes, and a last mix so that every bit of the text reaches every bit of the check.
pub fn check(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    for byte in chunks.remainder() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
}
