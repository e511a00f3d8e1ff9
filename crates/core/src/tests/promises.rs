//! The list of promises and the stories that keep them, held against each other.

use std::collections::BTreeSet;

const LIST: &str = include_str!("../../../../docs/promises.md");
const STORIES: [&str; 10] = [
    include_str!("ending.rs"),
    include_str!("explaining.rs"),
    include_str!("explorer.rs"),
    include_str!("life.rs"),
    include_str!("order.rs"),
    include_str!("relations.rs"),
    include_str!("seeds.rs"),
    include_str!("serving.rs"),
    include_str!("starting.rs"),
    include_str!("succession.rs"),
];

/// Names of the functions marked as tests.
fn stories() -> BTreeSet<&'static str> {
    let marked = STORIES
        .iter()
        .flat_map(|file| file.split("#[test]\nfn ").skip(1));
    marked
        .filter_map(|rest| rest.split_once('('))
        .map(|(name, _)| name)
        .collect()
}

/// Names at the ends of the list's lines.
fn promises() -> BTreeSet<&'static str> {
    let lines = LIST.lines().filter(|line| line.starts_with("- "));
    let tails = lines.filter_map(|line| line.strip_suffix('`')?.rsplit_once(": `"));
    tails.map(|(_, name)| name).collect()
}

#[test]
fn every_promise_has_its_story_and_every_story_its_promise() {
    let (promises, stories) = (promises(), stories());
    assert!(promises.len() > 100, "{}", promises.len());
    let broken: BTreeSet<_> = promises.symmetric_difference(&stories).collect();
    assert!(broken.is_empty(), "listed or told, not both: {broken:#?}");
}
