//! One unit from its texts: the main file, then its drop-ins, assignment after assignment.

use std::ops::Range;
use std::sync::Arc;

use aplomb_core::Spec;
use aplomb_core::spec::{Kind, StartMode};

use super::draft::{Draft, Input};
use super::fault::Fault;
use super::keys::{self, Class, Key, Section, Table};
use super::lex::{self, Assignment};
use super::name::{UnitName, UnitType};
use super::specifier::Specifiers;
use super::{output, process, restart, service, socket, stop};
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Options, Places};
use crate::world::World;

/// The text of one file.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub file: Arc<str>,
    pub text: String,
}

/// A unit read and put together, its relations not yet looked up.
#[derive(Debug)]
pub(super) struct Unit {
    pub name: UnitName,
    pub spec: Spec,
    pub places: Places,
    /// `Sockets=` of a service, `Service=` of a socket.
    pub partners: Vec<String>,
    pub also: Vec<String>,
    pub aliases: Vec<String>,
    pub default_instance: Option<String>,
    /// It has an `[Install]` section that wants it somewhere.
    pub enabled: bool,
}

/// Reads a unit from its main file and drop-ins, in this order. There is always a text.
pub(super) fn read(
    name: &UnitName,
    texts: &[Text],
    world: &dyn World,
    options: Options,
    diagnostics: &mut Vec<Diagnostic>,
) -> Unit {
    let fragment = texts
        .first()
        .map_or_else(|| Arc::from(name.full()), |text| Arc::clone(&text.file));
    let mut reader = Reader {
        name,
        options,
        specifiers: Specifiers {
            name,
            fragment: &fragment,
            world,
        },
        draft: Draft::new(name.spec_name()),
        places: Places::new(Place::new(&fragment, 0..0)),
        found: Vec::new(),
    };
    for text in texts {
        reader.text(text);
    }
    reader.finish(&fragment, diagnostics)
}

struct Reader<'a> {
    name: &'a UnitName,
    options: Options,
    specifiers: Specifiers<'a>,
    draft: Draft,
    places: Places,
    /// Faults with the key they are about, so that a later assignment can take them back.
    found: Vec<(String, Diagnostic)>,
}

