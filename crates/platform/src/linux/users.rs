//! Users and groups by name or number, from `/etc/passwd` and `/etc/group`.
//!
//! Read by ourselves, at each start: the C library's way may load modules, ask a network, and block the one thread there
//! is. The price is that users who exist only in LDAP or the like have to be named by number.

use std::io;

/// A row of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
}

/// The user of this name or number. A number needs no row.
pub(crate) fn user(name: &str) -> io::Result<Option<User>> {
    let text = read("/etc/passwd")?;
    Ok(find_user(&text, name))
}

/// The number of the group of this name or number. A number needs no row.
pub(crate) fn group(name: &str) -> io::Result<Option<u32>> {
    let text = read("/etc/group")?;
    Ok(find_group(&text, name))
}

/// The groups that list this user as a member.
pub(crate) fn groups_of(user: &str) -> io::Result<Vec<u32>> {
    let text = read("/etc/group")?;
    Ok(listing(&text, user))
}

/// A system without the file (a container with one static program) has no names.
fn read(path: &str) -> io::Result<String> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn find_user(text: &str, name: &str) -> Option<User> {
    let number: Option<u32> = name.parse().ok();
    let mut rows = text.lines().filter_map(row);
    let found = match number {
        Some(uid) => rows.find(|user| user.uid == uid),
        None => rows.find(|user| user.name == name),
    };
    let nameless = number.map(|uid| User {
        name: name.to_owned(),
        uid,
        gid: uid,
        home: "/".to_owned(),
    });
    found.or(nameless)
}

fn row(line: &str) -> Option<User> {
    let fields: Vec<_> = line.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields[..] else {
        return None;
    };
    Some(User {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
    })
}

fn find_group(text: &str, name: &str) -> Option<u32> {
    if let Ok(gid) = name.parse() {
        return Some(gid);
    }
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        fields.nth(1)?.parse().ok().filter(|_| found)
    })
}

fn listing(text: &str, user: &str) -> Vec<u32> {
    let groups = text.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        let [_, _, gid, members, ..] = fields[..] else {
            return None;
        };
        let listed = members.split(',').any(|member| member == user);
        gid.parse().ok().filter(|_| listed)
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34::/srv/web:/bin/false\n";
    const GROUP: &str = "root:x:0:\nweb:x:34:\nlog:x:4:syslog,web\nempty:x:9:\n";

    #[test]
    fn a_name_and_its_number_are_the_same_user() {
        let web = find_user(PASSWD, "web").unwrap();
        assert_eq!((web.uid, web.gid, web.home.as_str()), (33, 34, "/srv/web"));
        assert_eq!(find_user(PASSWD, "33"), Some(web));
    }

    #[test]
    fn a_number_needs_no_row_and_a_name_does() {
        assert_eq!(find_user(PASSWD, "4711").unwrap().gid, 4711);
        assert_eq!(find_user(PASSWD, "nobody-here"), None);
        assert_eq!(find_group(GROUP, "12"), Some(12));
        assert_eq!(find_group(GROUP, "nobody-here"), None);
    }

    #[test]
    fn groups_that_list_a_user_are_found() {
        assert_eq!(listing(GROUP, "web"), [4]);
    }
}
