//! Reads goroutine after goroutine: its record, its stack, and what it waits for.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::awaited::Waiter;
use super::functions::Functions;
use super::globals;
use super::layout::{self, Layout, fixed};
use super::program::Program;
use super::stacks::{Chain, Piece};
use super::window::Window;
use super::{GoBudget, GoError, GoFrame, GoState, GoView, Goroutine, Waking, locks, reach};
use crate::stack::Arch;
use crate::{Mapping, Memory};

/// How much of all stacks is kept at most.
const KEPT: usize = 8 << 20;
/// How many places that make goroutines are remembered.
const MAX_CREATORS: usize = 64 << 10;
/// How often a goroutine that changes while it is read is read again.
const TRIES: usize = 3;

/// A goroutine while it is examined.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) g: u64,
    pub(crate) status: u32,
    /// The stack pointer its record holds.
    sp: u64,
    /// Where its stack begins and ends.
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// The used part of it; without bytes where that is not known, or not kept.
    pub(crate) stack: Piece,
    pub(crate) chain: Rc<Chain>,
    /// The first of its deferred calls.
    pub(crate) defers: u64,
}

/// Reads one program.
pub(crate) struct Reader<'a> {
    pub(crate) window: Window<'a>,
    pub(crate) functions: Functions,
    pub(crate) layout: Layout,
    pub(crate) program: Program,
    pub(crate) arch: Arch,
    table: globals::Goroutines,
    reasons: Vec<Arc<str>>,
    /// For each goroutine's record that waits for a semaphore its place there.
    pub(crate) waiters: BTreeMap<u64, Waiter>,
    pub(crate) chains: BTreeMap<Vec<u64>, Rc<Chain>>,
    created: BTreeMap<u64, Option<Arc<GoFrame>>>,
    pub(crate) unseen: Vec<String>,
    /// Where the heap's own table is, once it was sought.
    heap: Option<Option<u64>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn open(memory: &'a dyn Memory, mappings: &[Mapping]) -> Result<Self, GoError> {
        let mut window = Window::new(memory);
        let program = Program::find(mappings, &mut window).ok_or(GoError::NotGo)?;
        let layouts = layout::candidates(program.release().1);
        let arch = if program.quantum == 4 {
            Arch::Aarch64
        } else {
            Arch::X86_64
        };
        let broken = || GoError::Functions {
            version: program.version.clone(),
        };
        let mut functions =
            Functions::read(&program, &layouts[0], &mut window).ok_or_else(broken)?;
        let found = globals::goroutines(arch, &mut functions, &mut window, &layouts);
        let (table, layout) = found.ok_or_else(|| GoError::UnknownLayout {
            version: program.version.clone(),
        })?;
        let reasons = reasons(&program, &mut window);
        Ok(Self {
            window,
            functions,
            layout,
            program,
            arch,
            table,
            reasons,
            waiters: BTreeMap::new(),
            chains: BTreeMap::new(),
            created: BTreeMap::new(),
            unseen: Vec::new(),
            heap: None,
        })
    }

    pub(crate) fn view(mut self, budget: GoBudget) -> Result<GoView, GoError> {
        self.waiters = self.semaphores();
        let count = usize::try_from(self.table.count).unwrap_or(usize::MAX);
        if count > budget.goroutines {
            let rest = count - budget.goroutines;
            self.unseen
                .push(format!("{rest} of {count} goroutines, beyond the limit"));
        }
        let mut goroutines = Vec::new();
        let mut raws = Vec::new();
        let mut kept = 0;
        for index in 0..count.min(budget.goroutines) as u64 {
            let Some(g) = self.window.u64(self.table.table.wrapping_add(index * 8)) else {
                break;
            };
            let Some((mut raw, goroutine)) = self.look(g) else {
                continue;
            };
            // Stacks are wanted again for what they refer to; beyond a limit they are read anew.
            kept += raw.stack.bytes.len();
            if kept > KEPT {
                raw.stack.bytes = Vec::new();
            }
            raws.push(raw);
            goroutines.push(goroutine);
        }
        self.settle(&mut raws, &mut goroutines);
        let holders = locks::holders(&mut self, &raws, &goroutines);
        reach::judge(&mut self, &raws, &mut goroutines, budget.heap);
        Ok(GoView {
            version: self.program.version,
            goroutines,
            holders,
            unseen: self.unseen,
        })
    }

    /// The table that leads from an address to its part of the heap.
    pub(crate) fn heap(&mut self, raws: &[Raw]) -> Option<u64> {
        if let Some(known) = self.heap {
            return known;
        }
        // The first goroutine's record may be a global, later ones are in the heap.
        let found = raws.iter().rev().take(4).find_map(|raw| {
            globals::heap(
                self.arch,
                &mut self.functions,
                &mut self.window,
                &self.layout,
                raw.g,
            )
        });
        self.heap = Some(found);
        found
    }

    /// Looks again at all goroutines that have moved while they were looked at.
    fn settle(&mut self, raws: &mut [Raw], goroutines: &mut [Goroutine]) {
        self.window.renew();
        for (raw, goroutine) in raws.iter_mut().zip(goroutines) {
            for _ in 0..TRIES {
                if goroutine.state == GoState::Running || self.is_unchanged(raw) {
                    break;
                }
                self.window.renew();
                match self.look(raw.g) {
                    Some(again) => (*raw, *goroutine) = again,
                    None => break,
                }
                self.window.renew();
            }
            if goroutine.state != GoState::Running && !self.is_unchanged(raw) {
                // It does not rest: what was seen may never have been so at one moment.
                *goroutine = Goroutine {
                    state: GoState::Runnable,
                    reason: "".into(),
                    waits_for: Vec::new(),
                    frames: [].into(),
                    waking: Waking::Possible,
                    ..goroutine.clone()
                };
                raw.stack = Piece::default();
                raw.chain = Rc::default();
            }
        }
    }

    /// Whether the record says what it said. A status that is as before and a stack pointer that has not moved prove
    /// that the goroutine rested meanwhile.
    fn is_unchanged(&mut self, raw: &Raw) -> bool {
        let status = self.window.u32(raw.g.wrapping_add(self.layout.g.status));
        let sp = self.window.u64(raw.g.wrapping_add(fixed::SP));
        // The collector's mark on the status comes and goes.
        status.is_some_and(|status| status & 0xfff == raw.status & 0xfff) && sp == Some(raw.sp)
    }

    /// The function that made a goroutine, and where.
    fn creator(&mut self, pc: u64) -> Option<Arc<GoFrame>> {
        if let Some(known) = self.created.get(&pc) {
            return known.clone();
        }
        let creator = self
            .functions
            .outer_frame(&mut self.window, pc)
            .map(Arc::new);
        if self.created.len() < MAX_CREATORS {
            self.created.insert(pc, creator.clone());
        }
        creator
    }

    /// One goroutine as it is now; `None` if it is dead.
    fn look(&mut self, g: u64) -> Option<(Raw, Goroutine)> {
        let at = self.layout.g;
        let status = self.window.u32(g.wrapping_add(at.status))?;
        // The scan bit only says that the collector looks at it, too.
        let state = match status & 0xfff {
            1 => GoState::Runnable,
            2 => GoState::Running,
            3 => GoState::InSystemCall,
            4 | 8 | 10 => GoState::Waiting,
            9 => GoState::Preempted,
            _ => return None,
        };
        let mut field = |place: u64| self.window.u64(g.wrapping_add(place));
        let (low, high) = (field(fixed::STACK_LOW)?, field(fixed::STACK_HIGH)?);
        let (id, m, since) = (field(at.id)?, field(fixed::M)?, field(at.since)?);
        let parent = at.parent.and_then(&mut field).filter(|parent| *parent != 0);
        let (created_at, defers) = (field(at.created_at)?, field(fixed::DEFER)?);
        let (sp, pc) = (field(fixed::SP)?, field(fixed::PC)?);
        let in_call = field(at.syscall_sp)?;
        let is_in_call = state == GoState::InSystemCall && in_call != 0;
        let (top, next) = if is_in_call {
            (in_call, field(at.syscall_sp + 8)?)
        } else {
            (sp, pc)
        };
        let reason = usize::from(self.window.u8(g.wrapping_add(at.reason))?);
        let is_waiting = state == GoState::Waiting;
        let reason = self
            .reasons
            .get(reason)
            .filter(|_| is_waiting)
            .cloned()
            .unwrap_or_default();
        let mut raw = Raw {
            g,
            status,
            sp,
            low,
            high,
            stack: Piece::default(),
            chain: Rc::default(),
            defers,
        };
        if state != GoState::Running && (low..high).contains(&top) {
            (raw.chain, raw.stack) = self.walk(next, top, high);
        }
        let waits_for = if is_waiting {
            self.awaited(&raw, &reason)
        } else {
            Vec::new()
        };
        let frames = raw.chain.frames.clone();
        let is_system = is_system(&frames);
        let thread = (m != 0)
            .then(|| self.window.u64(m.wrapping_add(self.layout.m_thread)))
            .flatten();
        let goroutine = Goroutine {
            id,
            state,
            reason,
            waits_for,
            since: (is_waiting && since != 0 && since < i64::MAX as u64).then_some(since),
            frames,
            created_by: self.creator(created_at),
            parent,
            thread: thread
                .and_then(|thread| u32::try_from(thread).ok())
                .filter(|thread| *thread != 0),
            is_system,
            waking: if is_waiting {
                Waking::Unknown
            } else {
                Waking::Possible
            },
        };
        Some((raw, goroutine))
    }
}