impl Reader<'_> {
    fn text(&mut self, text: &Text) {
        let (sections, faults) = lex::sections(&text.text);
        for (span, fault) in faults {
            self.found
                .push((String::new(), fault.at_span(&text.file, span)));
        }
        for section in sections {
            match self.section(&section.name) {
                Ok(known) => {
                    self.place_unit(text, &section.span);
                    for assignment in &section.assignments {
                        self.assignment(known, assignment, &text.file);
                    }
                }
                Err(Some(fault)) => self
                    .found
                    .push((String::new(), fault.at_span(&text.file, section.span))),
                Err(None) => {}
            }
        }
    }

    /// The unit's own place is its first section's header.
    fn place_unit(&mut self, text: &Text, header: &Range<usize>) {
        if self.places.unit.span.is_empty() && self.places.unit.file == text.file {
            self.places.unit = Place::new(&text.file, header.clone());
        }
    }

    /// A section this type of unit may have; `None` where it is passed over in silence.
    fn section(&self, name: &str) -> Result<Section, Option<Fault>> {
        let own = match self.name.unit_type() {
            UnitType::Service => Some(Section::Service),
            UnitType::Socket => Some(Section::Socket),
            UnitType::Target | UnitType::Timer | UnitType::Other => None,
        };
        match Section::parse(name) {
            Some(section @ (Section::Unit | Section::Install)) => Ok(section),
            Some(section @ (Section::Service | Section::Socket)) if Some(section) == own => {
                Ok(section)
            }
            Some(_) | None if name.starts_with("X-") => Err(None),
            Some(_) | None => Err(Some(Fault::warning(
                format!(
                    "`[{name}]` is no section of a {} unit and is ignored",
                    self.name.ending()
                ),
                "remove it, or rename the file",
            ))),
        }
    }

    fn assignment(&mut self, section: Section, assignment: &Assignment, file: &Arc<str>) {
        let Some((key, table)) = keys::find(section, &assignment.key) else {
            if !assignment.key.starts_with("X-") {
                let fault = unknown(section, &assignment.key);
                self.found.push((
                    String::new(),
                    fault.at_span(file, assignment.key_span.clone()),
                ));
            }
            return;
        };
        if section == Section::Socket && table != Table::Socket {
            let message = format!(
                "`{}=` of a socket only matters to its own commands",
                key.name
            );
            self.report(
                key,
                Fault::noted(message, "set it in the service"),
                assignment,
                file,
            );
            return;
        }
        if assignment.value.text.is_empty() {
            self.found.retain(|(known, _)| known != key.name);
        }
        match key.class {
            Class::Carried(apply) => self.carried(key, apply, assignment, file),
            Class::Noted => {
                let message = format!("`{}=` has no effect: {}", key.name, key.says);
                self.report(
                    key,
                    Fault::noted(message, "nothing, or remove it"),
                    assignment,
                    file,
                );
            }
            Class::Refused { harmless } => self.refused(key, harmless, assignment, file),
        }
    }

    fn carried(&mut self, key: Key, apply: keys::Apply, assignment: &Assignment, file: &Arc<str>) {
        let input = Input {
            key: key.name,
            value: &assignment.value,
            specifiers: &self.specifiers,
        };
        let outcome = apply(&mut self.draft, &input);
        let faults = std::mem::take(&mut self.draft.faults);
        for fault in faults.into_iter().chain(outcome.err()) {
            let fault = fault.weighed(self.options);
            self.found
                .push((key.name.to_owned(), fault.in_value(file, &assignment.value)));
        }
        for (field, value, range) in std::mem::take(&mut self.draft.said) {
            let span = match range {
                Some(range) => assignment.value.place(range),
                None => assignment.value.span(),
            };
            self.places.say(field, value, Place::new(file, span));
        }
    }

    fn refused(&mut self, key: Key, harmless: &[&str], assignment: &Assignment, file: &Arc<str>) {
        let text = assignment.value.text.as_str();
        if text.is_empty() || harmless.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            self.found.retain(|(known, _)| known != key.name);
            return;
        }
        let message = format!("`{}=` is not carried out: {}", key.name, key.says);
        let fault = Fault::not_carried(message, "remove it, or pass `--lenient` to run without it");
        self.report(key, fault, assignment, file);
    }

    /// A fault about a whole assignment points at its key.
    fn report(&mut self, key: Key, fault: Fault, assignment: &Assignment, file: &Arc<str>) {
        let fault = fault.weighed(self.options);
        self.found.push((
            key.name.to_owned(),
            fault.at_span(file, assignment.key_span.clone()),
        ));
    }

    fn finish(mut self, fragment: &Arc<str>, diagnostics: &mut Vec<Diagnostic>) -> Unit {
        let faults = match self.name.unit_type() {
            UnitType::Service => finish_service(&mut self.draft),
            UnitType::Socket => socket::finish(&mut self.draft),
            UnitType::Target | UnitType::Timer | UnitType::Other => {
                self.draft.spec.kind = Kind::Target;
                restart::finish(&mut self.draft);
                Vec::new()
            }
        };
        diagnostics.extend(self.found.into_iter().map(|(_, diagnostic)| diagnostic));
        let unit = &self.places.unit;
        for fault in faults {
            diagnostics.push(
                fault
                    .weighed(self.options)
                    .at_span(&unit.file, unit.span.clone()),
            );
        }
        let mut spec = self.draft.spec;
        spec.source = Some(fragment.to_string());
        if self.draft.enabled {
            spec.start_mode = StartMode::Auto;
        }
        Unit {
            name: self.name.clone(),
            enabled: self.draft.enabled
                || !spec.depends.wanted_by.is_empty()
                || !spec.depends.required_by.is_empty(),
            spec,
            places: self.places,
            partners: self.draft.partners,
            also: self.draft.also,
            aliases: self.draft.aliases,
            default_instance: self.draft.default_instance,
        }
    }
}

fn finish_service(draft: &mut Draft) -> Vec<Fault> {
    restart::finish(draft);
    process::finish(draft);
    output::finish(draft);
    let faults = service::finish(draft);
    stop::finish(draft);
    faults
}

fn unknown(section: Section, name: &str) -> Fault {
    let message = format!("`{name}=` is no key of this section and is ignored");
    let elsewhere = Section::ALL
        .iter()
        .find(|(section, _)| keys::find(*section, name).is_some());
    let action = match (elsewhere, keys::nearest(section, name)) {
        (Some((_, other)), _) => format!("move it to `[{other}]`"),
        (None, Some(near)) => format!("write `{near}=` if that is meant"),
        (None, None) => "remove it, or begin it with `X-`".to_owned(),
    };
    Fault::warning(message, action)
}
