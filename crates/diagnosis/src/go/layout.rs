//! Where the runtime's records have their fields, release by release.
//!
//! Taken from the debug information of a program built by each release (1.19 to 1.27, x86-64; 1.20 from its source). Few fields have ever
//! moved, so what differs is a handful of columns. Whether a layout fits is tested on the program itself, and the
//! nearest one is tried for releases not listed.

/// Distances of fields within records, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The release it was taken from, by its second number.
    pub(crate) release: u32,
    pub(crate) g: G,
    /// `m.procid`: the thread's number.
    pub(crate) m_thread: u64,
    /// `sudog.waitlink` and `sudog.c`.
    pub(crate) waiter_link: u64,
    pub(crate) waiter_channel: u64,
    /// `hchan.recvq.first` and `hchan.sendq.first`.
    pub(crate) receivers: u64,
    pub(crate) senders: u64,
    /// `heapArena.spans`.
    pub(crate) arena_spans: u64,
    pub(crate) span: Span,
    /// `moduledata.gofunc`.
    pub(crate) module_gofunc: u64,
    /// `_defer.link`.
    pub(crate) defer_link: u64,
}

/// Fields of a goroutine's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct G {
    pub(crate) syscall_sp: u64,
    pub(crate) status: u64,
    pub(crate) id: u64,
    pub(crate) since: u64,
    pub(crate) reason: u64,
    /// The creator's number, since 1.21.
    pub(crate) parent: Option<u64>,
    pub(crate) created_at: u64,
    pub(crate) start: u64,
    pub(crate) waiting: u64,
    pub(crate) size: u64,
}

/// Fields of a span of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) class: u64,
    pub(crate) state: u64,
    pub(crate) element: u64,
}

/// Fields that no release has moved.
pub(crate) mod fixed {
    pub(crate) const STACK_LOW: u64 = 0;
    pub(crate) const STACK_HIGH: u64 = 8;
    pub(crate) const DEFER: u64 = 40;
    pub(crate) const M: u64 = 48;
    pub(crate) const SP: u64 = 56;
    pub(crate) const PC: u64 = 64;
    pub(crate) const WAITER_G: u64 = 0;
    pub(crate) const WAITER_NEXT: u64 = 8;
    pub(crate) const WAITER_PREVIOUS: u64 = 16;
    pub(crate) const WAITER_ELEMENT: u64 = 24;
    /// A root of waiters for semaphores, their number of roots and the size of each with what pads it.
    pub(crate) const ROOT_TREE: u64 = 8;
    pub(crate) const ROOTS: u64 = 251;
    pub(crate) const ROOT_SIZE: u64 = 64;
    pub(crate) const SPAN_START: u64 = 24;
    pub(crate) const SPAN_PAGES: u64 = 32;
    /// `notifyList.head` within `sync.Cond`.
    pub(crate) const COND_WAITERS: u64 = 32;
}

const fn g(shift: u64, gopc: u64, parent: Option<u64>, size: u64, syscall_sp: u64) -> G {
    G {
        syscall_sp,
        status: 144 + shift,
        id: 152 + shift,
        since: 168 + shift,
        reason: 176 + shift,
        parent,
        created_at: gopc,
        start: gopc + 16,
        waiting: gopc + 32,
        size,
    }
}

const OLD_SPAN: Span = Span {
    class: 98,
    state: 99,
    element: 104,
};

const GO_1_19: Layout = Layout {
    release: 19,
    g: g(0, 296, None, 392, 112),
    m_thread: 72,
    waiter_link: 64,
    waiter_channel: 80,
    receivers: 56,
    senders: 72,
    arena_spans: 2_097_152,
    span: OLD_SPAN,
    module_gofunc: 304,
    defer_link: 40,
};
// By its source, not by a program built with it.
const GO_1_20: Layout = Layout {
    release: 20,
    arena_spans: 1_064_960,
    module_gofunc: 320,
    ..GO_1_19
};
const GO_1_21: Layout = Layout {
    release: 21,
    g: g(0, 280, Some(272), 408, 112),
    span: Span {
        class: 106,
        state: 107,
        element: 112,
    },
    ..GO_1_20
};
const GO_1_22: Layout = Layout {
    release: 22,
    g: g(0, 280, Some(272), 424, 112),
    arena_spans: 0,
    span: OLD_SPAN,
    defer_link: 32,
    ..GO_1_21
};
const GO_1_23: Layout = Layout {
    release: 23,
    g: g(8, 288, Some(280), 432, 112),
    receivers: 64,
    senders: 80,
    ..GO_1_22
};
const GO_1_25: Layout = Layout {
    release: 25,
    g: g(0, 280, Some(272), 440, 104),
    m_thread: 64,
    ..GO_1_23
};
const GO_1_26: Layout = Layout {
    release: 26,
    g: g(0, 288, Some(280), 456, 104),
    waiter_link: 72,
    waiter_channel: 88,
    ..GO_1_25
};
const GO_1_27: Layout = Layout {
    release: 27,
    module_gofunc: 344,
    ..GO_1_26
};

const LAYOUTS: [Layout; 8] = [
    GO_1_19, GO_1_20, GO_1_21, GO_1_22, GO_1_23, GO_1_25, GO_1_26, GO_1_27,
];

/// All layouts, the one of `release` first, then the others by their distance from it.
pub(crate) fn candidates(release: u32) -> Vec<Layout> {
    let mut layouts = LAYOUTS.to_vec();
    // A layout holds until the next one.
    layouts.sort_by_key(|layout| match release.checked_sub(layout.release) {
        Some(after) => (0, after),
        None => (1, layout.release - release),
    });
    layouts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_holds_until_the_next_one() {
        for (release, first) in [
            (18, 19),
            (19, 19),
            (21, 21),
            (24, 23),
            (25, 25),
            (27, 27),
            (31, 27),
        ] {
            assert_eq!(candidates(release)[0].release, first, "1.{release}");
        }
    }
}
