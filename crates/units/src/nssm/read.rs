//! From a service's key to a spec: what NSSM would do with the values, by our means.
//!
//! Values that are said mean what NSSM makes of them. What is not said takes our defaults where NSSM's are among its
//! defects (a stop of 1.5 s, restarts at least 2 s apart): [`Defects::Kept`] takes NSSM's. A value of a wrong type is left
//! out with a remark, as NSSM leaves it out.

mod log;
mod policy;
mod surroundings;

use std::ops::Range;
use std::sync::Arc;

use aplomb_core::Spec;
use aplomb_core::spec::{Command, StartMode};

use super::parameters::{Form, PARAMETERS, Reset};
use super::value::{Key, Value};
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Field, Loaded, Places, Source};
use crate::words::{nearest, split_windows};

/// What becomes of NSSM's defects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Defects {
    /// As one would expect it.
    #[default]
    Fixed,
    /// As NSSM has it, for whoever relies on that.
    Kept,
}

/// Where the values are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// What `%NAME%` stands for; `None` where the service will run somewhere else, so that nobody knows.
    pub variables: Option<&'a [(String, String)]>,
    pub defects: Defects,
}

/// Who ran the program so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nssm,
    /// Microsoft's srvany: the same names for the program, and nothing else.
    Srvany,
}

/// The key that holds all services.
const SERVICES: &[&str] = &[
    r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services",
    r"HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Services",
];

