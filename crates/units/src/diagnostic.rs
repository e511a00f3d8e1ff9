//! A fault in a unit: what is wrong, where, and the one thing to do about it.
//!
//! Data only. How it looks on a terminal is `render`'s business; as JSON it serialises as it stands.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The unit cannot run as written.
    Refused,
    /// It runs, but surely not as meant.
    Warning,
    /// Something said has no effect here, and nothing is lost by that.
    Noted,
}

/// A stretch of one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file as its [`crate::Source`] names it.
    pub file: Arc<str>,
    /// Bytes of its text; both ends on character boundaries. Empty at 0 where the whole file is meant.
    pub span: Range<usize>,
}

impl Place {
    pub fn new(file: &Arc<str>, span: Range<usize>) -> Place {
        Place {
            file: Arc::clone(file),
            span,
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut place = serializer.serialize_struct("Place", 3)?;
        place.serialize_field("file", &*self.file)?;
        place.serialize_field("start", &self.span.start)?;
        place.serialize_field("end", &self.span.end)?;
        place.end()
    }
}

/// Another place that belongs to the fault, with a few words on how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    pub place: Place,
    pub label: String,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    pub place: Place,
    /// What is wrong, with the names in backticks; no full stop.
    pub message: String,
    /// One thing to do, in the imperative; no full stop.
    pub action: String,
    pub related: Vec<Related>,
}

impl Diagnostic {
    pub fn new(
        severity: Severity,
        place: Place,
        message: impl Into<String>,
        action: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            place,
            message: message.into(),
            action: action.into(),
            related: Vec::new(),
        }
    }

    pub fn refused(place: Place, message: impl Into<String>, action: impl Into<String>) -> Self {
        Diagnostic::new(Severity::Refused, place, message, action)
    }

    pub fn warning(place: Place, message: impl Into<String>, action: impl Into<String>) -> Self {
        Diagnostic::new(Severity::Warning, place, message, action)
    }

    pub fn noted(place: Place, message: impl Into<String>, action: impl Into<String>) -> Self {
        Diagnostic::new(Severity::Noted, place, message, action)
    }

    /// The same, with one more place that belongs to it.
    #[must_use]
    pub fn with(mut self, place: Place, label: impl Into<String>) -> Diagnostic {
        self.related.push(Related {
            place,
            label: label.into(),
        });
        self
    }
}

impl fmt::Display for Diagnostic {
    /// One line without the text: `shop.toml: MESSAGE; ACTION`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place.file, self.message, self.action)
    }
}

/// Whether anything was refused, so that the units must not be run as they are.
pub fn refused(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Refused)
}
