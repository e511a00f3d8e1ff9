//! What holds for every stream of bytes, however it is cut: the same messages come out, then the same end, and what is
//! kept meanwhile is bounded. Shared with the fuzzer.

use aplomb_protocol::{DecodeError, Lines, Message, Request, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// So small that a fuzzer's inputs reach it; the rule is the same for every limit.
const LIMIT: usize = 300;

/// What one line came to.
#[derive(Debug, PartialEq)]
enum Taken<T> {
    Message(T),
    Malformed(Option<u64>),
    TooLong,
}

/// The first byte says how the others are cut.
pub(crate) fn keep(bytes: &[u8]) {
    let Some((seed, stream)) = bytes.split_first() else {
        return;
    };
    for_type::<Request>(*seed, stream);
    for_type::<Message>(*seed, stream);
}

fn for_type<T: DeserializeOwned + Serialize + std::fmt::Debug>(seed: u8, stream: &[u8]) {
    let whole = taken::<T>(stream, usize::MAX, 0);
    assert_eq!(
        format!("{whole:?}"),
        format!("{:?}", taken::<T>(stream, 1, 0))
    );
    let cut = taken::<T>(stream, 1 + usize::from(seed % 32), seed >> 5);
    assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
    for one in whole {
        match one {
            Taken::Message(message) => read_back(&message),
            Taken::Malformed(_) | Taken::TooLong => {}
        }
    }
}

/// All that comes out of pieces of `size` bytes, each `growth` longer than the one before; nothing after `TooLong`.
fn taken<T: DeserializeOwned>(stream: &[u8], size: usize, growth: u8) -> Vec<Taken<T>> {
    let mut lines = Lines::with_limit(LIMIT);
    let (mut all, mut rest, mut size) = (Vec::new(), stream, size);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        lines.push(piece);
        while let Some(one) = lines.take::<T>() {
            all.push(match one {
                Ok(message) => Taken::Message(message),
                Err(DecodeError::Malformed { id, .. }) => Taken::Malformed(id),
                Err(DecodeError::TooLong { limit }) => {
                    assert_eq!(limit, LIMIT);
                    assert!(matches!(
                        lines.take::<T>(),
                        Some(Err(DecodeError::TooLong { .. }))
                    ));
                    all.push(Taken::TooLong);
                    return all;
                }
            });
        }
        rest = after;
        size = size.saturating_add(growth.into());
    }
    all
}

/// What was understood is understood again as it is written.
fn read_back<T: DeserializeOwned + Serialize + std::fmt::Debug>(message: &T) {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
    let mut lines = Lines::with_limit(usize::MAX);
    lines.push(&bytes);
    let again = lines.take::<T>().expect("a line").expect("a message");
    assert_eq!(format!("{again:?}"), format!("{message:?}"));
}
