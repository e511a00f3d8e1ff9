//! The table of a Go program's functions: names, lines, what was inlined where, and how large each frame is.
//!
//! The runtime walks stacks by it itself, so it is there in every program and it is exact. Tables of steps hold one
//! value per range of instructions, each as a difference to the one before.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::layout::Layout;
use super::program::Program;
use super::window::Window;

/// The most functions a program may have.
const MAX_FUNCTIONS: u64 = 2 << 20;
/// The most bytes of one table of steps.
const MAX_STEPS: u64 = 256 << 10;
/// How many bytes of arguments are looked at.
const MAX_ARGUMENTS: u64 = 256;
/// How deep functions may be inlined into each other.
const MAX_INLINED: usize = 64;
/// How many ranges of one function are looked at; each is found anew from its table's beginning.
const MAX_RANGES: usize = 512;
/// How many places in the code are remembered.
const MAX_PLACES: usize = 64 << 10;

/// A call that has not returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoFrame {
    /// The next instruction; the same for a function and those it was inlined into.
    pub pc: u64,
    /// The function, as Go names it: `net/http.(*conn).serve`.
    pub function: Arc<str>,
    /// The source file, as the compiler was told it; empty if the program does not tell.
    pub file: Arc<str>,
    /// The line in it.
    pub line: u32,
}

/// One function of the table.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// How many bytes behind its frame hold its arguments, those included that came in registers.
    pub(crate) arguments: u64,
    name: Arc<str>,
    unit: u32,
    /// Offsets of the tables of steps.
    frame_size: u32,
    file: u32,
    line: u32,
    inlined_at: Option<u32>,
    inlined_tree: Option<u64>,
}

/// A call that was inlined.
#[derive(Debug)]
pub(crate) struct InlinedCall {
    pub(crate) name: Arc<str>,
    /// First address and the first one after, in order; what is seldom needed stands at the function's end.
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// What is known about one place in the code.
#[derive(Debug)]
pub(crate) struct Spot {
    /// Innermost first; more than one where functions were inlined.
    pub(crate) frames: Vec<GoFrame>,
    pub(crate) function: Rc<Function>,
    /// How far the stack pointer is below what it was at the function's first instruction.
    pub(crate) frame_size: u64,
}

/// All functions of a program.
#[derive(Debug)]
pub(crate) struct Functions {
    text: u64,
    quantum: u64,
    is_since_1_20: bool,
    /// Where each function begins, from the beginning of the code, and where its record is; in order.
    index: Vec<(u32, u32)>,
    records: u64,
    names: u64,
    units: u64,
    files: u64,
    steps: u64,
    function_data: u64,
    spots: BTreeMap<u64, Option<Rc<Spot>>>,
    texts: BTreeMap<u64, Arc<str>>,
}

impl Functions {
    pub(crate) fn read(
        program: &Program,
        layout: &Layout,
        window: &mut Window<'_>,
    ) -> Option<Self> {
        let module = program.module;
        let count = window.u64(module + 136)?.checked_sub(1)?;
        if count == 0 || count > MAX_FUNCTIONS {
            return None;
        }
        let table = window.u64(module + 128)?;
        let bytes = window.bytes(table, (count as usize + 1) * 8)?;
        let number = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let index: Vec<(u32, u32)> = (0..=count as usize)
            .map(|place| (number(place * 8), number(place * 8 + 4)))
            .collect();
        if !index.is_sorted_by_key(|(start, _)| *start) {
            return None;
        }
        Some(Self {
            text: window.u64(module + 176)?,
            quantum: program.quantum,
            is_since_1_20: program.is_since_1_20,
            index,
            records: window.u64(module + 104)?,
            names: window.u64(module + 8)?,
            units: window.u64(module + 32)?,
            files: window.u64(module + 56)?,
            steps: window.u64(module + 80)?,
            function_data: window.u64(module + layout.module_gofunc)?,
            spots: BTreeMap::new(),
            texts: BTreeMap::new(),
        })
    }

    /// Whether `address` is in the program's own code.
    pub(crate) fn is_code(&self, address: u64) -> bool {
        let end = self.index.last().map_or(0, |(end, _)| u64::from(*end));
        address >= self.text && address - self.text < end
    }

    /// Where the named function begins and ends.
    pub(crate) fn by_name(&mut self, window: &mut Window<'_>, name: &str) -> Option<(u64, u64)> {
        (0..self.index.len() - 1).find_map(|place| {
            let record = self.records.wrapping_add(u64::from(self.index[place].1));
            let at = self.names.wrapping_add(u64::from(window.u32(record + 4)?));
            let mut bytes = vec![0; name.len() + 1];
            window.read(at, &mut bytes).ok()?;
            (bytes[..name.len()] == *name.as_bytes() && bytes[name.len()] == 0)
                .then(|| self.range(place))
        })
    }

