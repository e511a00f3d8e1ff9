//! What environments are like on this system: how names compare, and what a clean one holds.

/// Between the paths of a list in one variable.
#[cfg(unix)]
pub const BETWEEN_PATHS: &str = ":";
#[cfg(windows)]
pub const BETWEEN_PATHS: &str = ";";

/// Whether two names are those of one variable.
#[cfg(unix)]
pub fn same(one: &str, other: &str) -> bool {
    one == other
}

/// Whether two names are those of one variable: case is no difference.
#[cfg(windows)]
pub fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || one.to_uppercase() == other.to_uppercase()
}

/// A clean environment: the usual search path and our language; systemd.exec(5), "Environment Variables in Spawned
/// Processes".
#[cfg(unix)]
pub fn clean() -> Vec<(String, String)> {
    const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let language = std::env::var("LANG").unwrap_or_else(|_| "C.UTF-8".to_owned());
    vec![
        ("PATH".to_owned(), PATH.to_owned()),
        ("LANG".to_owned(), language),
    ]
}

/// A clean environment: what the system itself gives every process, and its own directories as the search path.
#[cfg(windows)]
pub fn clean() -> Vec<(String, String)> {
    const OF_THE_SYSTEM: [&str; 16] = [
        "SystemRoot",
        "SystemDrive",
        "windir",
        "ComSpec",
        "PATHEXT",
        "TEMP",
        "TMP",
        "ProgramData",
        "ALLUSERSPROFILE",
        "PUBLIC",
        "ProgramFiles",
        "CommonProgramFiles",
        "NUMBER_OF_PROCESSORS",
        "PROCESSOR_ARCHITECTURE",
        "COMPUTERNAME",
        "OS",
    ];
    let root = std::env::var("SystemRoot").unwrap_or_else(|_| r"C:\Windows".to_owned());
    let path = format!(r"{root}\System32;{root};{root}\System32\Wbem");
    let own = OF_THE_SYSTEM
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let path = [("PATH".to_owned(), path)];
    path.into_iter().chain(own).collect()
}
