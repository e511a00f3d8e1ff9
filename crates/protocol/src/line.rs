//! Messages as lines, and lines out of a stream of bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A longer request is refused and the connection closed: nobody asks a megabyte.
pub const MAX_LINE: usize = 1 << 20;
/// The longest answer a client takes: the status of many thousand services in one line.
pub const MAX_ANSWER: usize = 256 << 20;

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the line is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the line is not a message this version understands: {source}")]
    Malformed {
        /// The number its sender gave it, if that much could be read.
        id: Option<u64>,
        source: serde_json::Error,
    },
}

impl DecodeError {
    fn malformed(line: &[u8], source: serde_json::Error) -> DecodeError {
        #[derive(serde::Deserialize)]
        struct Numbered {
            id: u64,
        }
        let numbered = serde_json::from_slice::<Numbered>(line);
        DecodeError::Malformed {
            id: numbered.ok().map(|numbered| numbered.id),
            source,
        }
    }
}

/// One message as a line, newline included.
pub fn encode<T: Serialize>(message: &T, into: &mut Vec<u8>) {
    let start = into.len();
    if serde_json::to_writer(&mut *into, message).is_err() {
        // Only a map with keys that are no strings can fail, and there is none.
        into.truncate(start);
        return;
    }
    into.push(b'\n');
}

/// Collects bytes and gives back whole messages.
#[derive(Debug)]
pub struct Lines {
    pending: Vec<u8>,
    read: usize,
    /// Up to here there is no line end after `read`.
    searched: usize,
    limit: usize,
}

impl Default for Lines {
    /// For requests: lines of at most [`MAX_LINE`] bytes.
    fn default() -> Lines {
        Lines::with_limit(MAX_LINE)
    }
}

impl Lines {
    /// For lines of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Lines {
        Lines {
            pending: Vec::new(),
            read: 0,
            searched: 0,
            limit,
        }
    }

    /// More bytes have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.pending.drain(..self.read);
            self.searched -= self.read;
            self.read = 0;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes come. Empty lines are skipped.
    ///
    /// # Errors
    /// After `TooLong` the stream is of no use any more; after `Malformed` the next line may be fine.
    pub fn take<T: DeserializeOwned>(&mut self) -> Option<Result<T, DecodeError>> {
        loop {
            let limit = self.limit;
            let unsearched = &self.pending[self.searched..];
            let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.pending.len();
                let long = self.pending.len() - self.read > limit;
                return long.then_some(Err(DecodeError::TooLong { limit }));
            };
            let end = self.searched + at;
            let line = &self.pending[self.read..end];
            if line.len() > limit {
                return Some(Err(DecodeError::TooLong { limit }));
            }
            let message = (!line.trim_ascii().is_empty()).then(|| {
                serde_json::from_slice(line).map_err(|why| DecodeError::malformed(line, why))
            });
            self.read = end + 1;
            self.searched = self.read;
            if message.is_some() {
                return message;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ask, Request, StopHow, VERSION};

    fn request() -> Request {
        Request {
            v: VERSION,
            id: 7,
            ask: Ask::Stop {
                names: vec!["größe".into()],
                how: StopHow::Force,
            },
        }
    }

    #[test]
    fn a_message_survives_the_line_whatever_the_cuts() {
        let mut bytes = Vec::new();
        encode(&request(), &mut bytes);
        encode(&request(), &mut bytes);
        for cut in 1..bytes.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(cut) {
                lines.push(piece);
                while let Some(message) = lines.take::<Request>() {
                    seen.push(message.expect("decodes"));
                }
            }
            assert_eq!(seen, [request(), request()], "cut every {cut} bytes");
        }
    }

    #[test]
    fn garbage_is_an_error_and_the_next_line_is_fine() {
        let mut lines = Lines::default();
        lines.push(b"\n{\"v\":1\n\xff\xfe\n");
        assert!(matches!(
            lines.take::<Request>(),
            Some(Err(DecodeError::Malformed { .. }))
        ));
        assert!(matches!(
            lines.take::<Request>(),
            Some(Err(DecodeError::Malformed { .. }))
        ));
        let mut good = Vec::new();
        encode(&request(), &mut good);
        lines.push(&good);
        assert_eq!(
            lines.take::<Request>().and_then(Result::ok),
            Some(request())
        );
    }

    #[test]
    fn an_endless_line_is_refused_before_it_fills_the_memory() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; MAX_LINE + 1]);
        assert!(matches!(
            lines.take::<Request>(),
            Some(Err(DecodeError::TooLong { .. }))
        ));
    }

    #[test]
    fn a_client_takes_the_long_answer_an_engine_would_not() {
        let text = "x".repeat(3 * MAX_LINE);
        let mut bytes = Vec::new();
        encode(&text, &mut bytes);
        let mut lines = Lines::with_limit(crate::MAX_ANSWER);
        for piece in bytes.chunks(16 << 10) {
            lines.push(piece);
        }
        assert_eq!(lines.take::<String>().and_then(Result::ok), Some(text));
    }

    #[test]
    fn a_request_reads_as_documented() {
        let text = r#"{"v":1,"id":1,"ask":"stop","names":["web"]}"#;
        let mut lines = Lines::default();
        lines.push(text.as_bytes());
        lines.push(b"\n");
        let expected = Request {
            v: 1,
            id: 1,
            ask: Ask::Stop {
                names: vec!["web".into()],
                how: StopHow::Plan,
            },
        };
        assert_eq!(lines.take::<Request>().and_then(Result::ok), Some(expected));
    }

    #[test]
    fn a_request_that_is_not_understood_keeps_its_number() {
        let mut lines = Lines::default();
        lines.push(b"{\"v\":1,\"id\":41,\"ask\":\"fly\"}\nfly\n");
        let numbers = [lines.take::<Request>(), lines.take::<Request>()];
        let numbers = numbers.map(|line| match line {
            Some(Err(DecodeError::Malformed { id, .. })) => id,
            Some(Err(DecodeError::TooLong { .. }) | Ok(_)) | None => panic!("{line:?}"),
        });
        assert_eq!(numbers, [Some(41), None]);
    }
}