fn is_system(frames: &[GoFrame]) -> bool {
    frames.last().is_some_and(|frame| {
        frame.function.starts_with("runtime.") && &*frame.function != "runtime.main"
            || &*frame.function == "os/signal.loop"
    })
}

/// The runtime's words for why a goroutine waits, by number.
///
/// They change with each release, but the table of them is always there: an array of texts whose first is empty and
/// whose second is always the same.
fn reasons(program: &Program, window: &mut Window<'_>) -> Vec<Arc<str>> {
    const SECOND: &[u8] = b"GC assist marking";
    let mut reasons = Vec::new();
    let mut range = |begin: u64, end: u64| {
        let bounds = (
            window.u64(program.module + begin),
            window.u64(program.module + end),
        );
        let (Some(start), Some(end)) = bounds else {
            return;
        };
        let length = end.saturating_sub(start).min(64 << 20);
        let mut at = start;
        while at < start + length && reasons.is_empty() {
            if window.u64(at + 8) == Some(SECOND.len() as u64)
                && let Some(text) = window.u64(at)
                && window.bytes(text, SECOND.len()).as_deref() == Some(SECOND)
            {
                reasons = texts(window, at);
            }
            at += 8;
        }
    };
    // Initialised data with pointers, then without.
    range(208, 216);
    range(192, 200);
    reasons
}

/// The texts of an array from its second on, with an empty one before.
fn texts(window: &mut Window<'_>, mut at: u64) -> Vec<Arc<str>> {
    let mut texts: Vec<Arc<str>> = vec!["".into()];
    while texts.len() < 96 {
        let (Some(text), Some(length)) = (window.u64(at), window.u64(at + 8)) else {
            break;
        };
        let Some(bytes) = (1..64)
            .contains(&length)
            .then(|| window.bytes(text, length as usize))
            .flatten()
        else {
            break;
        };
        let Some(text) = String::from_utf8(bytes).ok().filter(|text| text.is_ascii()) else {
            break;
        };
        texts.push(text.into());
        at += 16;
    }
    texts
}
