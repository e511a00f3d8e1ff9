//! What a reader of the documentation relies on and no compiler checks: every public item has an example, and the README
//! shows the very example that the crate's documentation compiles.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// The name of the public item that `line` declares. Fields, variants and constants are shown where their type is.
fn declared(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let rest = match rest.strip_prefix("const fn ") {
        Some(name) => name,
        None => ["fn ", "struct ", "enum ", "trait "]
            .iter()
            .find_map(|word| rest.strip_prefix(word))?,
    };
    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .next()
}

#[test]
fn every_public_item_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut without, mut with) = (Vec::new(), 0);
    for file in files {
        let text = fs::read_to_string(&file).expect("UTF-8");
        let mut has_example = false;
        for line in text.lines().take_while(|line| !line.contains("mod tests")) {
            let code = line.trim_start();
            if let Some(name) = declared(line) {
                let place = file.strip_prefix(&root).expect("below the root").display();
                if has_example {
                    with += 1;
                } else {
                    without.push(format!("{place}: {name}"));
                }
            }
            let belongs =
                code.starts_with("///") || code.starts_with("#[") || code.starts_with(')');
            let inside =
                code.starts_with('"') || code.contains("reason =") || code.starts_with("clippy::");
            has_example = (belongs || inside) && (has_example || code.starts_with("/// ```"));
        }
    }
    assert_eq!(without, Vec::<String>::new());
    assert!(with > 50, "only {with} public items found");
}

/// The lines of the first Rust block, without those that rustdoc hides.
fn first_example<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines
        .skip_while(|line| !line.starts_with("```"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
        .filter(|line| !line.starts_with("# "))
        .collect()
}

#[test]
fn the_readme_shows_what_the_documentation_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("UTF-8");
    let library = fs::read_to_string(root.join("src/lib.rs")).expect("UTF-8");
    let documented = library
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let example = first_example(documented);
    assert!(example.len() > 10);
    assert_eq!(first_example(readme.lines()), example);
}
