//! A program under test: compiled, started, waited for until it says that it is about to block, and looked at.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use aplomb_diagnosis::linux::ProcessFiles;
use aplomb_diagnosis::stack::{Line, ModuleCache, Stack, Start, Unwinder};
use aplomb_diagnosis::{Mapping, Memory, ReadError};

/// A living process, killed when dropped.
pub(crate) struct Process {
    child: Child,
    memory: Mem,
}

struct Mem(fs::File);

impl Memory for Mem {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.0
            .read_exact_at(into, address)
            .map_err(|_| ReadError::Unmapped { address })
    }
}

impl Process {
    /// Starts `program`, and waits until it has written a line on its standard output.
    pub(crate) fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} starts: {error}", program.display()));
        let mut line = [0; 6];
        child
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut line)
            .expect("the program says `ready`");
        assert_eq!(&line, b"ready\n");
        let memory = Mem(fs::File::open(format!("/proc/{}/mem", child.id())).expect("its memory"));
        Self { child, memory }
    }

    pub(crate) fn mappings(&self) -> Vec<Mapping> {
        let text =
            fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("its mappings");
        text.lines().map(mapping).collect()
    }

    /// The stacks of all its threads, once each of them is blocked.
    pub(crate) fn stacks(&self) -> Vec<Stack> {
        self.look().into_iter().map(|(stack, _)| stack).collect()
    }

    /// The same, each with the places in the source of its first frames.
    pub(crate) fn look(&self) -> Vec<(Stack, Vec<Option<Line>>)> {
        let mappings = self.mappings();
        let files = ProcessFiles::open(self.child.id()).expect("its files");
        let mut cache = ModuleCache::default();
        let mut unwinder = Unwinder::new(&mappings, &self.memory, &files, &mut cache);
        let mut threads: Vec<u32> = fs::read_dir(format!("/proc/{}/task", self.child.id()))
            .expect("its threads")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        threads.sort_unstable();
        let look = |thread| {
            let stack = unwinder.unwind(&self.start_of(thread));
            let lines = unwinder.lines(&stack.frames.iter().collect::<Vec<_>>());
            (stack, lines)
        };
        threads.into_iter().map(look).collect()
    }

    /// Where a thread stands; waits until that is in a system call, and the last of those it makes before it blocks.
    fn start_of(&self, thread: u32) -> Start {
        loop {
            let before = self.switches(thread);
            let text =
                fs::read_to_string(format!("/proc/{}/task/{thread}/syscall", self.child.id()))
                    .expect("a thread");
            let words: Vec<u64> = text
                .split_ascii_whitespace()
                .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
                .collect();
            if let [args @ .., sp, pc] = &*words
                && before == self.switches(thread)
                && let Ok(args) = args.try_into()
            {
                return Start::in_system_call(*pc, *sp, args);
            }
            std::thread::yield_now();
        }
    }

    fn switches(&self, thread: u32) -> String {
        fs::read_to_string(format!("/proc/{}/task/{thread}/schedstat", self.child.id()))
            .expect("a thread")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mapping(line: &str) -> Mapping {
    let mut words = line.splitn(6, ' ');
    let mut word = || words.next().expect("a word of the line");
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("a number");
    let (start, end) = word().split_once('-').expect("a range");
    let rights = word();
    let offset = word();
    let (major, minor) = word().split_once(':').expect("a device");
    let inode: u64 = word().parse().expect("an inode");
    let path = words.next().unwrap_or_default().trim_start();
    let is_deleted = path.ends_with(" (deleted)");
    Mapping {
        start: hex(start),
        end: hex(end),
        is_executable: rights.contains('x'),
        is_writable: rights.contains('w'),
        offset: hex(offset),
        file: (inode != 0).then(|| (hex(major) << 32 | hex(minor), inode)),
        path: PathBuf::from(path.trim_end_matches(" (deleted)")),
        is_deleted,
    }
}

/// Compiles `source` (a file name in `programs/`) with `compiler` and `flags` into `directory`.
pub(crate) fn compile(directory: &Path, compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
    let program =
        directory.join(source.replace('.', "_") + &flags.concat().replace(['=', '-', '/'], "_"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stack/programs")
        .join(source);
    let output = Command::new(compiler)
        .args(flags)
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap_or_else(|error| {
            panic!("`{compiler}` is needed to compile this test's programs: {error}")
        });
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}
