//! What goroutines wait for: channels, locks, conditions, descriptors.
//!
//! Channels the goroutine's own record leads to. For semaphores, of which locks are made, the runtime has one table;
//! which lock it is the waiting functions tell. Conditions and descriptors are known to the waiting functions' frames.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::fixed;
use super::reader::{Raw, Reader};
use super::stacks::Call;
use super::{Awaited, AwaitedKind, globals, locks};

/// The most things one `select` waits for.
const MAX_AWAITED: usize = 1024;
/// The most waiters for semaphores.
const MAX_WAITERS: usize = 1 << 20;

/// A place in the queue for a semaphore.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    /// The runtime's record of it.
    pub(crate) record: u64,
    /// The semaphore.
    address: u64,
}

impl Reader<'_> {
    /// What a waiting goroutine waits for, as far as it can be told.
    pub(crate) fn awaited(&mut self, raw: &Raw, reason: &str) -> Vec<Awaited> {
        let one = |kind, address| vec![Awaited { kind, address }];
        if reason.ends_with("(nil chan)") {
            let is_receive = reason.contains("receive");
            return one(
                if is_receive {
                    AwaitedKind::Receive
                } else {
                    AwaitedKind::Send
                },
                0,
            );
        }
        if let Some(waiter) = self.waiters.get(&raw.g).copied() {
            let awaited = locks::of_semaphore(waiter.address, &raw.chain);
            return vec![awaited];
        }
        if reason.starts_with("sync.Cond") {
            return locks::cond(self, raw)
                .map_or_else(Vec::new, |address| one(AwaitedKind::Cond, address));
        }
        if reason.starts_with("IO wait") {
            return self
                .descriptor(raw)
                .map_or_else(Vec::new, |number| one(AwaitedKind::Descriptor, number));
        }
        self.channels(raw, reason)
    }

    fn channels(&mut self, raw: &Raw, reason: &str) -> Vec<Awaited> {
        let mut found = Vec::new();
        let mut waiter = self
            .window
            .u64(raw.g.wrapping_add(self.layout.g.waiting))
            .unwrap_or(0);
        while waiter != 0 && found.len() < MAX_AWAITED {
            let Some(channel) = self
                .window
                .u64(waiter.wrapping_add(self.layout.waiter_channel))
            else {
                break;
            };
            let kind = if reason.starts_with("chan receive") {
                AwaitedKind::Receive
            } else if reason.starts_with("chan send") {
                AwaitedKind::Send
            } else {
                self.direction(waiter, channel)
            };
            found.push(Awaited {
                kind,
                address: channel,
            });
            waiter = self
                .window
                .u64(waiter.wrapping_add(self.layout.waiter_link))
                .unwrap_or(0);
        }
        found
    }

    /// Whether a waiter stands in the channel's queue of receivers or of senders.
    fn direction(&mut self, mut waiter: u64, channel: u64) -> AwaitedKind {
        let mut at = |address: u64| self.window.u64(address).unwrap_or(0);
        let (receivers, senders) = (
            at(channel.wrapping_add(self.layout.receivers)),
            at(channel.wrapping_add(self.layout.senders)),
        );
        for _ in 0..16 {
            match waiter {
                waiter if waiter == receivers => return AwaitedKind::Receive,
                waiter if waiter == senders => return AwaitedKind::Send,
                _ => waiter = at(waiter.wrapping_add(fixed::WAITER_PREVIOUS)),
            }
            if waiter == 0 {
                break;
            }
        }
        match (receivers, senders) {
            (0, 1..) => AwaitedKind::Send,
            (1.., 0) => AwaitedKind::Receive,
            _ => AwaitedKind::Channel,
        }
    }

    /// The descriptor a goroutine waits for: its record is known to the frames of `internal/poll`, and leads to a
    /// record of the poller that names this goroutine.
    fn descriptor(&mut self, raw: &Raw) -> Option<u64> {
        let calls = raw.chain.calls(self.arch, raw.stack.start);
        let is_of_poller = |call: &&Call| {
            let mut frames = call.spot.frames.iter();
            frames.any(|frame| frame.function.starts_with("internal/poll."))
        };
        let words: BTreeSet<u64> = calls
            .iter()
            .filter(is_of_poller)
            .flat_map(|call| {
                raw.stack
                    .words(call.sp, call.end + call.spot.function.arguments)
            })
            .collect();
        words.into_iter().find_map(|word| {
            let number = self
                .window
                .u64(word.wrapping_add(16))
                .filter(|number| *number < 1 << 20)?;
            [24, 32].into_iter().find_map(|place| {
                let poller = self
                    .window
                    .u64(word.wrapping_add(place))
                    .filter(|poller| *poller != 0)?;
                [24, 32, 40].into_iter().find_map(|place| {
                    let waiter = self.window.u64(poller.wrapping_add(place))?;
                    (waiter == raw.g).then_some(number)
                })
            })
        })
    }

    /// All goroutines in the runtime's table of waiters for semaphores.
    pub(crate) fn semaphores(&mut self) -> BTreeMap<u64, Waiter> {
        let mut waiters = BTreeMap::new();
        let Some(table) = globals::semaphores(self.arch, &mut self.functions, &mut self.window)
        else {
            self.unseen.push(
                "which locks goroutines wait for: the runtime's table was not found".to_owned(),
            );
            return waiters;
        };
        let mut left = MAX_WAITERS;
        for root in 0..fixed::ROOTS {
            let tree = table.wrapping_add(root * fixed::ROOT_SIZE + fixed::ROOT_TREE);
            let mut nodes = vec![self.window.u64(tree).unwrap_or(0)];
            while let Some(node) = nodes.pop() {
                if node == 0 || left == 0 {
                    continue;
                }
                left -= 1;
                let mut at = |place: u64| self.window.u64(node.wrapping_add(place)).unwrap_or(0);
                let address = at(fixed::WAITER_ELEMENT);
                nodes.extend([at(fixed::WAITER_NEXT), at(fixed::WAITER_PREVIOUS)]);
                let mut waiter = node;
                while waiter != 0 && left > 0 {
                    left -= 1;
                    let mut at =
                        |place: u64| self.window.u64(waiter.wrapping_add(place)).unwrap_or(0);
                    waiters.insert(
                        at(fixed::WAITER_G),
                        Waiter {
                            record: waiter,
                            address,
                        },
                    );
                    waiter = at(self.layout.waiter_link);
                }
            }
        }
        waiters
    }
}
