//! Stacks of the threads of one process, in the two forms they are needed in: as a person reads them, and with the
//! memory each frame covers, for finding who has a lock that does not say so.

use std::collections::HashMap;
use std::time::Instant;

use super::ProcessFiles;
use super::hot::{Hot, Then};
use super::proc::Call;
use super::target::{Sample, Target};
use crate::memory::{Mapping, Memory};
use crate::scene;
use crate::stack::{self, MAX_LINES, ModuleCache, Start, Unwinder};

/// As many threads of one process as have their stacks walked.
const MOST_STACKS: usize = 1000;
/// In processes with more threads than this nobody reads all the lines, and finding them costs time.
const FEW_THREADS: usize = MAX_LINES;

/// Files of the system, whose functions are not the program's own.
const SYSTEM_FILES: &[&str] = &[
    "libc.so",
    "libc-",
    "libpthread",
    "ld-linux",
    "ld-musl",
    "libstdc++",
    "libgcc_s",
    "libc++",
    "[vdso]",
];
/// Beginnings of names of functions that are the system's or a language's own wherever they stand.
const SYSTEM_FUNCTIONS: &[&str] = &[
    "__lll_",
    "__futex",
    "futex_",
    "pthread_",
    "__pthread",
    "___pthread",
    "__GI_",
    "sem_",
    "__libc_",
    "_start",
    "clone",
    "__clone",
    "start_thread",
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "__gthread",
    "parking_lot",
    "<parking_lot",
    "lock_api::",
    "<lock_api",
    "__rust_",
    "_Unwind",
];

/// Parts of paths of sources that are not the program's own.
const LIBRARY_SOURCES: &[&str] = &["/rustc/", "/rustlib/", "/.cargo/", "/include/c++/"];

/// The stacks of a process, by the order of its threads; empty for those that could not be walked.
pub(super) fn stacks(
    target: &Target,
    memory: &dyn Memory,
    maps: &[Mapping],
    cache: &mut ModuleCache,
    hot: &HashMap<u32, Vec<Hot>>,
    times: Times,
) -> Vec<Vec<Walked>> {
    let Ok(files) = ProcessFiles::open(target.pid) else {
        return Vec::new();
    };
    let mut unwinder = Unwinder::new(maps, memory, &files, cache);
    let samples = target.threads.iter().take(MOST_STACKS);
    let mut stacks: Vec<Vec<Walked>> = samples
        .map(|sample| match start(sample) {
            Some(_) if Instant::now() > times.frames => Vec::new(),
            Some(start) => unwinder
                .unwind(&start)
                .frames
                .into_iter()
                .map(Walked::of)
                .collect(),
            None => Vec::new(),
        })
        .collect();
    if stacks.len() <= FEW_THREADS && Instant::now() < times.lines {
        add_lines(&mut unwinder, &mut stacks);
    }
    drop(unwinder);
    for (sample, stack) in target.threads.iter().zip(&mut stacks) {
        // Of a thread that runs, where it was halfway through the time it was looked at.
        let samples = hot.get(&sample.tid).filter(|_| stack.is_empty());
        if let Some(hot) = samples.and_then(|samples| samples.get(samples.len() / 2)) {
            let then = Then { hot, now: memory };
            let mut unwinder = Unwinder::new(maps, &then, &files, cache);
            let frames = unwinder.unwind(&hot.start()).frames;
            *stack = frames.into_iter().map(Walked::of).collect();
        }
    }
    stacks
}

/// Until when what is begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) frames: Instant,
    /// Lines of large programs take long, and nothing depends on them.
    pub(super) lines: Instant,
}

/// One frame in both forms.
#[derive(Debug, Clone)]
pub(super) struct Walked {
    pub(super) shown: scene::Frame,
    pub(super) raw: stack::Frame,
}

impl Walked {
    fn of(raw: stack::Frame) -> Walked {
        let module = raw.module.as_ref().and_then(|path| path.file_name());
        let module = module.map(|name| name.to_string_lossy().into_owned());
        let function = raw.function.as_deref().map(str::to_owned);
        let is_system = is_system(module.as_deref(), function.as_deref());
        Walked {
            shown: scene::Frame {
                address: raw.pc,
                function,
                module,
                line: None,
                is_system,
            },
            raw,
        }
    }
}

/// The source line of each thread's own function.
fn add_lines(unwinder: &mut Unwinder<'_>, stacks: &mut [Vec<Walked>]) {
    let mut own: Vec<&mut Walked> = stacks
        .iter_mut()
        .filter_map(|frames| frames.iter_mut().find(|frame| !frame.shown.is_system))
        .collect();
    let raw: Vec<stack::Frame> = own.iter().map(|frame| frame.raw.clone()).collect();
    let lines = unwinder.lines(&raw.iter().collect::<Vec<_>>());
    for (frame, line) in own.iter_mut().zip(lines) {
        // What was inlined from a library is a line of that library, and says nothing about the program.
        let own = line.filter(|line| {
            let path = line.file.to_string_lossy();
            !LIBRARY_SOURCES.iter().any(|part| path.contains(part))
        });
        frame.shown.line = own.map(|line| {
            let file = line.file.file_name().unwrap_or(line.file.as_os_str());
            format!("{}:{}", file.to_string_lossy(), line.line)
        });
    }
}

fn start(sample: &Sample) -> Option<Start> {
    match sample.call? {
        Call::Running => None,
        Call::Outside { sp, pc } => Some(Start {
            pc,
            sp,
            args: None,
            registers: Vec::new(),
        }),
        Call::In { args, sp, pc, .. } => Some(Start::in_system_call(pc, sp, args)),
    }
}

fn is_system(module: Option<&str>, function: Option<&str>) -> bool {
    let by_file =
        module.is_some_and(|module| SYSTEM_FILES.iter().any(|file| module.starts_with(file)));
    let by_name =
        function.is_some_and(|name| SYSTEM_FUNCTIONS.iter().any(|start| name.starts_with(start)));
    by_file || by_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_functions_are_told_from_the_systems() {
        assert!(is_system(Some("libc.so.6"), Some("nanosleep")));
        assert!(is_system(
            Some("web"),
            Some("std::sys::sync::mutex::futex::Mutex::lock_contended")
        ));
        assert!(!is_system(Some("web"), Some("web::serve")));
        assert!(!is_system(Some("web"), None));
    }
}
