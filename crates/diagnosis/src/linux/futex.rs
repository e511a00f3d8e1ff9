//! What a thread waits for in `futex`: recognised by how the C library, and Rust's own, call it, and by what stands
//! around the word.
//!
//! The layouts are those of glibc on 64-bit machines, unchanged since 2.25. None is believed on its call alone: the
//! fields around the word must make sense too, and where two primitives look alike the functions on the stack decide.
//! Not here: who holds a lock that does not say so (`inference`).

use crate::memory::Memory;
use crate::scene::{Event, Frame, Holder, Lock, LockKind, Wait};

/// The arguments of a `futex` call of which it is known that it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FutexCall {
    pub(super) address: u64,
    /// The operation without its flags.
    pub(super) operation: u32,
    pub(super) flags: u32,
    /// What the word was expected to hold.
    pub(super) value: u32,
    pub(super) is_timed: bool,
}

const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;
const WAIT: u32 = 0;
const LOCK_PI: u32 = 6;
const WAIT_BITSET: u32 = 9;
const LOCK_PI2: u32 = 13;
/// Of a word that names its owner: the owner, and that he has died.
const OWNER: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;
/// What the C library's mutex kinds can be at most, with all their flags.
const MUTEX_KINDS: u32 = 0x200;
/// Where glibc keeps a thread's number within the structure its locks point to.
const TID_OF_THREAD: u64 = 0x2d0;
/// Where that structure points to itself.
const SELF_OF_THREAD: u64 = 0x10;
/// The highest number a thread can have.
const HIGHEST_TID: u32 = 1 << 22;
/// Of a lock whose owner does not live: more users than this are the upper half of an address.
const FEW_USERS: u32 = 0x5000;
/// As many users as one believes a lock to have.
const USERS: u32 = 1 << 20;

/// What is known of threads by number, as the process itself sees them.
pub(super) trait Tids {
    /// The process and number, as we see them, of a living thread of any process.
    fn living(&self, tid: u32) -> Option<(u32, u32)>;

    /// The same, if it belongs to the process that waits.
    fn member(&self, tid: u32) -> Option<(u32, u32)>;
}

impl FutexCall {
    /// None if the call does not wait.
    pub(super) fn of(args: &[u64; 6]) -> Option<FutexCall> {
        let op = args[1] as u32;
        let operation = op & !(PRIVATE | CLOCK_REALTIME);
        let waits = [WAIT, WAIT_BITSET, LOCK_PI, LOCK_PI2].contains(&operation);
        waits.then_some(FutexCall {
            address: args[0],
            operation,
            flags: op & (PRIVATE | CLOCK_REALTIME),
            value: args[2] as u32,
            is_timed: args[3] != 0,
        })
    }

    fn is_private(&self) -> bool {
        self.flags & PRIVATE != 0
    }
}

/// What the call waits for.
pub(super) fn wait_of(
    call: FutexCall,
    memory: Option<&dyn Memory>,
    tids: &dyn Tids,
    frames: &[Frame],
) -> Wait {
    let reader = Reader {
        call,
        memory,
        tids,
        frames,
    };
    reader.wait()
}

struct Reader<'a> {
    call: FutexCall,
    memory: Option<&'a dyn Memory>,
    tids: &'a dyn Tids,
    frames: &'a [Frame],
}

