//! Faults no unit shows alone: unknown names, cycles, missing programs and users.

use crate::diagnostic::Diagnostic;
use crate::source::Loaded;
use crate::world::World;

/// Everything wrong between these units, and between them and the machine.
pub fn units(_units: &[Loaded], _world: &dyn World, _diagnostics: &mut Vec<Diagnostic>) {}
