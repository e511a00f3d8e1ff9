//! Hooks nobody waits for: begun at a moment, given their time, ended with all they begot.

use std::collections::BTreeMap;

use aplomb_core::{InstanceId, Instant};
use aplomb_platform::TreeId;

/// One hook under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HookId(pub u64);

/// What is held for it.
#[derive(Debug)]
pub(crate) struct Hook {
    pub instance: InstanceId,
    /// A tree of its own, for the service's may be gone.
    pub tree: TreeId,
    pub name: &'static str,
    pub until: Instant,
}

/// All hooks under way.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    running: BTreeMap<HookId, Hook>,
    next: u64,
}

impl Hooks {
    pub(crate) fn add(&mut self, hook: Hook) -> HookId {
        let id = HookId(self.next);
        self.next += 1;
        self.running.insert(id, hook);
        id
    }

    pub(crate) fn take(&mut self, id: HookId) -> Option<Hook> {
        self.running.remove(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn ids(&self) -> Vec<HookId> {
        self.running.keys().copied().collect()
    }
}
