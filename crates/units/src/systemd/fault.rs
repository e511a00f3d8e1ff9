//! What is wrong with one value, before anyone knows which file it stands in.

use std::ops::Range;
use std::sync::Arc;

use super::lex::Value;
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::source::Options;

/// A fault in a value or a line; becomes a [`Diagnostic`] where the file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes of the value; `None` for all of it.
    pub range: Option<Range<usize>>,
    pub severity: Severity,
    pub message: String,
    pub action: String,
    /// It is refused only because we do not carry it out: `--lenient` makes a warning of it.
    pub is_lenient: bool,
}

impl Fault {
    /// Something we do not carry out, and that must not be left out in silence.
    pub(super) fn not_carried(message: impl Into<String>, action: impl Into<String>) -> Fault {
        Fault {
            is_lenient: true,
            ..Fault::refused(message, action)
        }
    }

    /// Something that is wrong whoever reads it.
    pub(super) fn refused(message: impl Into<String>, action: impl Into<String>) -> Fault {
        Fault::new(Severity::Refused, message, action)
    }

    pub(super) fn warning(message: impl Into<String>, action: impl Into<String>) -> Fault {
        Fault::new(Severity::Warning, message, action)
    }

    pub(super) fn noted(message: impl Into<String>, action: impl Into<String>) -> Fault {
        Fault::new(Severity::Noted, message, action)
    }

    fn new(severity: Severity, message: impl Into<String>, action: impl Into<String>) -> Fault {
        Fault {
            range: None,
            severity,
            message: message.into(),
            action: action.into(),
            is_lenient: false,
        }
    }

    /// The same, about these bytes of the value only.
    #[must_use]
    pub(super) fn at(mut self, range: Range<usize>) -> Fault {
        self.range = Some(range);
        self
    }

    /// The same, grave enough that the unit must not run.
    #[must_use]
    pub(super) fn refusing(mut self) -> Fault {
        self.severity = Severity::Refused;
        self
    }

    /// The same, weighed as the reader wishes.
    #[must_use]
    pub(super) fn weighed(mut self, options: Options) -> Fault {
        if self.is_lenient && options.lenient && self.is_refused() {
            self.severity = Severity::Warning;
        }
        self
    }

    pub(super) fn is_refused(&self) -> bool {
        self.severity == Severity::Refused
    }

    /// As a diagnostic at its place in `file`.
    pub(super) fn in_value(self, file: &Arc<str>, value: &Value) -> Diagnostic {
        let span = match self.range.clone() {
            Some(range) => value.place(range),
            None => value.span(),
        };
        self.at_span(file, span)
    }

    /// As a diagnostic about `span` of `file`.
    pub(super) fn at_span(self, file: &Arc<str>, span: Range<usize>) -> Diagnostic {
        Diagnostic::new(
            self.severity,
            Place::new(file, span),
            self.message,
            self.action,
        )
    }
}
