//! systemd's units: `.service`, `.socket`, `.target`, with drop-ins and templates.

use crate::diagnostic::Diagnostic;
use crate::source::{Loaded, Options, Source};
use crate::world::World;

/// All units in these files; drop-ins and sockets are joined with the service they belong to.
pub fn read(
    _sources: &[&Source],
    _world: &dyn World,
    _options: Options,
    _diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Loaded> {
    Vec::new()
}
