//! Stacks of native threads, for whoever looks at processes.

use super::modules::ProcessFiles;
use crate::memory::{Mapping, Memory};
use crate::scene;
use crate::stack::{ModuleCache, ProcessNotes, Start, Unwinder};
use crate::stacks::{Registers, Stacks};

/// Walks native stacks by unwind tables, with names from the modules' files.
#[derive(Debug, Default)]
pub struct NativeStacks {
    cache: ModuleCache,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    files: ProcessFiles,
    mappings: Vec<Mapping>,
    /// What earlier walks have learned; nothing before the first.
    notes: Option<ProcessNotes>,
}

impl Stacks for NativeStacks {
    fn enter(&mut self, pid: u32, maps: &[Mapping], _memory: &dyn Memory) {
        self.process = ProcessFiles::open(pid).ok().map(|files| Process {
            files,
            mappings: maps.to_vec(),
            notes: None,
        });
    }

    fn frames(&mut self, registers: Registers, memory: &dyn Memory) -> Vec<scene::Frame> {
        let Some(process) = &mut self.process else {
            return Vec::new();
        };
        let (mappings, files) = (&process.mappings, &process.files);
        let mut unwinder = match process.notes.take() {
            Some(notes) => Unwinder::resume(notes, mappings, memory, files, &mut self.cache),
            None => Unwinder::new(mappings, memory, files, &mut self.cache),
        };
        let start = Start {
            pc: registers.pc,
            sp: registers.sp,
            args: registers.arguments,
            registers: Vec::new(),
        };
        let stack = unwinder.unwind(&start);
        process.notes = Some(unwinder.into_notes());
        stack.frames.iter().map(frame).collect()
    }
}

fn frame(frame: &crate::stack::Frame) -> scene::Frame {
    let module = frame
        .module
        .as_ref()
        .map(|path| path.to_string_lossy().into_owned());
    let is_of_system = |path: &str| {
        ["/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "[vdso]"]
            .iter()
            .any(|place| path.starts_with(place))
            && (path.contains(".so") || path == "[vdso]")
    };
    scene::Frame {
        address: frame.pc,
        function: frame.function.as_deref().map(str::to_owned),
        is_system: module.as_deref().is_some_and(is_of_system),
        module,
        line: None,
    }
}
