//! What a child does between its birth and its program's: a list of system calls.
//!
//! The parent writes the list with everything it needs (texts, tables, numbers); the child only carries it out. So the
//! child has no branches of its own, allocates nothing, and where it stops names the stage that failed. Each method of
//! [`Script`] is one call of the manual's section 2, safe because the text or table it points at lives in the script.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use linux_raw_sys::general as nr;

use super::call::{error_of, syscall};
use crate::Step;

/// A script being written.
#[derive(Debug, Default)]
pub(crate) struct Script {
    bytes: Vec<u8>,
    words: Vec<Word>,
    ops: Vec<Op>,
    stages: Vec<Stage>,
    stage: Stage,
    slots: usize,
}

/// A script that can be carried out.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The child writes the digits of its own number into it.
    #[expect(dead_code, reason = "the calls point into it")]
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "the calls point into it")]
    words: Vec<usize>,
    ops: Vec<Op>,
    stages: Vec<Stage>,
}

/// What a call is part of, for the report of its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    /// Getting a table of descriptors of its own.
    Descriptors,
    Setup(Step),
    /// Going to the working directory.
    Directory,
    #[default]
    Execute,
}

/// What a refusal of the kernel means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The child gives up.
    GiveUp,
    /// The next call is to do all the same.
    Ignore,
    /// The child gives up unless the kernel does not know what is meant (EINVAL).
    UnlessUnknown,
    /// Where there is no such file, or not for us, the next call is to do, which tries another.
    TryNext,
}

/// A text, NUL-terminated, by its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text(usize);

/// A row of words, by its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table(usize);

/// Where the result of a call is kept for later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(usize);

/// A script that needs more keeps fewer descriptors open at a time than systems allow at all.
const SLOTS: usize = 32;

/// A descriptor: known now, or the result of an earlier call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fd {
    Known(RawFd),
    From(Slot),
}

/// One system call.
#[derive(Debug, Clone, Copy)]
struct Op {
    call: Call,
    refused: Refused,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    System {
        number: u32,
        args: [Arg; 6],
        keep: Option<Slot>,
    },
    /// Writes the child's own number in digits, and a NUL.
    OwnNumber(Arg),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Arg {
    Value(usize),
    Slot(Slot),
    Text(Text),
    Table(Table),
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Value(usize),
    Text(Text),
}

use Arg::Value;

impl Script {
    /// From here on calls are part of `stage`.
    pub(crate) fn stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Keeps a text. Errors: it holds a NUL, which the kernel would take for its end.
    pub(crate) fn text(&mut self, text: &[u8]) -> io::Result<Text> {
        if text.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a NUL byte inside a text",
            ));
        }
        let at = Text(self.bytes.len());
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        Ok(at)
    }

    /// Keeps a path.
    pub(crate) fn path(&mut self, path: &Path) -> io::Result<Text> {
        self.text(path.as_os_str().as_bytes())
    }

    /// Keeps a table of texts, ended by a null pointer: what execve takes.
    pub(crate) fn texts(&mut self, texts: &[Text]) -> Table {
        let at = Table(self.words.len());
        self.words.extend(texts.iter().copied().map(Word::Text));
        self.words.push(Word::Value(0));
        at
    }

    /// A place for the result of a call. They are few: with too many, the last is shared, and its first use is lost.
    pub(super) fn slot(&mut self) -> Slot {
        debug_assert!(self.slots < SLOTS);
        let slot = Slot(self.slots.min(SLOTS - 1));
        self.slots += 1;
        slot
    }

    pub(super) fn values(&mut self, values: &[u64]) -> Table {
        let at = Table(self.words.len());
        let words = values.iter().map(|value| Word::Value(*value as usize));
        self.words.extend(words);
        at
    }

    pub(super) fn call<const N: usize>(&mut self, number: u32, args: [Arg; N]) {
        self.call_unless(number, args, Refused::GiveUp);
    }

    pub(super) fn call_unless<const N: usize>(
        &mut self,
        number: u32,
        args: [Arg; N],
        refused: Refused,
    ) {
        self.push(number, args, None, refused);
    }

    pub(super) fn push<const N: usize>(
        &mut self,
        number: u32,
        args: [Arg; N],
        keep: Option<Slot>,
        refused: Refused,
    ) {
        const { assert!(N <= 6) };
        let mut all = [Value(0); 6];
        all[..N].copy_from_slice(&args);
        let call = Call::System {
            number,
            args: all,
            keep,
        };
        self.ops.push(Op { call, refused });
        self.stages.push(self.stage);
    }

    /// The digits of the child's own number, written at `skip` bytes into `text`, which must have room there for ten and
    /// a NUL.
    pub(super) fn push_own_number(&mut self, text: Text, skip: usize) {
        let call = Call::OwnNumber(Arg::Text(Text(text.0 + skip)));
        let refused = Refused::GiveUp;
        self.ops.push(Op { call, refused });
        self.stages.push(self.stage);
    }

    /// A text without an end of its own: the call is told its length.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Text {
        let at = Text(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
        at
    }

    /// No more is added: places become addresses.
    pub(crate) fn finish(self) -> Ready {
        let mut bytes = self.bytes;
        let start = bytes.as_mut_ptr().expose_provenance();
        let text = |text: Text| start + text.0;
        let words: Vec<usize> = self
            .words
            .iter()
            .map(|word| match *word {
                Word::Value(value) => value,
                Word::Text(at) => text(at),
            })
            .collect();
        let resolve = |arg: Arg| match arg {
            Arg::Text(at) => Value(text(at)),
            Arg::Table(Table(at)) => {
                Value(words.as_ptr().expose_provenance() + at * size_of::<usize>())
            }
            Value(_) | Arg::Slot(_) => arg,
        };
        let mut ops = self.ops;
        for op in &mut ops {
            op.call = match op.call {
                Call::System { number, args, keep } => Call::System {
                    number,
                    args: args.map(resolve),
                    keep,
                },
                Call::OwnNumber(at) => Call::OwnNumber(resolve(at)),
            };
        }
        Ready {
            ops,
            words,
            stages: self.stages,
            bytes,
        }
    }
}

