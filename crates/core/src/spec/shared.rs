//! Parts of a definition that most services have in common, kept once.
//!
//! A thousand services differ in a name and a command; how they are stopped, restarted and logged they mostly share. A
//! part reads and writes like the part itself; who writes gets one of his own (copy on write).

use alloc::rc::Rc;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// One part of a definition, maybe common to many.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Shared<T>(Rc<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(&mut self.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(part: T) -> Shared<T> {
        Shared(Rc::new(part))
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one part of the definitions usually is: its default, and what it was the last time it was something else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usual<T> {
    default: Shared<T>,
    last: Shared<T>,
}

impl<T: PartialEq> Usual<T> {
    /// Lets `part` be one with an equal one seen before.
    pub(crate) fn unite(&mut self, part: &mut Shared<T>) {
        let same = [&self.default, &self.last]
            .into_iter()
            .find(|known| ***known == **part);
        match same {
            Some(known) => *part = Shared(known.0.clone()),
            None => self.last = Shared(part.0.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_become_one_and_who_writes_gets_his_own() {
        let mut usual = Usual::<u32>::default();
        let (mut first, mut second) = (Shared::from(7), Shared::from(7));
        usual.unite(&mut first);
        usual.unite(&mut second);
        assert!(Rc::ptr_eq(&first.0, &second.0));
        *second = 8;
        assert_eq!((*first, *second), (7, 8));
    }
}
