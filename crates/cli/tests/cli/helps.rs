//! What `--help` teaches.

use crate::home::Home;
use crate::snapshot::assert_snapshot;

/// The verbs as the help itself lists them, so that none is forgotten.
fn verbs(help: &str) -> Vec<String> {
    let listed = help
        .lines()
        .skip_while(|line| *line != "Verbs:")
        .skip(1)
        .take_while(|line| line.starts_with("  "));
    listed
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_verb_explains_itself() {
    let home = Home::new();
    let whole = home.run(&["--help"]);
    assert_eq!((whole.code, whole.err.as_str()), (0, ""));
    assert_snapshot("help", &whole.out);
    let verbs = verbs(&whole.out);
    assert!(verbs.len() > 10, "{verbs:?}");
    for verb in verbs {
        let help = home.run(&[&verb, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{verb}");
        assert!(help.out.contains("Examples:"), "{verb} shows no example");
        assert_snapshot(&format!("help-{verb}"), &help.out);
    }
}

#[test]
fn run_and_engine_say_the_same_on_their_short_way_as_in_the_whole_tree() {
    let home = Home::new();
    for verb in ["run", "engine"] {
        let short = home.run(&[verb, "--help"]);
        let long = home.run(&["--json", verb, "--help"]);
        assert_eq!(short.code, 0);
        assert_eq!(short.out, long.out, "{verb}");
    }
}