impl Ready {
    /// What the call at this place is part of.
    pub(crate) fn stage(&self, at: usize) -> Stage {
        self.stages.get(at).copied().unwrap_or_default()
    }

    /// In the child: issues the calls in turn. Returns where it stopped and the error number; if the last one is an
    /// exec it returns only then.
    pub(super) fn carry_out(&self) -> (usize, i32) {
        let mut slots = [0; SLOTS];
        let mut remembered = None;
        for (at, op) in self.ops.iter().enumerate() {
            let errno = match (self.issue(&op.call, &mut slots), op.refused) {
                (None, _) | (Some(_), Refused::Ignore) => continue,
                (Some(EINVAL), Refused::UnlessUnknown) => continue,
                (Some(errno), Refused::GiveUp | Refused::UnlessUnknown | Refused::TryNext) => {
                    errno as u32
                }
            };
            let elsewhere = matches!(errno, ENOENT | ENOTDIR | EACCES);
            if op.refused == Refused::TryNext && elsewhere {
                // "May not" says more than "is not there".
                if remembered.is_none() || errno == EACCES {
                    remembered = Some((at, errno as i32));
                }
                continue;
            }
            return (at, errno as i32);
        }
        remembered.unwrap_or((self.ops.len(), ENOENT as i32))
    }

    fn issue(&self, call: &Call, slots: &mut [usize; SLOTS]) -> Option<i32> {
        match call {
            Call::System { number, args, keep } => {
                let args = args.map(|arg| arg.word(slots));
                // SAFETY: each method of `Script` passes what its call asks for, and pointers only to `bytes` and
                // `words`, which live as long as we do and do not move.
                let result = unsafe { syscall(*number, args) };
                if let Some(slot) = keep {
                    slots[slot.0] = result as usize;
                }
                error_of(result)
            }
            Call::OwnNumber(at) => {
                self.write_own_number(at.word(slots));
                None
            }
        }
    }

    fn write_own_number(&self, address: usize) {
        // SAFETY: getpid takes and gives numbers only.
        let mut number = unsafe { syscall(nr::__NR_getpid, [0; 6]) };
        let mut digits = [0_u8; 10];
        let mut count = 0;
        while number > 0 && count < digits.len() {
            digits[count] = b'0' + (number % 10) as u8;
            number /= 10;
            count += 1;
        }
        let mut target = std::ptr::with_exposed_provenance_mut::<u8>(address);
        for digit in digits[..count].iter().rev() {
            // SAFETY: `own_number_at` was given a text with room for ten digits and a NUL.
            unsafe { target.write(*digit) };
            target = target.wrapping_add(1);
        }
        // SAFETY: likewise.
        unsafe { target.write(0) };
    }
}

impl Arg {
    fn word(self, slots: &[usize; SLOTS]) -> usize {
        match self {
            Value(value) => value,
            Arg::Slot(slot) => slots[slot.0],
            // `finish` has replaced them by addresses.
            Arg::Text(_) | Arg::Table(_) => 0,
        }
    }
}

impl From<Fd> for Arg {
    fn from(fd: Fd) -> Arg {
        match fd {
            Fd::Known(fd) => Value(fd as usize),
            Fd::From(slot) => Arg::Slot(slot),
        }
    }
}

const ENOENT: u32 = linux_raw_sys::errno::ENOENT;
const ENOTDIR: u32 = linux_raw_sys::errno::ENOTDIR;
const EACCES: u32 = linux_raw_sys::errno::EACCES;
const EINVAL: i32 = linux_raw_sys::errno::EINVAL as i32;
