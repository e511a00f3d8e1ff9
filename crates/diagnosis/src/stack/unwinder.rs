//! The walk from frame to frame.
//!
//! Each step asks the table first and repairs what it lacks; what neither gives ends the walk with its reason. All
//! loops are bounded: by frames, by words searched, by bytes of tables read.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::call::Call;
use super::cfi::{Cfa, Halt, Row};
use super::code::{Code, ReadCode};
use super::copy::StackCopy;
use super::file::Modules;
use super::lines::{self, Line};
use super::module::{FoundModules, Linked, Loaded, ModuleCache, Place};
use super::registers::{Arch, Register, Registers};
use super::search::{Callee, MAX_WORDS};
use super::{End, Frame, How, Stack, Start, prologue, signal};
use crate::{Mapping, Memory};

/// The most frames of one stack.
pub const MAX_FRAMES: usize = 256;
/// The most places in the source that are told at once.
pub const MAX_LINES: usize = 20;
/// How many bytes of unwind tables are read for one process. A walk through an honest program takes some hundreds
/// for each function it meets.
const MAX_EFFORT: usize = 16 << 20;
/// How many answers (rows, names) are kept.
const MAX_KNOWN: usize = 64 << 10;

/// Walks the stacks of one process.
pub struct Unwinder<'a> {
    memory: &'a dyn Memory,
    loaded: Loaded<'a>,
    pub(crate) code: Code<'a>,
    learned: Learned,
}

/// What walks have learned about one process: of use only with the same one, and while its mappings stay.
///
/// For callers that cannot keep an [`Unwinder`] from one walk to the next.
#[derive(Debug)]
pub struct ProcessNotes {
    learned: Learned,
    code: ReadCode,
    found: FoundModules,
}

#[derive(Debug)]
struct Learned {
    arch: Arch,
    rows: BTreeMap<u64, Option<Rc<Row>>>,
    names: BTreeMap<u64, Named>,
    paths: BTreeMap<usize, Arc<Path>>,
    effort: usize,
}

#[derive(Debug, Clone)]
struct Named {
    function: Option<Arc<str>>,
    offset: u64,
}

/// A frame while it is walked from.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    pc: u64,
    sp: u64,
    registers: Registers,
    how: How,
    /// Whether `pc` lies behind a call, which may be the last instruction of its function.
    is_behind_call: bool,
}

/// Where one step leads: the caller, and the canonical address of the frame left behind.
type Step = Result<(Cursor, u64), End>;

impl<'a> Unwinder<'a> {
    /// For the process with these `mappings` (in order of their addresses) and this `memory`.
    ///
    /// What is read of module files stays in `cache`, for the next process with the same ones.
    #[must_use]
    pub fn new(
        mappings: &'a [Mapping],
        memory: &'a dyn Memory,
        files: &'a dyn Modules,
        cache: &'a mut ModuleCache,
    ) -> Self {
        let learned = Learned {
            arch: Arch::X86_64,
            rows: BTreeMap::new(),
            names: BTreeMap::new(),
            paths: BTreeMap::new(),
            effort: MAX_EFFORT,
        };
        let (code, found) = (ReadCode::of(mappings), FoundModules::default());
        let notes = ProcessNotes {
            learned,
            code,
            found,
        };
        let mut unwinder = Self::resume(notes, mappings, memory, files, cache);
        let first = mappings
            .iter()
            .filter(|mapping| mapping.is_executable)
            .find_map(|mapping| unwinder.loaded.find(mapping.start));
        if let Some(first) = first {
            unwinder.learned.arch = unwinder.loaded.at(first).image.elf.arch;
        }
        unwinder
    }

    /// As [`Unwinder::new`], with what earlier walks have learned about the same process, its mappings and `cache`
    /// being the same.
    #[must_use]
    pub fn resume(
        notes: ProcessNotes,
        mappings: &'a [Mapping],
        memory: &'a dyn Memory,
        files: &'a dyn Modules,
        cache: &'a mut ModuleCache,
    ) -> Self {
        Self {
            memory,
            loaded: Loaded::new(mappings, memory, files, cache, notes.found),
            code: Code::new(memory, notes.code),
            learned: notes.learned,
        }
    }