    fn range(&self, place: usize) -> (u64, u64) {
        let at = |place: usize| self.text.wrapping_add(u64::from(self.index[place].0));
        (at(place), at(place + 1))
    }

    /// What is known about the instruction before `pc`, which is a call wherever `pc` is on a stack.
    pub(crate) fn spot(&mut self, window: &mut Window<'_>, pc: u64) -> Option<Rc<Spot>> {
        if let Some(known) = self.spots.get(&pc) {
            return known.clone();
        }
        let spot = self.look_up(window, pc).map(Rc::new);
        if self.spots.len() >= MAX_PLACES {
            self.spots.clear();
        }
        self.spots.insert(pc, spot.clone());
        spot
    }

    /// The name of the function around `pc` (not of what was inlined there), and its line there.
    pub(crate) fn outer_frame(&mut self, window: &mut Window<'_>, pc: u64) -> Option<GoFrame> {
        let spot = self.spot(window, pc)?;
        spot.frames.last().cloned()
    }

    fn look_up(&mut self, window: &mut Window<'_>, pc: u64) -> Option<Spot> {
        let function = Rc::new(self.function(window, pc)?);
        let at = (pc - 1).max(function.start);
        let frame_size = self
            .step(
                window,
                &function,
                function.frame_size,
                pc.min(function.end - 1),
            )
            .unwrap_or(0);
        let mut file = self.file(window, &function, at);
        let mut line = self.step(window, &function, function.line, at).unwrap_or(0);
        let mut frames = Vec::new();
        // The place belongs to the innermost inlined function; each step outwards goes to where that was called.
        let mut at = at;
        for _ in 0..MAX_INLINED {
            let Some((name, parent)) = self.inlined(window, &function, at) else {
                break;
            };
            frames.push(GoFrame {
                pc,
                function: name,
                file,
                line: line.max(0).cast_unsigned(),
            });
            at = parent;
            file = self.file(window, &function, at);
            line = self.step(window, &function, function.line, at).unwrap_or(0);
        }
        let name = function.name.clone();
        frames.push(GoFrame {
            pc,
            function: name,
            file,
            line: line.max(0).cast_unsigned(),
        });
        Some(Spot {
            frames,
            function,
            frame_size: u64::try_from(frame_size).ok()?,
        })
    }

    fn function(&mut self, window: &mut Window<'_>, pc: u64) -> Option<Function> {
        let offset = pc.checked_sub(1)?.checked_sub(self.text)?;
        let after = self
            .index
            .partition_point(|(start, _)| u64::from(*start) <= offset);
        let place = after.checked_sub(1).filter(|_| after < self.index.len())?;
        let (start, end) = self.range(place);
        let record = self.records.wrapping_add(u64::from(self.index[place].1));
        let mut field = |at: u64| window.u32(record.wrapping_add(at));
        let (name, frame_size, file, line) = (field(4)?, field(16)?, field(20)?, field(24)?);
        let (counts, unit) = (field(28)?, field(32)?);
        let arguments = u64::from(field(8)?).min(MAX_ARGUMENTS);
        // The record's last four bytes: kind, flags, nothing, number of data; behind a line since Go 1.20.
        let head = if self.is_since_1_20 { 44 } else { 40 };
        let data_count = field(head - 4)? >> 24;
        let after_counts = head + u64::from(counts) * 4;
        let inlined_at = if counts > 2 {
            field(head + 8).filter(|at| *at != 0)
        } else {
            None
        };
        let tree = if data_count > 3 {
            field(after_counts + 12).filter(|at| *at != u32::MAX)
        } else {
            None
        };
        let name = self.text_at(window, self.names.wrapping_add(u64::from(name)));
        let inlined_tree = tree.map(|tree| self.function_data.wrapping_add(u64::from(tree)));
        Some(Function {
            start,
            end,
            arguments,
            name,
            unit,
            frame_size,
            file,
            line,
            inlined_at,
            inlined_tree,
        })
    }

