//! What a child does between its birth and its program's: a list of system calls.
//!
//! The parent writes the list with everything it needs (texts, tables, numbers); the child only carries it out. So the
//! child has no branches of its own, allocates nothing, and where it stops names the stage that failed. Each method of
//! [`Script`] is one call of the manual's section 2, safe because the text or table it points at lives in the script.

use std::io;
use std::os::fd::RawFd;

use aplomb_core::Signal;
use linux_raw_sys::general as nr;

use super::call::{error_of, syscall};
use super::signals::Disposition;
use crate::Step;

/// A script being written.
#[derive(Debug, Default)]
pub(crate) struct Script {
    bytes: Vec<u8>,
    words: Vec<Word>,
    ops: Vec<Op>,
    stages: Vec<Stage>,
    stage: Stage,
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
pub(crate) enum Slot {
    A,
    B,
}

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
enum Arg {
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

    /// Keeps a table of texts, ended by a null pointer: what execve takes.
    pub(crate) fn texts(&mut self, texts: &[Text]) -> Table {
        let at = Table(self.words.len());
        self.words.extend(texts.iter().copied().map(Word::Text));
        self.words.push(Word::Value(0));
        at
    }

    fn values(&mut self, values: &[u64]) -> Table {
        let at = Table(self.words.len());
        let words = values.iter().map(|value| Word::Value(*value as usize));
        self.words.extend(words);
        at
    }

    fn call<const N: usize>(&mut self, number: u32, args: [Arg; N]) {
        self.call_unless(number, args, Refused::GiveUp);
    }

    fn call_unless<const N: usize>(&mut self, number: u32, args: [Arg; N], refused: Refused) {
        self.push(number, args, None, refused);
    }

    fn push<const N: usize>(
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

    /// setsid(2): a session and a process group of its own.
    pub(crate) fn setsid(&mut self) {
        self.call(nr::__NR_setsid, []);
    }

    /// write(2) of a short text into a file of the kernel's.
    pub(crate) fn write(&mut self, fd: Fd, text: &[u8]) {
        let at = Text(self.bytes.len());
        self.bytes.extend_from_slice(text);
        let args = [fd.into(), Arg::Text(at), Value(text.len())];
        self.call(nr::__NR_write, args);
    }

    /// dup3(2): `from` becomes `to`, and stays open over the exec.
    pub(crate) fn place(&mut self, from: Fd, to: RawFd) {
        let args = [from.into(), Value(to as usize), Value(0)];
        self.call(nr::__NR_dup3, args);
    }

    /// close_range(2): everything from `first` on is closed at the exec.
    pub(crate) fn close_on_exec_from(&mut self, first: RawFd) {
        let args = [
            Value(first as usize),
            Value(u32::MAX as usize),
            Value(CLOSE_RANGE_CLOEXEC),
        ];
        // Kernels before 5.11 lack it; all we open is closed at the exec anyway.
        self.call_unless(nr::__NR_close_range, args, Refused::Ignore);
    }

    /// rt_sigaction(2): the signal has no handler of ours and is ignored, or not, as said.
    pub(crate) fn dispose(&mut self, signal: Signal, disposition: Disposition) {
        let table = self.values(&disposition.words());
        let args = [
            Value(usize::from(signal.number())),
            Arg::Table(table),
            Value(0),
            Value(size_of::<u64>()),
        ];
        self.call(nr::__NR_rt_sigaction, args);
    }

    /// rt_sigprocmask(2): no signal is blocked any more.
    pub(crate) fn unblock_signals(&mut self) {
        let table = self.values(&[0]);
        let args = [
            Value(nr::SIG_SETMASK as usize),
            Arg::Table(table),
            Value(0),
            Value(size_of::<u64>()),
        ];
        self.call(nr::__NR_rt_sigprocmask, args);
    }

    /// chdir(2).
    pub(crate) fn chdir(&mut self, path: Text, refused: Refused) {
        self.call_unless(nr::__NR_chdir, [Arg::Text(path)], refused);
    }

    /// The digits of the child's own number, written at `text`, which has room for ten and a NUL.
    pub(crate) fn own_number_at(&mut self, text: Text, skip: usize) {
        let call = Call::OwnNumber(Arg::Text(Text(text.0 + skip)));
        self.ops.push(Op {
            call,
            refused: Refused::GiveUp,
        });
        self.stages.push(self.stage);
    }

    /// execve(2).
    pub(crate) fn execute(&mut self, program: Text, argv: Table, env: Table) {
        let args = [Arg::Text(program), Arg::Table(argv), Arg::Table(env)];
        self.call_unless(nr::__NR_execve, args, Refused::TryNext);
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
        let mut slots = [0; 2];
        let mut remembered = None;
        for (at, op) in self.ops.iter().enumerate() {
            let errno = match (self.issue(&op.call, &mut slots), op.refused) {
                (None, _) | (Some(_), Refused::Ignore) => continue,
                (Some(errno), Refused::GiveUp | Refused::TryNext) => errno as u32,
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

    fn issue(&self, call: &Call, slots: &mut [usize; 2]) -> Option<i32> {
        match call {
            Call::System { number, args, keep } => {
                let args = args.map(|arg| arg.word(slots));
                // SAFETY: each method of `Script` passes what its call asks for, and pointers only to `bytes` and
                // `words`, which live as long as we do and do not move.
                let result = unsafe { syscall(*number, args) };
                if let Some(slot) = keep {
                    slots[*slot as usize] = result as usize;
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
    fn word(self, slots: &[usize; 2]) -> usize {
        match self {
            Value(value) => value,
            Arg::Slot(slot) => slots[slot as usize],
            // `finish` has replaced them.
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
/// <linux/close_range.h>, which `linux-raw-sys` leaves out.
const CLOSE_RANGE_CLOEXEC: usize = 4;
