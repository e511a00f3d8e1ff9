//! Linux's answers to what the host has to know.

pub(crate) mod boot;
pub(crate) mod directories;
pub(crate) mod endpoint;
pub(crate) mod keeping;
pub(crate) mod session;

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::files::replace;

    #[test]
    fn a_file_is_replaced_with_its_permissions_and_nothing_is_left_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("web.toml");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        replace(&path, "new").expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "new");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(home.path()).expect("read").count(), 1);
    }
}
