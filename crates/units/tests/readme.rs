//! The READMEs, tested: their stacks, and that of `docs/units.md`, are read without a fault, and both tell the same
//! commands.
//!
//! That the commands do what is said there is the business of the client's own tests.

use aplomb_units::render::{Style, Texts};
use aplomb_units::world::{Fact, FileKind};
use aplomb_units::{Options, Source, World};

const READMES: [(&str, &str); 2] = [
    ("README.md", include_str!("../../../README.md")),
    ("README.zh-CN.md", include_str!("../../../README.zh-CN.md")),
];

const UNITS: &str = include_str!("../../../docs/units.md");

/// A machine with every program and nothing else.
struct Furnished;

impl World for Furnished {
    fn file(&self, path: &str) -> FileKind {
        if path.starts_with("/usr/bin/") {
            FileKind::File { executable: true }
        } else {
            FileKind::Missing
        }
    }

    fn head(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn glob(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn user_exists(&self, _name: &str) -> bool {
        false
    }

    fn group_exists(&self, _name: &str) -> bool {
        false
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "PATH").then(|| "/usr/bin".into())
    }

    fn fact(&self, _fact: Fact) -> Option<String> {
        None
    }
}

/// The fenced blocks of this language, fences left out.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while lines.any(|line| line == fence) {
        let block = lines.by_ref().take_while(|line| *line != "```");
        blocks.push(block.map(|line| format!("{line}\n")).collect());
    }
    blocks
}

/// What a reader is told to type: shell blocks without their remarks, what follows a prompt, and `aplomb …` in the text.
fn commands(text: &str) -> Vec<String> {
    let typed = blocks(text, "sh").concat();
    let typed = typed
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let consoles = blocks(text, "console").concat();
    let prompted = consoles.lines().filter_map(|line| line.strip_prefix("$ "));
    let quoted = text.split('`').filter(|span| span.starts_with("aplomb "));
    typed
        .chain(prompted)
        .chain(quoted)
        .map(|command| command.trim().to_owned())
        .filter(|command| !command.is_empty())
        .collect()
}

/// The services of the one stack in this text, which has no fault.
fn services(name: &str, text: &str) -> Vec<String> {
    let stacks = blocks(text, "toml");
    assert_eq!(stacks.len(), 1, "{name}");
    let sources = [Source::new("/srv/shop.toml", stacks.concat())];
    let (specs, faults) = aplomb_units::read(&sources, &Furnished, Options::default());
    let texts = Texts::new(&sources);
    let told: Vec<String> = faults
        .iter()
        .map(|fault| texts.render(fault, Style::Plain))
        .collect();
    assert!(told.is_empty(), "{name}:\n{}", told.join("\n"));
    specs.into_iter().map(|spec| spec.name).collect()
}

#[test]
fn the_stacks_of_the_documents_are_read_without_a_fault() {
    for (name, text) in READMES {
        assert_eq!(services(name, text), ["store", "web"], "{name}");
    }
    let worker_and_front = ["worker@1", "worker@2", "front"];
    assert_eq!(services("docs/units.md", UNITS), worker_and_front);
}

#[test]
fn both_readmes_tell_the_same_stack_and_the_same_commands() {
    let [(_, english), (_, chinese)] = READMES;
    assert_eq!(commands(english), commands(chinese));
    assert!(commands(english).len() > 10);
    assert_eq!(blocks(english, "console"), blocks(chinese, "console"));
    let without_remarks = |text| {
        let stacks = blocks(text, "toml").concat();
        let bare = stacks.lines().map(|line| {
            let bare = line.split(" # ").next().unwrap_or_default();
            bare.trim_end().to_owned()
        });
        bare.collect::<Vec<String>>()
    };
    assert_eq!(without_remarks(english), without_remarks(chinese));
}

#[test]
fn the_readme_names_the_two_commands_that_run_and_test_it() {
    let commands = commands(READMES[0].1);
    for wanted in [
        "cargo run --release -- up examples/shop/shop.toml",
        "cargo xtask test",
    ] {
        assert!(commands.iter().any(|command| command == wanted), "{wanted}");
    }
}
