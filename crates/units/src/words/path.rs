//! Paths as text, of Linux and of Windows alike: units are read without asking which system this is.

/// Whether a path means the same wherever it is used: `/usr`, `C:\x`, `\\server\share`.
pub fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let drive = bytes.len() >= 3
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'/' | b'\\');
    drive || path.starts_with('/') || path.starts_with("\\\\")
}

/// `path` seen from `directory`, without the leading `./` and `../` it was written with; itself if it is absolute, or if
/// the directory is not known (empty).
pub fn resolve(directory: &str, path: &str) -> String {
    if directory.is_empty() || is_absolute(path) {
        return path.into();
    }
    let mut base = directory.trim_end_matches(['/', '\\']);
    let mut rest = path;
    loop {
        if let Some(after) = step(rest, ".") {
            rest = after;
        } else if let Some(after) = step(rest, "..") {
            base = base.rfind(['/', '\\']).map_or("", |at| &base[..at]);
            rest = after;
        } else {
            break;
        }
    }
    match (base, rest) {
        ("", "") => "/".into(),
        (base, "") => base.into(),
        (base, rest) => format!("{base}/{rest}"),
    }
}

/// What follows `part` as the first part of the path.
fn step<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    let after = path.strip_prefix(part)?;
    if after.is_empty() {
        return Some(after);
    }
    let rest = after.strip_prefix(['/', '\\'])?;
    Some(rest.trim_start_matches(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_seen_from_the_directory() {
        for (path, seen) in [
            ("bin/x", "/srv/shop/bin/x"),
            ("./bin/x", "/srv/shop/bin/x"),
            ("../common/x", "/srv/common/x"),
            (".", "/srv/shop"),
            ("../..", "/"),
            ("../../../x", "/x"),
            (".hidden", "/srv/shop/.hidden"),
            ("..data/x", "/srv/shop/..data/x"),
            ("/usr/bin/x", "/usr/bin/x"),
            ("C:\\x", "C:\\x"),
        ] {
            assert_eq!(resolve("/srv/shop", path), seen, "{path}");
        }
        assert_eq!(resolve("/", "x"), "/x");
        assert_eq!(resolve("", "./x"), "./x");
    }
}
