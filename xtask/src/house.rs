//! House rules that a compiler does not know: where `unsafe` and operating-system `cfg` may stand.

use std::fs;
use std::path::{Path, PathBuf};

/// Where code may differ between systems; only here may `unsafe` stand either.
const OF_SYSTEMS: &[&str] = &[
    "crates/platform/src/",
    "crates/diagnosis/src/lib.rs",
    "crates/diagnosis/src/linux/",
    "crates/diagnosis/src/windows/",
    "crates/lifecycle/src/unix/",
    "crates/lifecycle/src/windows/",
    "crates/lifecycle/src/lib.rs",
    "crates/cli/src/host/",
];

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// Whether a line of code is one that only the places of systems may have.
fn is_of_a_system(line: &str) -> bool {
    let code = line.trim_start();
    let is_cfg = code.contains("cfg(") || code.contains("cfg!(") || code.contains("cfg_attr(");
    let names_one = [
        "target_os",
        "target_family",
        "(unix",
        "(windows",
        "not(unix",
        "not(windows",
    ];
    let is_unsafe = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
    !code.starts_with("//")
        && ((is_cfg && names_one.iter().any(|name| code.contains(name)))
            || is_unsafe.iter().any(|word| code.contains(word)))
}

#[test]
fn what_differs_between_systems_stands_where_the_house_keeps_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates")).expect("crates").flatten() {
        sources(&entry.path().join("src"), &mut files);
    }
    assert!(files.len() > 100, "only {} files found", files.len());
    let mut strays = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("below the root");
        let name = name.to_string_lossy().replace('\\', "/");
        if OF_SYSTEMS.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("UTF-8");
        let lines = text.lines().enumerate();
        strays.extend(
            lines
                .filter(|(_, line)| is_of_a_system(line))
                .map(|(at, line)| format!("{name}:{}: {}", at + 1, line.trim())),
        );
    }
    assert_eq!(strays, Vec::<String>::new());
}
