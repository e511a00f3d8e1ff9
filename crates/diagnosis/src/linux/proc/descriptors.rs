//! What the links below `fd` say.

/// What is behind a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Descriptor {
    Socket(u64),
    Pipe(u64),
    /// `eventpoll`, `eventfd`, `timerfd`, `signalfd`, `inotify`, `io_uring` …
    Anonymous(String),
    /// A file, directory or device.
    Path(String),
}

/// Reads the text of a link; a path may look like anything, but `socket:[…]` never begins with a slash.
pub(crate) fn descriptor(link: &str) -> Descriptor {
    let inode = |kind: &str| -> Option<u64> {
        let number = link.strip_prefix(kind)?.strip_prefix(":[")?;
        number.strip_suffix(']')?.parse().ok()
    };
    if let Some(inode) = inode("socket") {
        return Descriptor::Socket(inode);
    }
    if let Some(inode) = inode("pipe") {
        return Descriptor::Pipe(inode);
    }
    match link.strip_prefix("anon_inode:") {
        Some(kind) => Descriptor::Anonymous(kind.trim_matches(['[', ']']).to_owned()),
        None => Descriptor::Path(link.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_what_is_behind_them() {
        assert_eq!(descriptor("socket:[123]"), Descriptor::Socket(123));
        assert_eq!(descriptor("pipe:[9]"), Descriptor::Pipe(9));
        let epoll = Descriptor::Anonymous("eventpoll".into());
        assert_eq!(descriptor("anon_inode:[eventpoll]"), epoll);
        let timer = Descriptor::Anonymous("timerfd".into());
        assert_eq!(descriptor("anon_inode:timerfd"), timer);
        for path in ["/tmp/socket:[1]", "/dev/pts/3", "socket:[x]"] {
            assert_eq!(descriptor(path), Descriptor::Path(path.into()));
        }
    }
}