    /// The function inlined at `at`, and a place in the one it was inlined into.
    fn inlined(
        &mut self,
        window: &mut Window<'_>,
        function: &Function,
        at: u64,
    ) -> Option<(Arc<str>, u64)> {
        let (table, tree) = (function.inlined_at?, function.inlined_tree?);
        let index = u64::try_from(self.step(window, function, table, at)?).ok()?;
        let (size, name, parent) = if self.is_since_1_20 {
            (16, 4, 8)
        } else {
            (20, 12, 16)
        };
        let entry = tree.checked_add(index.checked_mul(size)?)?;
        let name = window.u32(entry.checked_add(name)?)?;
        let parent = window.u32(entry.checked_add(parent)?)?;
        Some((
            self.text_at(window, self.names.wrapping_add(u64::from(name))),
            function.start.wrapping_add(u64::from(parent)),
        ))
    }

    /// Where functions of wanted names were inlined into `function`: for each such call its name and its ranges of
    /// code, in order. Of functions that were inlined into each other the outermost counts.
    pub(crate) fn inlined_calls(
        &mut self,
        window: &mut Window<'_>,
        function: &Function,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Vec<InlinedCall> {
        let (Some(table), Some(_)) = (function.inlined_at, function.inlined_tree) else {
            return Vec::new();
        };
        let mut calls: BTreeMap<u64, InlinedCall> = BTreeMap::new();
        for (begin, end) in self.step_ranges(window, function, table) {
            let mut at = begin;
            let mut found = None;
            for _ in 0..MAX_INLINED {
                let Some((name, parent)) = self.inlined(window, function, at) else {
                    break;
                };
                if is_wanted(&name) {
                    found = Some((parent, name));
                }
                at = parent;
            }
            // Each call has a place of its own in the function it was inlined into.
            if let Some((place, name)) = found {
                let call = calls.entry(place).or_insert(InlinedCall {
                    name,
                    ranges: Vec::new(),
                });
                call.ranges.push((begin, end));
            }
        }
        calls.into_values().collect()
    }

    /// The ranges of a table of steps that have a value of their own.
    fn step_ranges(
        &self,
        window: &mut Window<'_>,
        function: &Function,
        table: u32,
    ) -> Vec<(u64, u64)> {
        let mut ranges = Vec::new();
        let mut at = function.start;
        while at < function.end && ranges.len() < MAX_RANGES {
            let Some((_, end)) = self.step_range(window, function, table, at) else {
                break;
            };
            ranges.push((at, end));
            at = end;
        }
        ranges
    }

    fn file(&mut self, window: &mut Window<'_>, function: &Function, at: u64) -> Arc<str> {
        let place = self
            .step(window, function, function.file, at)
            .and_then(|number| {
                let entry = u64::from(function.unit).checked_add(u64::try_from(number).ok()?)?;
                window
                    .u32(self.units.wrapping_add(entry.checked_mul(4)?))
                    .filter(|place| *place != u32::MAX)
            });
        match place {
            Some(place) => self.text_at(window, self.files.wrapping_add(u64::from(place))),
            None => "".into(),
        }
    }

    fn text_at(&mut self, window: &mut Window<'_>, address: u64) -> Arc<str> {
        if let Some(known) = self.texts.get(&address) {
            return known.clone();
        }
        let text: Arc<str> = window.text(address).unwrap_or_default().into();
        if self.texts.len() >= MAX_PLACES {
            self.texts.clear();
        }
        self.texts.insert(address, text.clone());
        text
    }

    /// The value that the table of steps at `table` gives for `at`.
    fn step(
        &self,
        window: &mut Window<'_>,
        function: &Function,
        table: u32,
        at: u64,
    ) -> Option<i32> {
        self.step_range(window, function, table, at)
            .map(|(value, _)| value)
    }

    /// The same, and the address at which the next value begins.
    fn step_range(
        &self,
        window: &mut Window<'_>,
        function: &Function,
        table: u32,
        at: u64,
    ) -> Option<(i32, u64)> {
        if table == 0 {
            return None;
        }
        let begin = self.steps.wrapping_add(u64::from(table));
        let mut place = begin;
        let mut number = || -> Option<u32> {
            let mut value = 0;
            for shift in (0..35).step_by(7) {
                let byte = window.u8(place)?;
                place = place.checked_add(1)?;
                value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
                if byte & 0x80 == 0 {
                    return (place - begin < MAX_STEPS).then_some(value);
                }
            }
            None
        };
        let (mut value, mut pc) = (-1_i32, function.start);
        loop {
            let difference = number()?;
            if difference == 0 && pc != function.start {
                return None;
            }
            // The lowest bit is the sign.
            value = value
                .wrapping_add((difference >> 1).cast_signed() ^ -(difference & 1).cast_signed());
            pc = pc.wrapping_add(u64::from(number()?) * self.quantum);
            if at < pc {
                return Some((value, pc));
            }
        }
    }
}
