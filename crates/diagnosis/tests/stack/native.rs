//! Native programs in C, C++ and Rust, compiled in the ways that make a walk hard.

use aplomb_diagnosis::stack::{End, Stack};

use super::process::{Process, compile};

/// The functions of a stack, those of the C library and of what starts a program left out.
fn own(stack: &Stack, among: &[&str]) -> Vec<String> {
    let named = stack
        .frames
        .iter()
        .filter_map(|frame| frame.function.as_deref());
    named
        .filter(|name| among.contains(name))
        .map(str::to_owned)
        .collect()
}

fn assert_chain(flags: &[&str], compiler: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(directory.path(), compiler, "chain.c", flags);
    let process = Process::start(&program);
    let stacks = process.stacks();
    let among = [
        "fourth", "third", "second", "first", "main", "sleeper", "beside",
    ];
    assert_eq!(
        own(&stacks[0], &among),
        ["fourth", "third", "second", "first", "main"],
        "{flags:?} {:#x?}",
        stacks[0]
    );
    assert_eq!(
        own(&stacks[1], &among),
        ["sleeper", "beside"],
        "{flags:?} {:#x?}",
        stacks[1]
    );
    for stack in &stacks {
        assert!(stack.is_complete(), "{flags:?} {stack:#x?}");
    }
}

#[test]
fn a_plain_program() {
    assert_chain(&["-O0", "-pthread"], "cc");
}

#[test]
fn an_optimised_program() {
    assert_chain(&["-O2", "-fno-optimize-sibling-calls", "-pthread"], "cc");
}

#[test]
fn a_program_without_frame_pointers() {
    assert_chain(&["-O1", "-fomit-frame-pointer", "-pthread"], "cc");
}

#[test]
fn a_program_with_frame_pointers() {
    assert_chain(
        &[
            "-O2",
            "-fno-omit-frame-pointer",
            "-fno-optimize-sibling-calls",
            "-pthread",
        ],
        "cc",
    );
}

#[test]
fn a_program_that_loads_at_a_fixed_address() {
    assert_chain(
        &[
            "-O2",
            "-no-pie",
            "-fno-pie",
            "-fno-optimize-sibling-calls",
            "-pthread",
        ],
        "cc",
    );
}

#[test]
fn a_static_program() {
    assert_chain(
        &["-O2", "-static", "-fno-optimize-sibling-calls", "-pthread"],
        "cc",
    );
    assert_chain(&["-O0", "-static-pie", "-pthread"], "cc");
}

#[test]
fn a_program_without_unwind_tables() {
    let none = [
        "-fno-asynchronous-unwind-tables",
        "-fno-unwind-tables",
        "-pthread",
    ];
    assert_chain(&[&["-O0"], &none[..]].concat(), "cc");
    assert_chain(
        &[&["-O2", "-fno-optimize-sibling-calls"], &none[..]].concat(),
        "cc",
    );
}

#[test]
fn a_deep_recursion_ends_at_the_limit() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(directory.path(), "cc", "deep.c", &["-O0"]);
    let stack = &Process::start(&program).stacks()[0];
    assert_eq!(stack.end, End::TooMany);
    assert_eq!(stack.frames.len(), 256);
    assert_eq!(own(stack, &["deeper"]).len(), 255);
}

#[test]
fn what_a_signal_interrupted_is_seen() {
    let directory = tempfile::tempdir().expect("a directory");
    for flags in [&["-O1"][..], &["-O0", "-DOWN_STACK"], &["-O1", "-static"]] {
        let program = compile(directory.path(), "cc", "signal.c", flags);
        let stack = &Process::start(&program).stacks()[0];
        let among = ["blocked", "handler", "interrupted", "outer", "main"];
        assert_eq!(own(stack, &among), among, "{flags:?} {stack:#x?}");
        assert!(stack.is_complete(), "{flags:?} {stack:#x?}");
    }
}

#[test]
fn names_of_cpp_are_demangled() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = compile(directory.path(), "g++", "wait.cpp", &["-O1"]);
    let stack = &Process::start(&program).stacks()[0];
    assert_eq!(
        own(stack, &["store::Pool<long>::take", "main"]),
        ["store::Pool<long>::take", "main"],
        "{stack:#x?}"
    );
    assert!(stack.is_complete());
}

#[test]
fn names_of_rust_are_demangled() {
    let directory = tempfile::tempdir().expect("a directory");
    for flags in [
        &["-Copt-level=0"][..],
        &["-Copt-level=2"],
        &["-Copt-level=1", "-Csymbol-mangling-version=v0"],
    ] {
        let program = compile(directory.path(), "rustc", "park.rs", flags);
        let stack = &Process::start(&program).stacks()[0];
        let run = if flags.len() == 2 {
            "<park::Worker>::run"
        } else {
            "park::Worker::run"
        };
        let among = ["std::thread::park", run, "park::main", "main"];
        let own = own(stack, &among);
        assert!(
            own.ends_with(&[run.to_owned(), "park::main".to_owned(), "main".to_owned()]),
            "{flags:?} {stack:#x?}"
        );
        assert!(stack.is_complete(), "{flags:?}");
    }
}

#[test]
fn lines_of_the_source_are_told_where_they_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let source = include_str!("programs/chain.c");
    let line_of = |text: &str| {
        let at = source
            .lines()
            .position(|line| line.contains(text))
            .expect("a line of the source");
        at as u64 + 1
    };
    let expected = [
        ("fourth", line_of("read(0, &byte, 1)")),
        ("third", line_of("= fourth(local + 1)")),
        ("second", line_of("= third(number + room[3])")),
        ("first", line_of("= second(number + depth)")),
        ("main", line_of("return first(depth)")),
    ];
    for debug in ["-g", "-gdwarf-4", "-gdwarf-2"] {
        let program = compile(
            directory.path(),
            "cc",
            "chain.c",
            &["-O0", "-pthread", debug],
        );
        let (stack, lines) = &Process::start(&program).look()[0];
        let told: Vec<(&str, u64)> = stack
            .frames
            .iter()
            .zip(lines)
            .filter_map(|(frame, line)| Some((frame.function.as_deref()?, line.as_ref()?)))
            .filter(|(_, line)| line.file.ends_with("tests/stack/programs/chain.c"))
            .map(|(function, line)| (function, line.line))
            .collect();
        assert_eq!(told, expected, "{debug}");
    }
    let program = compile(directory.path(), "rustc", "park.rs", &["-Cdebuginfo=1"]);
    let (stack, lines) = &Process::start(&program).look()[0];
    let at = stack
        .frames
        .iter()
        .position(|frame| frame.function.as_deref() == Some("park::Worker::run"));
    let line = lines[at.expect("the frame")].as_ref().expect("a line");
    assert!(line.file.ends_with("park.rs"), "{line:?}");
    assert_eq!(line.line, 9);
}