impl Reader<'_> {
    fn wait(&self) -> Wait {
        if let Some(lock) = self.rust_lock() {
            return lock;
        }
        let found = match self.call.operation {
            LOCK_PI | LOCK_PI2 => self.by_word(),
            WAIT_BITSET if self.call.value > 3 || self.call.value == 0 => {
                self.join().or_else(|| self.event())
            }
            WAIT_BITSET => self.mutex().or_else(|| self.read_write()),
            _ => match self.call.value {
                // A stream's lock may look like a mutex, but hardly the other way round.
                2 => self
                    .stream()
                    .or_else(|| self.mutex())
                    .or_else(|| self.internal()),
                0 | 1 => self.event(),
                value if value & WAITERS != 0 && value & OWNER != 0 => self.robust(),
                _ => self.join().or_else(|| self.event()),
            },
        };
        found.unwrap_or(Wait::Event(Event::Word {
            address: self.call.address,
            is_timed: self.call.is_timed,
            is_shared: !self.call.is_private(),
        }))
    }

    fn word(&self, offset: i64) -> Option<u32> {
        let address = self.call.address.checked_add_signed(offset)?;
        self.memory?.u32(address).ok()
    }

    fn lock(&self, offset: i64, kind: LockKind, holder: Holder) -> Option<Wait> {
        Some(Wait::Lock(Lock {
            address: self.call.address.checked_add_signed(offset)?,
            kind,
            holder,
            is_timed: self.call.is_timed,
        }))
    }

    fn holder(&self, tid: u32) -> Holder {
        if tid == 0 {
            return Holder::Changing { last: None };
        }
        // What is private to a process has its owner there; elsewhere the number has been given to another thread.
        let owner = match self.call.is_private() {
            true => self.tids.member(tid),
            false => self.tids.living(tid),
        };
        match owner {
            Some((pid, tid)) => Holder::Recorded { pid, tid },
            None => Holder::Gone { tid },
        }
    }

    /// `{ lock, count, owner, users, kind }`, waited for at `lock`.
    fn mutex(&self) -> Option<Wait> {
        let (owner, users, kind) = (self.word(8)?, self.word(12)?, self.word(16)?);
        let fits = kind < MUTEX_KINDS && users < USERS && owner <= HIGHEST_TID;
        // Nobody has it, and nobody says otherwise: a lock of another sort, or one just handed over.
        let named = owner != 0 || self.is_in(&["pthread_mutex", "mutex_lock"]);
        if !fits || !named {
            return None;
        }
        let holder = self.holder(owner);
        let unsure = matches!(holder, Holder::Gone { .. }) && !(1..FEW_USERS).contains(&users);
        (!unsure).then(|| self.lock(0, LockKind::Mutex, holder))?
    }

    /// A lock whose word is its owner's number.
    fn by_word(&self) -> Option<Wait> {
        let word = self.word(0)?;
        let holder = match word & OWNER_DIED {
            0 => self.holder(word & OWNER),
            _ => Holder::Gone { tid: word & OWNER },
        };
        self.lock(0, LockKind::Mutex, holder)
    }

    /// A robust mutex: it waits for a word that is its owner's number with the flag of waiters.
    fn robust(&self) -> Option<Wait> {
        let kind = self.word(16)?;
        if kind >= MUTEX_KINDS {
            return None;
        }
        self.by_word()
    }

    /// `{ readers, writers, phase, writers' word, -, -, writer }`: readers wait at 8, writers at 12.
    fn read_write(&self) -> Option<Wait> {
        if self.call.value != 3 {
            return self.write_after_readers();
        }
        let (base, kind) = if self.call.address.is_multiple_of(8) {
            (-8, LockKind::Read)
        } else {
            (-12, LockKind::Write)
        };
        let writer = self.word(base + 24)?;
        if writer > HIGHEST_TID {
            return None;
        }
        let holder = match writer {
            0 => Holder::Unrecorded,
            tid => self.holder(tid),
        };
        self.lock(base, kind, holder)
    }

    /// A writer that only waits for readers to leave does so at 8 as well, for another value.
    fn write_after_readers(&self) -> Option<Wait> {
        const IS_WRITE_LOCKED: u32 = 2;
        let is_realtime = self.call.flags & CLOCK_REALTIME != 0;
        let state = self
            .word(-8)
            .filter(|_| is_realtime && self.call.value == 2)?;
        let has_readers = (1..USERS).contains(&(state >> 3)) && state & IS_WRITE_LOCKED != 0;
        has_readers.then(|| self.lock(-8, LockKind::Write, Holder::Unrecorded))?
    }

    /// The lock of a `FILE`: `{ lock, count, owner }`, its owner a pointer to a thread's own structure.
    fn stream(&self) -> Option<Wait> {
        let memory = self.memory?;
        let owner = memory.u64(self.call.address.checked_add(8)?).ok()?;
        if owner < 0x1000 {
            return None;
        }
        let points_to_itself = memory.u64(owner.checked_add(SELF_OF_THREAD)?).ok()? == owner;
        let tid = memory.u32(owner.checked_add(TID_OF_THREAD)?).ok()?;
        if !points_to_itself || tid > HIGHEST_TID {
            return None;
        }
        let holder = match self.holder(tid) {
            Holder::Changing { .. } => return None,
            holder @ (Holder::Recorded { .. }
            | Holder::Gone { .. }
            | Holder::Inferred { .. }
            | Holder::Unrecorded) => holder,
        };
        self.lock(0, LockKind::Stream, holder)
    }

    fn internal(&self) -> Option<Wait> {
        self.lock(0, LockKind::Internal, Holder::Unrecorded)
    }

    /// Rust's own locks: one or two words, nothing around them, through a call glibc does not use without a limit.
    fn rust_lock(&self) -> Option<Wait> {
        let is_rust =
            self.call.operation == WAIT_BITSET && self.call.flags == PRIVATE && !self.call.is_timed;
        if !is_rust {
            return None;
        }
        if self.is_in(&["write_contended"]) {
            return self.lock(-4, LockKind::Write, Holder::Unrecorded);
        }
        if self.is_in(&["read_contended"]) {
            return self.lock(0, LockKind::Read, Holder::Unrecorded);
        }
        let is_mutex = self.call.value == 2 && self.word(0).is_none_or(|word| word == 2);
        is_mutex.then(|| self.lock(0, LockKind::Mutex, Holder::Unrecorded))?
    }

    /// The word a thread clears when it ends: it holds its number.
    fn join(&self) -> Option<Wait> {
        if self.call.is_private() {
            return None;
        }
        let (_, tid) = self.tids.member(self.call.value)?;
        (self.word(0)? == self.call.value).then_some(Wait::Join { tid })
    }

    fn event(&self) -> Option<Wait> {
        let is_timed = self.call.is_timed;
        let address = self.call.address;
        if self.is_in(&["pthread_cond", "cnd_"]) || self.looks_like_condition() {
            let base = address & !7;
            return Some(Wait::Event(Event::Condition {
                address: base.saturating_sub(40),
                is_timed,
            }));
        }
        if self.is_in(&[
            "sem_wait",
            "sem_timedwait",
            "sem_clockwait",
            "do_futex_wait",
            "new_sem",
        ]) || self.looks_like_semaphore()
        {
            return Some(Wait::Event(Event::Semaphore { address, is_timed }));
        }
        if self.is_in(&["pthread_barrier"]) || self.looks_like_barrier() {
            return Some(Wait::Event(Event::Barrier { address }));
        }
        let once = self.is_in(&["pthread_once", "call_once"]);
        once.then_some(Wait::Event(Event::Once { address }))
    }

    /// `{ …, waiters at 36, signals at 40 and 44 }`, waited for at the signals.
    fn looks_like_condition(&self) -> bool {
        if self.call.operation != WAIT_BITSET || self.call.value != 0 {
            return false;
        }
        let base = (self.call.address & !7) as i64 - self.call.address as i64;
        let waiters = self.word(base - 4).unwrap_or(0) >> 3;
        let is_second = self.call.address % 8 == 4;
        (1..USERS).contains(&waiters) && (is_second || !self.looks_like_semaphore())
    }

    /// `{ value, waiters }`.
    fn looks_like_semaphore(&self) -> bool {
        let is_aligned = self.call.address.is_multiple_of(8);
        let waits = self.call.operation == WAIT_BITSET && self.call.value == 0;
        waits
            && is_aligned
            && self
                .word(4)
                .is_some_and(|waiters| (1..USERS).contains(&waiters))
    }

    /// `{ arrived, round, needed, shared }`, waited for at the round.
    fn looks_like_barrier(&self) -> bool {
        let (Some(arrived), Some(needed), Some(shared)) =
            (self.word(-4), self.word(4), self.word(8))
        else {
            return false;
        };
        let sizes = (2..USERS).contains(&needed) && (1..needed).contains(&arrived);
        sizes && (shared == 0 || shared == PRIVATE)
    }

    /// Whether one of the innermost functions has such a name.
    fn is_in(&self, names: &[&str]) -> bool {
        let innermost = self.frames.iter().take(4);
        let mut functions = innermost.filter_map(|frame| frame.function.as_deref());
        functions.any(|function| names.iter().any(|name| function.contains(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ReadError;

    /// Words from an address on.
    struct Words(u64, Vec<u32>);

    impl Memory for Words {
        fn read(&self, address: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let bytes: Vec<u8> = self.1.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let from = address.checked_sub(self.0).map(|from| from as usize);
            let found = from.and_then(|from| bytes.get(from..from + into.len()));
            let Some(found) = found else {
                return Err(ReadError::Unmapped { address });
            };
            into.copy_from_slice(found);
            Ok(())
        }
    }

    /// Threads 10, 11 and 12 of process 10.
    struct Three;

    impl Tids for Three {
        fn living(&self, tid: u32) -> Option<(u32, u32)> {
            self.member(tid).or((tid == 20).then_some((20, 20)))
        }

        fn member(&self, tid: u32) -> Option<(u32, u32)> {
            (10..13).contains(&tid).then_some((10, tid))
        }
    }

    fn call(address: u64, op: u64, value: u64) -> FutexCall {
        FutexCall::of(&[address, op, value, 0, 0, 0]).expect("it waits")
    }

    fn wait(call: FutexCall, words: &[u32]) -> Wait {
        let memory = Words(0x1000, words.to_vec());
        wait_of(call, Some(&memory), &Three, &[])
    }

    fn holder(wait: Wait) -> (LockKind, Holder) {
        let Wait::Lock(lock) = wait else {
            panic!("{wait:?}");
        };
        (lock.kind, lock.holder)
    }

    #[test]
    fn a_mutex_names_its_owner() {
        let found = wait(call(0x1000, 0x80, 2), &[2, 0, 11, 1, 0]);
        let recorded = Holder::Recorded { pid: 10, tid: 11 };
        assert_eq!(holder(found), (LockKind::Mutex, recorded));
    }

    #[test]
    fn rusts_mutex_is_not_taken_for_the_c_librarys() {
        let found = wait(call(0x1000, 0x89, 2), &[2, 0, 11, 1, 0]);
        assert_eq!(holder(found), (LockKind::Mutex, Holder::Unrecorded));
    }

    #[test]
    fn a_private_lock_has_no_owner_in_another_process() {
        let private = wait(call(0x1000, 0x80, 2), &[2, 0, 20, 1, 0]);
        assert_eq!(holder(private).1, Holder::Gone { tid: 20 });
        let shared = wait(call(0x1000, 0, 2), &[2, 0, 20, 1, 128]);
        assert_eq!(holder(shared).1, Holder::Recorded { pid: 20, tid: 20 });
    }

    #[test]
    fn an_address_is_no_owner() {
        let found = wait(call(0x1000, 0x80, 2), &[2, 1, 0x139f_66c0, 0x7f7e, 0]);
        assert_eq!(holder(found), (LockKind::Internal, Holder::Unrecorded));
        let found = wait(call(0x1000, 0x80, 2), &[2, 1, 0x0001_66c0, 0x7f7e, 0]);
        assert_eq!(holder(found), (LockKind::Internal, Holder::Unrecorded));
    }

    #[test]
    fn an_owner_that_does_not_live_has_left_it() {
        let found = wait(call(0x1000, 0x80, 2), &[2, 0, 99, 1, 0]);
        assert_eq!(holder(found).1, Holder::Gone { tid: 99 });
    }

    #[test]
    fn a_timed_mutex_is_no_rwlock_and_the_reverse() {
        let timed = FutexCall::of(&[0x1000, 0x189, 2, 0x7ff0, 0, 0]).expect("it waits");
        let Wait::Lock(lock) = wait(timed, &[2, 0, 11, 1, 0]) else {
            panic!("no lock");
        };
        assert!(lock.is_timed);
        let writer = wait(call(0x100c, 0x189, 3), &[1, 1, 0, 3, 0, 0, 12, 0]);
        let recorded = Holder::Recorded { pid: 10, tid: 12 };
        assert_eq!(holder(writer), (LockKind::Write, recorded));
        let reader = wait(call(0x1008, 0x189, 3), &[1, 1, 3, 0, 0, 0, 12, 0]);
        assert_eq!(holder(reader).0, LockKind::Read);
        let after_readers = wait(call(0x1008, 0x189, 2), &[1 << 3 | 2, 0, 2, 3, 0, 0, 0, 0]);
        let unrecorded = (LockKind::Write, Holder::Unrecorded);
        assert_eq!(holder(after_readers), unrecorded);
    }

    #[test]
    fn words_that_are_their_owners_number() {
        let inheriting = wait(call(0x1000, 0x86, 0), &[WAITERS | 11, 0, 11, 1, 0x20]);
        assert_eq!(holder(inheriting).1, Holder::Recorded { pid: 10, tid: 11 });
        let robust = wait(
            call(0x1000, 0, u64::from(WAITERS | 99)),
            &[WAITERS | 99, 0, 99, 1, 0x10],
        );
        assert_eq!(holder(robust).1, Holder::Gone { tid: 99 });
    }

    #[test]
    fn a_joined_thread_is_named_by_the_value() {
        let joins = wait(call(0x1000, 0x109, 12), &[12]);
        assert_eq!(joins, Wait::Join { tid: 12 });
        let gone = wait(call(0x1000, 0x109, 99), &[99]);
        assert!(matches!(gone, Wait::Event(Event::Word { .. })), "{gone:?}");
    }

    #[test]
    fn conditions_semaphores_and_barriers_are_told_apart() {
        let condition = [5, 0, 3, 0, 2, 2, 1, 0, 4, 1 << 3, 0, 0];
        for at in [40, 44] {
            let found = wait(call(0x1000 + at, 0x189, 0), &condition);
            let Wait::Event(Event::Condition { address, .. }) = found else {
                panic!("{found:?}");
            };
            assert_eq!(address, 0x1000);
        }
        let semaphore = wait(call(0x1010, 0x189, 0), &[0, 0, 0, 0, 0, 3, 128]);
        assert!(
            matches!(semaphore, Wait::Event(Event::Semaphore { .. })),
            "{semaphore:?}"
        );
        let barrier = wait(call(0x1004, 0x80, 0), &[2, 0, 5, 0, 0]);
        assert!(
            matches!(barrier, Wait::Event(Event::Barrier { .. })),
            "{barrier:?}"
        );
    }

    #[test]
    fn without_memory_nothing_is_claimed() {
        let found = wait_of(call(0x1000, 0x80, 2), None, &Three, &[]);
        let Wait::Lock(lock) = found else {
            panic!("{found:?}");
        };
        assert_eq!(lock.holder, Holder::Unrecorded);
    }
}