    /// What has been learned, for [`Unwinder::resume`].
    #[must_use]
    pub fn into_notes(self) -> ProcessNotes {
        ProcessNotes {
            learned: self.learned,
            code: self.code.read,
            found: self.loaded.found,
        }
    }

    /// The processor the program is compiled for.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.learned.arch
    }

    /// The stack of a thread at `start`, with names.
    ///
    /// It is true to the extent that the thread did not run meanwhile; the caller must prove that.
    pub fn unwind(&mut self, start: &Start) -> Stack {
        let end = self
            .loaded
            .mapping(start.sp)
            .map_or(start.sp, |(_, mapping)| mapping.end);
        let mut stack = StackCopy::new(self.memory, start.sp, end);
        let mut words = MAX_WORDS;
        let mut frames = Vec::new();
        let mut cursor = self.first(start);
        let end = loop {
            if frames.len() == MAX_FRAMES {
                break End::TooMany;
            }
            frames.push(self.frame(&cursor));
            match self.step(&cursor, &mut stack, &mut words) {
                Err(end) => break end,
                Ok((next, cfa)) => {
                    if let Some(frame) = frames.last_mut() {
                        frame.cfa = Some(cfa);
                    }
                    cursor = next;
                }
            }
        };
        Stack { frames, end }
    }

    /// Where in the source the frames' instructions come from, for as many as [`MAX_LINES`] of them.
    pub fn lines(&mut self, frames: &[&Frame]) -> Vec<Option<Line>> {
        let mut lines: Vec<Option<Line>> = vec![None; frames.len()];
        let mut by_module: BTreeMap<Place, Vec<(usize, Linked)>> = BTreeMap::new();
        for (index, frame) in frames.iter().enumerate().take(MAX_LINES) {
            if let Some(linked) = self.loaded.find(frame.instruction()) {
                by_module
                    .entry(linked.place)
                    .or_default()
                    .push((index, linked));
            }
        }
        for asked in by_module.into_values() {
            let addresses: Vec<u64> = asked.iter().map(|(_, linked)| linked.address).collect();
            let found = lines::of(&mut self.loaded.at(asked[0].1).image, &addresses);
            for (index, linked) in asked {
                lines[index] = found.get(&linked.address).cloned();
            }
        }
        lines
    }

    fn first(&self, start: &Start) -> Cursor {
        let mut registers = Registers::unknown();
        if let Some(args) = start.args {
            for (register, value) in self.learned.arch.arguments().into_iter().zip(args) {
                registers.set(register, Some(value));
            }
        }
        for (register, value) in &start.registers {
            registers.set(*register, Some(*value));
        }
        registers.set(self.learned.arch.stack_pointer(), Some(start.sp));
        Cursor {
            pc: start.pc,
            sp: start.sp,
            registers,
            how: How::Start,
            is_behind_call: false,
        }
    }

    fn step(&mut self, cursor: &Cursor, stack: &mut StackCopy<'_>, words: &mut usize) -> Step {
        let looked_up = cursor.pc.wrapping_sub(u64::from(cursor.is_behind_call));
        let Some(row) = self.row(looked_up) else {
            if self.is_signal_return(cursor.pc) {
                return self.step_over_signal(cursor, stack);
            }
            return self.step_without_row(cursor, looked_up, stack, words);
        };
        match row.unwind(self.learned.arch, &cursor.registers, &mut |address| {
            stack.word(address)
        }) {
            Err(Halt::Outermost) => Err(End::Outermost),
            Ok((cfa, registers)) => {
                let how = if row.is_signal { How::Signal } else { How::Cfi };
                match self.caller(cursor, &row, cfa, registers, how) {
                    Some(step) => step,
                    None => self.repair(cursor, &row, stack, words),
                }
            }
            Err(Halt::NeedsRegister | Halt::Broken) => self.repair(cursor, &row, stack, words),
        }
    }

    /// The step to the caller with `registers`, unless they cannot be right.
    fn caller(
        &mut self,
        cursor: &Cursor,
        row: &Row,
        cfa: u64,
        registers: Registers,
        how: How,
    ) -> Option<Step> {
        if !cfa.is_multiple_of(8)
            || !row.is_signal && cfa < cursor.sp
            || cfa == cursor.sp && cursor.how != How::Start
        {
            return None;
        }
        let pc = self
            .learned
            .arch
            .code_address(registers.get(row.return_address)?);
        if pc == 0 {
            return Some(Err(End::Outermost));
        }
        if !self.code.is_code(pc) && !self.code.is_code(pc.wrapping_sub(1)) {
            return None;
        }
        let sp = registers.get(self.learned.arch.stack_pointer())?;
        let is_behind_call = !row.is_signal && !self.is_signal_return(pc);
        let cursor = Cursor {
            pc,
            sp,
            registers,
            how,
            is_behind_call,
        };
        Some(Ok((cursor, cfa)))
    }

    /// The caller where the row's way to it is barred.
    fn repair(
        &mut self,
        cursor: &Cursor,
        row: &Row,
        stack: &mut StackCopy<'_>,
        words: &mut usize,
    ) -> Step {
        let distance = self
            .loaded
            .find(cursor.pc.wrapping_sub(1))
            .map_or(0, |linked| linked.distance);
        let start = row.start.wrapping_add(distance);
        let by_prologue = self.cfa_by_prologue(cursor, row, start, stack);
        let (cfa, how) = match by_prologue {
            Some((cfa, true)) => (cfa, How::Prologue),
            _ => {
                let callee = Callee {
                    pc: cursor.pc,
                    start: Some(start),
                    row: Some(row),
                };
                match (self.search(callee, cursor.sp, stack, words), by_prologue) {
                    (Some(found), _) if found.is_exact => (callee.cfa(found.slot), How::CallSite),
                    (_, Some((cfa, _))) => (cfa, How::Prologue),
                    (Some(found), None) => (callee.cfa(found.slot), How::Search),
                    (None, None) => return Err(End::Lost),
                }
            }
        };
        let mut registers = cursor.registers;
        if let Cfa::Beside { register, offset } = row.cfa {
            registers.set(
                register,
                Some(cfa.wrapping_add_signed(offset.wrapping_neg())),
            );
        }
        match row.unwind_from(self.learned.arch, cfa, &registers, &mut |address| {
            stack.word(address)
        }) {
            Ok((cfa, registers)) => self
                .caller(cursor, row, cfa, registers, how)
                .unwrap_or(Err(End::Lost)),
            Err(Halt::Outermost) => Err(End::Outermost),
            Err(Halt::NeedsRegister | Halt::Broken) => Err(End::Lost),
        }
    }

    /// The canonical address by the function's first instructions, and whether the call found there confirms it.
    fn cfa_by_prologue(
        &mut self,
        cursor: &Cursor,
        row: &Row,
        start: u64,
        stack: &mut StackCopy<'_>,
    ) -> Option<(u64, bool)> {
        let Cfa::Beside { register, offset } = row.cfa else {
            return None;
        };
        if self.learned.arch != Arch::X86_64 || register != self.learned.arch.frame_pointer() {
            return None;
        }
        let above = prologue::frame_pointer_above(&mut self.code, start, cursor.pc)?;
        let cfa = cursor.sp.checked_add(above)?.checked_add_signed(offset)?;
        let return_address = stack.word(cfa.checked_sub(8)?)?;
        let call = self.code.call_before(self.learned.arch, return_address)?;
        Some((
            cfa,
            matches!(call, Call::Indirect) || call == Call::To(start),
        ))
    }

    fn step_over_signal(&mut self, cursor: &Cursor, stack: &mut StackCopy<'_>) -> Step {
        let interrupted = signal::interrupted(self.learned.arch, cursor.sp, &mut |address| {
            stack.word(address)
        });
        let column = signal::pc_column(self.learned.arch);
        let pair = interrupted.and_then(|registers| {
            Some((
                registers.get(self.learned.arch.stack_pointer())?,
                registers.get(column)?,
                registers,
            ))
        });
        match pair {
            Some((sp, pc, registers)) if self.code.is_code(pc) => {
                let how = How::Signal;
                Ok((
                    Cursor {
                        pc,
                        sp,
                        registers,
                        how,
                        is_behind_call: false,
                    },
                    sp,
                ))
            }
            _ => Err(End::Lost),
        }
    }

    /// The caller of code that no table speaks of.
    fn step_without_row(
        &mut self,
        cursor: &Cursor,
        looked_up: u64,
        stack: &mut StackCopy<'_>,
        words: &mut usize,
    ) -> Step {
        let Some(linked) = self.loaded.find(looked_up) else {
            return Err(End::NotInModule);
        };
        let start = self
            .loaded
            .at(linked)
            .function_start(self.memory, linked.address);
        let start = start.map(|start| start.wrapping_add(linked.distance));
        if self.is_entry(cursor) {
            return Err(End::Outermost);
        }
        let callee = Callee {
            pc: cursor.pc,
            start,
            row: None,
        };
        let Some(found) = self.search(callee, cursor.sp, stack, words) else {
            return Err(End::Lost);
        };
        let mut registers = Registers::unknown();
        let sp = found.slot + 8;
        registers.set(self.learned.arch.stack_pointer(), Some(sp));
        let how = if found.is_exact {
            How::CallSite
        } else {
            How::Search
        };
        let cursor = Cursor {
            pc: found.return_address,
            sp,
            registers,
            how,
            is_behind_call: true,
        };
        Ok((cursor, sp))
    }

    /// Whether the frame is what a program or a thread begins with in a C library without tables.
    fn is_entry(&mut self, cursor: &Cursor) -> bool {
        let name = self.named(cursor).function;
        matches!(
            name.as_deref(),
            Some("_start" | "_start_c" | "clone" | "__clone" | "__clone3" | "_dlstart")
        )
    }

    pub(crate) fn is_signal_return(&mut self, address: u64) -> bool {
        self.code.is_code(address)
            && (signal::is_return(self.learned.arch, &mut self.code, address)
                || self.row(address).is_some_and(|row| row.is_signal))
    }

    /// The row for the code at `address`.
    pub(crate) fn row(&mut self, address: u64) -> Option<Rc<Row>> {
        if let Some(known) = self.learned.rows.get(&address) {
            return known.clone();
        }
        let row = self.loaded.find(address).and_then(|linked| {
            self.loaded
                .at(linked)
                .image
                .row(self.memory, linked.address, &mut self.learned.effort)
                .map(Rc::new)
        });
        if self.learned.rows.len() >= MAX_KNOWN {
            self.learned.rows.clear();
        }
        self.learned.rows.insert(address, row.clone());
        row
    }

    fn frame(&mut self, cursor: &Cursor) -> Frame {
        let named = self.named(cursor);
        let saved = |register: &Register| Some((*register, cursor.registers.get(*register)?));
        Frame {
            pc: cursor.pc,
            sp: cursor.sp,
            cfa: None,
            registers: self
                .learned
                .arch
                .callee_saved()
                .iter()
                .filter_map(saved)
                .collect(),
            function: named.function,
            offset: named.offset,
            module: self.path(cursor.pc),
            how: cursor.how,
        }
    }

    fn named(&mut self, cursor: &Cursor) -> Named {
        let address = cursor.pc.wrapping_sub(u64::from(cursor.is_behind_call));
        if let Some(known) = self.learned.names.get(&address) {
            return Named {
                function: known.function.clone(),
                offset: cursor.pc.wrapping_sub(address) + known.offset,
            };
        }
        let function = self.loaded.find(address).and_then(|linked| {
            let function = self
                .loaded
                .at(linked)
                .function(self.memory, linked.address)?;
            Some((function, linked.address))
        });
        let named = match function {
            Some((function, linked)) => Named {
                offset: linked.wrapping_sub(function.start),
                function: Some(function.name.into()),
            },
            None => Named {
                function: None,
                offset: 0,
            },
        };
        if self.learned.names.len() >= MAX_KNOWN {
            self.learned.names.clear();
        }
        self.learned.names.insert(address, named.clone());
        Named {
            function: named.function,
            offset: cursor.pc.wrapping_sub(address) + named.offset,
        }
    }

    fn path(&mut self, pc: u64) -> Option<Arc<Path>> {
        let (index, mapping) = self.loaded.mapping(pc)?;
        let has_path = !mapping.path.as_os_str().is_empty();
        has_path.then(|| {
            self.learned
                .paths
                .entry(index)
                .or_insert_with(|| mapping.path.as_path().into())
                .clone()
        })
    }
}

impl std::fmt::Debug for Unwinder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder")
            .field("arch", &self.learned.arch)
            .field("mappings", &self.loaded.mappings().len())
            .finish_non_exhaustive()
    }
}