/// Every service of NSSM's, or srvany's, in an export of the registry.
pub fn read(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Vec<Loaded> {
    let (root, faults) = super::parse_reg(&source.text);
    for fault in faults {
        let place = Place::new(&source.path, fault.span);
        let action = "export the key again: `reg export HKLM\\SYSTEM\\CurrentControlSet\\Services\\NAME FILE.reg`";
        diagnostics.push(Diagnostic::refused(place, fault.what, action));
    }
    let keys = SERVICES.iter().find_map(|path| root.key(path));
    let services = keys.map(|key| key.keys.as_slice()).unwrap_or_default();
    let before = diagnostics.len();
    let loaded: Vec<Loaded> = services
        .iter()
        .filter(|(_, key)| has_program(key))
        .map(|(name, key)| {
            service(
                name,
                key,
                &source.path,
                Surroundings::default(),
                diagnostics,
            )
        })
        .collect();
    if loaded.is_empty() && diagnostics.len() == before {
        diagnostics.push(Diagnostic::refused(
            Place::new(&source.path, 0..0),
            "there is no service of NSSM's or srvany's in this export",
            "export the key of a service with a value `Parameters\\Application`",
        ));
    }
    loaded
}

/// Whether a service's key names a program for NSSM, or srvany, to run.
pub fn has_program(key: &Key) -> bool {
    let parameters = key.key("Parameters");
    let program = parameters.and_then(|key| key.value("Application"));
    program
        .and_then(Value::text)
        .is_some_and(|text| !text.is_empty())
}

/// What one service's key means. `file` names where the values come from in diagnostics.
pub fn service(
    name: &str,
    key: &Key,
    file: &Arc<str>,
    surroundings: Surroundings<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Loaded {
    let nothing = Key::default();
    let surroundings = Surroundings {
        defects: wanted_defects(key).unwrap_or(surroundings.defects),
        ..surroundings
    };
    let mut reader = Reader {
        key,
        parameters: key.key("Parameters").unwrap_or(&nothing),
        file,
        surroundings,
        owner: owner(key),
        spec: Spec::new(name),
        places: Places::new(Place::new(file, 0..0)),
        variables: surroundings.variables.map(<[_]>::to_vec),
        diagnostics,
    };
    reader.read();
    let Reader {
        mut spec, places, ..
    } = reader;
    spec.source = Some(file.to_string());
    Loaded {
        spec,
        places: Arc::new(places),
    }
}

/// The switch of one service: `Parameters\Aplomb`, value `Defects`, `kept` or `fixed`.
fn wanted_defects(key: &Key) -> Option<Defects> {
    let said = key.key(r"Parameters\Aplomb")?.value("Defects")?.text()?;
    match said.to_ascii_lowercase().as_str() {
        "kept" => Some(Defects::Kept),
        "fixed" => Some(Defects::Fixed),
        _ => None,
    }
}

fn owner(key: &Key) -> Owner {
    let image = key.value("ImagePath").and_then(Value::text);
    let image = image.unwrap_or_default().to_lowercase();
    match image.contains("srvany") {
        true => Owner::Srvany,
        false => Owner::Nssm,
    }
}

struct Reader<'a> {
    key: &'a Key,
    parameters: &'a Key,
    file: &'a Arc<str>,
    surroundings: Surroundings<'a>,
    owner: Owner,
    spec: Spec,
    places: Places,
    /// What `%NAME%` stands for so far; the service's own variables are added as they are read.
    variables: Option<Vec<(String, String)>>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn read(&mut self) {
        self.unknown_values();
        // First, as in NSSM: what follows may name these variables.
        self.environment();
        self.program();
        self.identity();
        self.relations();
        match self.owner {
            Owner::Nssm => {
                self.stop_plan();
                self.restarts();
                self.hooks();
                self.output();
            }
            Owner::Srvany => self.note(
                "Application",
                "srvany neither notices the end of a program nor stops it gently; restarts and stop are Aplomb's own",
                "say `restart` and `stop` if you want them otherwise",
            ),
        }
    }

    fn place(&self, name: &str) -> Place {
        let entry = self.parameters.entry(name).or_else(|| self.key.entry(name));
        Place::new(self.file, entry.map_or(0..0, |entry| entry.span.clone()))
    }

    fn note(&mut self, name: &str, message: impl Into<String>, action: &str) {
        let place = self.place(name);
        self.diagnostics
            .push(Diagnostic::noted(place, message, action));
    }

    fn warn(&mut self, name: &str, message: impl Into<String>, action: &str) {
        let place = self.place(name);
        self.warn_at(place, message, action);
    }

    fn warn_at(&mut self, place: Place, message: impl Into<String>, action: &str) {
        self.diagnostics
            .push(Diagnostic::warning(place, message, action));
    }

    fn warn_span(&mut self, span: &Range<usize>, message: impl Into<String>, action: &str) {
        let place = Place::new(self.file, span.clone());
        self.warn_at(place, message, action);
    }

    /// Values nobody knows, and those of a wrong type.
    fn unknown_values(&mut self) {
        let parameters = self.parameters;
        for entry in &parameters.values {
            let name = &entry.name;
            let Some(parameter) = super::find(name) else {
                if name.to_lowercase().starts_with("app") {
                    let known = PARAMETERS.iter().map(|parameter| parameter.name);
                    let action = match nearest(name, known) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "remove it".to_owned(),
                    };
                    let message = format!("NSSM knows no value `{name}`");
                    self.warn_span(&entry.span, message, &action);
                }
                continue;
            };
            let (fits, kind) = match parameter.form {
                Form::Text(Reset::Empty | Reset::Gone) | Form::Affinity => {
                    (entry.value.text().is_some(), "a text")
                }
                Form::Number { .. } | Form::Priority => {
                    (entry.value.number().is_some(), "a REG_DWORD")
                }
                Form::Environment => (entry.value.list().is_some(), "a REG_MULTI_SZ"),
                Form::ExitAction | Form::Hook | Form::Native(_) => continue,
            };
            if !fits {
                let message = format!(
                    "`{name}` is {}, and NSSM ignores what is not {kind}",
                    entry.value.kind()
                );
                self.warn_span(&entry.span, message, "remove the value, or write it anew");
            }
        }
    }

    /// A text, variables replaced; `None` where nothing, or an empty text, is said.
    fn text(&mut self, name: &str) -> Option<String> {
        let written = self.parameters.value(name)?.text()?.to_owned();
        if written.is_empty() {
            return None;
        }
        Some(self.expanded(name, &written))
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.parameters.value(name)?.number()
    }

    fn is_on(&self, name: &str) -> bool {
        self.number(name).is_some_and(|number| number != 0)
    }

    fn list(&self, name: &str) -> Vec<String> {
        let list = self.parameters.value(name).and_then(Value::list);
        list.map(<[String]>::to_vec).unwrap_or_default()
    }

    /// `%NAME%` replaced by what is known; a name nobody knows stays as it is, as Windows leaves it.
    fn expanded(&mut self, name: &str, text: &str) -> String {
        let Some(variables) = &self.variables else {
            if text.matches('%').count() > 1 {
                let message = format!(
                    "`{name}` names variables, which are replaced only on the machine it is for"
                );
                self.warn(name, message, "write their values out");
            }
            return text.to_owned();
        };
        expand(text, variables)
    }

    fn program(&mut self) {
        let program = self.text("Application").unwrap_or_default();
        let arguments = self.text("AppParameters").unwrap_or_default();
        let program = program.trim_matches('"').to_owned();
        self.places
            .say(Field::Program, program.clone(), self.place("Application"));
        self.spec.start = vec![Command {
            program,
            args: split_windows(&arguments),
            ..Command::default()
        }];
        if self.is_on("AppNoConsole") {
            self.note(
                "AppNoConsole",
                "a program always has a console of its own, without a window",
                "leave it",
            );
        }
    }

    fn identity(&mut self) {
        let text = |name: &str| {
            let value = self.key.value(name).and_then(Value::text);
            value.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (description, display) = (text("Description"), text("DisplayName"));
        let display = display.filter(|display| *display != self.spec.name);
        self.spec.description = description.or(display).unwrap_or_default();
        self.spec.start_mode = match self.key.value("Start").and_then(Value::number) {
            Some(3) => StartMode::Manual,
            Some(4) => StartMode::Disabled,
            Some(_) | None => StartMode::Auto,
        };
    }

    fn relations(&mut self) {
        let depends = self.key.value("DependOnService").and_then(Value::list);
        let depends = depends.map(<[String]>::to_vec).unwrap_or_default();
        if depends.is_empty() {
            return;
        }
        let place = self.place("DependOnService");
        for name in &depends {
            self.places.say(Field::Wants, name.clone(), place.clone());
            self.places.say(Field::After, name.clone(), place.clone());
        }
        self.spec.depends.wants.clone_from(&depends);
        self.spec.depends.after = depends;
    }
}

/// `%NAME%` replaced from `variables`, whatever the case of the name.
fn expand(text: &str, variables: &[(String, String)]) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        found.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let known = after.find('%').and_then(|end| {
            let name = &after[..end];
            let known = variables
                .iter()
                .rev()
                .find(|(known, _)| known.eq_ignore_ascii_case(name));
            known.map(|(_, value)| (value, end))
        });
        match known {
            Some((value, end)) => {
                found.push_str(value);
                rest = &after[end + 1..];
            }
            None => {
                found.push('%');
                rest = after;
            }
        }
    }
    found.push_str(rest);
    found
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn names_are_replaced_and_unknown_ones_stay() {
        let variables = [("Temp".to_owned(), r"C:\t".to_owned())];
        assert_eq!(expand(r"%TEMP%\a", &variables), r"C:\t\a");
        assert_eq!(
            expand("100% of %x% %temp%", &variables),
            r"100% of %x% C:\t"
        );
        assert_eq!(expand("%", &variables), "%");
    }
}
