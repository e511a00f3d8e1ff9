//! Just enough HTTP/1.1 for a probe: one GET, the status of the answer, the beginning of its body.

/// A parsed `http://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// `host:port`.
    pub address: String,
    pub host: String,
    pub path: String,
}

/// `None` where it is no plain HTTP address.
pub(crate) fn parse_url(url: &str) -> Option<Url> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = match rest.find('/') {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, "/"),
    };
    let after_brackets = host.rfind(']').map_or(host, |at| &host[at..]);
    let address = if after_brackets.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    (!host.is_empty()).then(|| Url {
        address,
        host: host.to_owned(),
        path: path.to_owned(),
    })
}

/// The request.
pub(crate) fn request(url: &Url) -> Vec<u8> {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: aplomb-probe\r\nConnection: close\r\n\r\n",
        url.path, url.host
    )
    .into_bytes()
}

/// The status code, once the first line is there.
pub(crate) fn status(answer: &[u8]) -> Option<Result<u16, ()>> {
    let end = answer.iter().position(|byte| *byte == b'\n')?;
    let line = String::from_utf8_lossy(&answer[..end]);
    let mut words = line.split_ascii_whitespace();
    let version = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    let code = words.next().and_then(|word| word.parse().ok());
    Some(code.filter(|_| version).ok_or(()))
}

/// What has come of the body, once the head is over. Chunks are taken as they come: a probe looks for a word.
pub(crate) fn body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some(&answer[end + 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let url = |text| parse_url(text).map(|url| (url.address, url.path));
        assert_eq!(
            url("http://127.0.0.1:8080/readyz?x=1"),
            Some(("127.0.0.1:8080".into(), "/readyz?x=1".into()))
        );
        assert_eq!(
            url("http://localhost"),
            Some(("localhost:80".into(), "/".into()))
        );
        assert_eq!(
            url("http://[::1]:81/"),
            Some(("[::1]:81".into(), "/".into()))
        );
        assert_eq!(url("http://[::1]/"), Some(("[::1]:80".into(), "/".into())));
        assert_eq!(url("https://x/"), None);
        assert_eq!(url("http:///x"), None);
    }

    #[test]
    fn an_answer_is_read_piece_by_piece() {
        let answer = b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\nbody";
        assert_eq!(status(&answer[..10]), None);
        assert_eq!(status(answer), Some(Ok(204)));
        assert_eq!(body(&answer[..30]), None);
        assert_eq!(body(answer), Some(&b"body"[..]));
        assert_eq!(status(b"SSH-2.0-x\r\n"), Some(Err(())));
    }
}
