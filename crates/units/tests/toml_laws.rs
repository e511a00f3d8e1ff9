//! What holds for every spec and every text: written specs read back the same; whatever the bytes, nothing panics, and
//! every fault points into the text.

mod any;

use any::Any;
use aplomb_core::Spec;
use aplomb_units::render::{Style, Texts};
use aplomb_units::world::{Fact, FileKind};
use aplomb_units::{Diagnostic, Options, Severity, Source, World, toml};

const FILE: &str = "/srv/shop/shop.toml";

fn read(text: &str) -> (Vec<Spec>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let loaded = toml::read(&Source::new(FILE, text), &mut diagnostics);
    let specs = loaded.into_iter().map(|loaded| loaded.spec).collect();
    (specs, diagnostics)
}

fn read_back(text: &str, spec: &Spec, seed: u64) {
    let (again, diagnostics) = read(text);
    let refused: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|fault| fault.severity == Severity::Refused)
        .collect();
    assert!(refused.is_empty(), "seed {seed}: {refused:#?}\n{text}");
    assert_eq!(again.len(), 1, "seed {seed}\n{text}");
    assert_eq!(again[0], *spec, "seed {seed}\n{text}");
}

#[test]
fn every_spec_reads_back_as_it_was_written() {
    for seed in 0..800 {
        let spec = any::spec(&mut Any::seeded(seed));
        read_back(&toml::write(&spec), &spec, seed);
    }
}

#[test]
fn every_spec_reads_back_from_all_its_settings() {
    for seed in 0..200 {
        let spec = any::spec(&mut Any::seeded(seed));
        read_back(&toml::write_all(&spec), &spec, seed);
    }
}

/// Real files, and files full of things that can go wrong, to be damaged.
const CORPUS: &[&str] = &[
    include_str!("../../../fuzz/corpus/toml/stack.toml"),
    include_str!("../../../fuzz/corpus/toml/every-key.toml"),
    include_str!("../../../fuzz/corpus/toml/faults.toml"),
    include_str!("../../../fuzz/corpus/toml/syntax.toml"),
    include_str!("../../../fuzz/corpus/toml/letters.toml"),
];

/// What must hold for any text at all.
fn law(text: &str, seed: u64) {
    let source = Source::new(FILE, text);
    let sources = [source];
    let (specs, diagnostics) = aplomb_units::read(&sources, &Everywhere, Options::default());
    let texts = Texts::new(&sources);
    for fault in &diagnostics {
        let places = fault.related.iter().map(|related| &related.place);
        for place in std::iter::once(&fault.place).chain(places) {
            let inside = text.get(place.span.clone()).is_some();
            assert!(inside, "seed {seed}: {fault:?} points outside of {text:?}");
        }
        assert!(!fault.message.is_empty() && !fault.action.is_empty());
    }
    // Drawing costs more than reading; a few of many faults will do.
    for fault in diagnostics.iter().take(3) {
        assert!(!texts.render(fault, Style::Plain).is_empty());
    }
    if !aplomb_units::diagnostic::refused(&diagnostics) {
        for spec in specs {
            read_back(&toml::write(&spec), &spec, seed);
        }
    }
}

#[test]
fn the_corpus_keeps_the_law() {
    for (at, text) in CORPUS.iter().enumerate() {
        law(text, at as u64);
    }
}

#[test]
fn damaged_files_keep_the_law() {
    for seed in 0..600 {
        let mut any = Any::seeded(seed);
        let text = damaged(&mut any);
        law(&text, seed);
    }
}

#[test]
fn random_bytes_keep_the_law() {
    for seed in 0..600 {
        let mut any = Any::seeded(seed);
        let length = any.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| any.number() as u8).collect();
        law(&String::from_utf8_lossy(&bytes), seed);
    }
}

#[test]
fn random_pieces_of_the_language_keep_the_law() {
    const PIECES: &[&str] = &[
        "[service.a]\n",
        "[service.b]",
        "[[service.a]]",
        "[default]\n",
        "[service]",
        "\n",
        " = ",
        "command",
        "restart",
        "ready",
        "stop",
        "plan",
        "log",
        "env",
        "listen",
        "limits",
        "hooks",
        "instances",
        "\"",
        "'",
        "\"\"\"",
        "[",
        "]",
        "{",
        "}",
        ",",
        "#",
        ".",
        "\"x\"",
        "'port 80'",
        "true",
        "1",
        "-1",
        "1e400",
        "0x_f",
        "1979-05-27",
        "inf",
        "\\u0000",
        "\0",
        "é",
        "🦀",
        "\r",
        "\t",
        "service.a.command = \"x\"\n",
        "command = [[\"a\"], {command = \"b\"}]\n",
        "requires = [\"a\", \"b\"]\n",
        "${instance}",
    ];
    for seed in 0..1500 {
        let mut any = Any::seeded(seed);
        let length = any.below(40);
        let text: String = (0..length).map(|_| any.of(PIECES)).collect();
        law(&text, seed);
    }
}

/// A file of the corpus with a few bytes changed, taken out, doubled or swapped with another file's.
fn damaged(any: &mut Any) -> String {
    let mut bytes = any.of(CORPUS).as_bytes().to_vec();
    for _ in 0..=any.below(4) {
        let start = any.below(bytes.len());
        let end = (start + any.below(20)).min(bytes.len());
        match any.below(4) {
            0 => bytes[start] = any.number() as u8,
            1 => drop(bytes.drain(start..end)),
            2 => {
                let part = bytes[start..end].to_vec();
                bytes.splice(start..start, part);
            }
            _ => {
                let other = any.of(CORPUS).as_bytes();
                let from = any.below(other.len());
                let to = (from + 30).min(other.len());
                bytes.splice(start..end, other[from..to].iter().copied());
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A machine that has whatever is asked for.
struct Everywhere;

impl World for Everywhere {
    fn file(&self, _path: &str) -> FileKind {
        FileKind::File { executable: true }
    }

    fn head(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }

    fn glob(&self, _pattern: &str) -> Vec<String> {
        Vec::new()
    }

    fn user_exists(&self, _name: &str) -> bool {
        true
    }

    fn group_exists(&self, _name: &str) -> bool {
        true
    }

    fn env(&self, _name: &str) -> Option<String> {
        Some("/bin".into())
    }

    fn fact(&self, _fact: Fact) -> Option<String> {
        None
    }
}
