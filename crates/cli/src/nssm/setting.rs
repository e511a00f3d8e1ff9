//! One parameter of one service: looked up, set, put back; by its form in the table.

use aplomb_units::nssm::{Form, PRIORITIES, Parameter, Reset, Value};

use super::environment::{self, Members};
use super::{Session, affinity, is_default, number, text};

/// It did not work, and whatever is worth saying about why has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told;

/// What became of a parameter that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Set,
    Reset,
}

/// A parameter as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) text: String,
    /// Nobody said it: `dump` leaves it out.
    pub(super) is_default: bool,
}

impl Looked {
    /// A text, which is the default where it is empty.
    pub(super) fn text(text: String) -> Looked {
        Looked {
            is_default: text.is_empty(),
            text,
        }
    }
}

/// What a parameter is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish<'a> {
    /// These words.
    Words(&'a [String]),
    Default,
}

impl Wish<'_> {
    /// The words as one text; `None` for the default.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Wish::Words([]) | Wish::Default => None,
            Wish::Words(words) => Some(words.join(" ")),
        }
    }

    pub(super) fn words(self) -> Vec<String> {
        match self {
            Wish::Words(words) => words.to_vec(),
            Wish::Default => Vec::new(),
        }
    }
}

impl Session<'_> {
    /// Sets a parameter. `sub` is the exit code, the hook or the account that stands before the value.
    pub(super) fn put(
        &mut self,
        service: &str,
        parameter: &Parameter,
        wish: Wish<'_>,
        sub: Option<&str>,
    ) -> Result<Outcome, Told> {
        let key = Session::parameters(service);
        let name = parameter.name;
        match parameter.form {
            Form::Text(reset) => self.put_text(service, name, wish.text(), reset),
            Form::Number { default } => self.put_number(service, name, wish.text(), default),
            Form::ExitAction => {
                self.set_exit_action(service, sub.unwrap_or_default(), wish.text().as_deref())
            }
            Form::Hook => {
                let command = wish.text().unwrap_or_default();
                self.set_hook(service, sub.unwrap_or_default(), &command)
            }
            Form::Affinity => self.put_affinity(service, name, wish.text()),
            Form::Priority => self.put_priority(service, name, wish.text()),
            Form::Environment => self.put_environment(service, &key, name, &wish.words()),
            Form::Native(native) => self.put_native(service, native, name, wish, sub),
        }
    }

    /// A parameter as it stands. `sub` is the exit code, the hook or the variable asked for.
    pub(super) fn look(
        &mut self,
        service: &str,
        parameter: &Parameter,
        sub: Option<&str>,
    ) -> Result<Looked, Told> {
        let key = Session::parameters(service);
        let name = parameter.name;
        match parameter.form {
            Form::Text(_) => Ok(Looked::text(
                self.text_value(&key, name)?.unwrap_or_default(),
            )),
            Form::Number { default } => self.look_number(&key, name, default),
            Form::ExitAction => self.exit_action(service, sub.unwrap_or_default()),
            Form::Hook => self.hook(service, sub.unwrap_or_default()),
            Form::Affinity => self.look_affinity(&key, name),
            Form::Priority => self.look_priority(&key, name),
            Form::Environment => self.look_environment(&key, name, sub),
            Form::Native(native) => self.look_native(service, native, sub),
        }
    }

    fn put_text(
        &mut self,
        service: &str,
        name: &str,
        value: Option<String>,
        reset: Reset,
    ) -> Result<Outcome, Told> {
        let key = Session::parameters(service);
        match (value, reset) {
            (Some(value), _) => self.set_value(&key, name, &Value::Expand(value))?,
            (None, Reset::Empty) => self.set_value(&key, name, &Value::Expand(String::new()))?,
            (None, Reset::Gone) => {
                self.unset_value(service, &key, name)?;
                return Ok(Outcome::Reset);
            }
        }
        Ok(Outcome::Set)
    }

    fn put_number(
        &mut self,
        service: &str,
        name: &str,
        value: Option<String>,
        default: Option<u32>,
    ) -> Result<Outcome, Told> {
        let key = Session::parameters(service);
        let number = match value {
            Some(value) => Some(number::whole(&value).ok_or(Told)?),
            None => None,
        };
        match number.filter(|number| Some(*number) != default) {
            Some(number) => {
                self.set_value(&key, name, &Value::Number(number))?;
                Ok(Outcome::Set)
            }
            None => {
                self.unset_value(service, &key, name)?;
                Ok(Outcome::Reset)
            }
        }
    }

    fn look_number(&self, key: &str, name: &str, default: Option<u32>) -> Result<Looked, Told> {
        let value = self.system.registry.value(key, name).map_err(|_| Told)?;
        let Some(value) = value else {
            return Ok(Looked {
                text: default.unwrap_or(0).to_string(),
                is_default: true,
            });
        };
        Ok(Looked {
            text: value.number().ok_or(Told)?.to_string(),
            is_default: false,
        })
    }

    fn put_affinity(
        &mut self,
        service: &str,
        name: &str,
        value: Option<String>,
    ) -> Result<Outcome, Told> {
        let key = Session::parameters(service);
        let wanted = value.filter(|word| !is_default(word) && !word.eq_ignore_ascii_case(ALL));
        let Some(wanted) = wanted else {
            self.unset_value(service, &key, name)?;
            return Ok(Outcome::Reset);
        };
        let system = self.system.manager.processors();
        let Some(mask) = affinity::parse(&wanted) else {
            self.complain(&text::bad_affinity(&wanted, system.count_ones().max(1) - 1));
            return Err(Told);
        };
        if mask & system != mask {
            let effective = match mask & system {
                0 => system,
                some => some,
            };
            let print = affinity::print;
            self.complain(&text::cut_affinity(
                &wanted,
                &print(system),
                &print(effective),
            ));
        }
        self.set_value(&key, name, &Value::Text(affinity::print(mask)))?;
        Ok(Outcome::Set)
    }

    fn look_affinity(&mut self, key: &str, name: &str) -> Result<Looked, Told> {
        let value = self.system.registry.value(key, name).map_err(|_| Told)?;
        let Some(value) = value else {
            return Ok(Looked {
                text: ALL.to_owned(),
                is_default: true,
            });
        };
        let written = value.text().ok_or(Told)?;
        let Some(mask) = affinity::parse(written) else {
            let last = self.system.manager.processors().count_ones().max(1) - 1;
            self.complain(&text::bad_affinity(written, last));
            return Err(Told);
        };
        Ok(Looked::text(affinity::print(mask)))
    }

    fn put_priority(
        &mut self,
        service: &str,
        name: &str,
        value: Option<String>,
    ) -> Result<Outcome, Told> {
        let key = Session::parameters(service);
        let wanted = value.unwrap_or_else(|| NORMAL.to_owned());
        let known = PRIORITIES
            .iter()
            .find(|(word, ..)| word.eq_ignore_ascii_case(&wanted));
        match known {
            Some((NORMAL, ..)) => {
                self.unset_value(service, &key, name)?;
                Ok(Outcome::Reset)
            }
            Some((_, class, _)) => {
                self.set_value(&key, name, &Value::Number(*class))?;
                Ok(Outcome::Set)
            }
            None => {
                self.complain(&text::bad_priority(&wanted));
                for (word, ..) in PRIORITIES {
                    self.item(word);
                }
                Err(Told)
            }
        }
    }

    fn look_priority(&self, key: &str, name: &str) -> Result<Looked, Told> {
        let value = self.system.registry.value(key, name).map_err(|_| Told)?;
        let class = match &value {
            Some(value) => value.number().ok_or(Told)?,
            None => 0,
        };
        let known = PRIORITIES.iter().find(|(_, known, _)| *known == class);
        Ok(Looked {
            text: known.map_or(NORMAL, |(word, ..)| word).to_owned(),
            is_default: value.is_none(),
        })
    }

    pub(super) fn put_environment(
        &mut self,
        service: &str,
        key: &str,
        name: &str,
        words: &[String],
    ) -> Result<Outcome, Told> {
        let old = self.list_value(key, name)?;
        let edited = environment::edit(&old, words, Members::Variables).list;
        if words.is_empty() || edited.is_empty() {
            self.unset_value(service, key, name)?;
            return Ok(Outcome::Reset);
        }
        if !environment::is_sound(&edited) {
            self.complain(text::BAD_ENVIRONMENT);
            return Err(Told);
        }
        self.set_value(key, name, &Value::List(edited))?;
        Ok(Outcome::Set)
    }

    pub(super) fn look_environment(
        &self,
        key: &str,
        name: &str,
        variable: Option<&str>,
    ) -> Result<Looked, Told> {
        let list = self.list_value(key, name)?;
        Ok(Looked::text(match variable {
            Some(variable) => environment::value(&list, variable)
                .unwrap_or_default()
                .to_owned(),
            None => list.join("\r\n"),
        }))
    }

    /// The members of a list; none where there is no such value.
    pub(super) fn list_value(&self, key: &str, name: &str) -> Result<Vec<String>, Told> {
        match self.system.registry.value(key, name) {
            Ok(Some(value)) => value.list().map(<[String]>::to_vec).ok_or(Told),
            Ok(None) => Ok(Vec::new()),
            Err(_) => Err(Told),
        }
    }

    pub(super) fn text_value(&self, key: &str, name: &str) -> Result<Option<String>, Told> {
        match self.system.registry.value(key, name) {
            Ok(Some(value)) => value.text().map(|text| Some(text.to_owned())).ok_or(Told),
            Ok(None) => Ok(None),
            Err(_) => Err(Told),
        }
    }

    pub(super) fn set_value(&mut self, key: &str, name: &str, value: &Value) -> Result<(), Told> {
        self.system.registry.set(key, name, value).map_err(|_| Told)
    }

    /// Takes a value away; what the registry says against it is told.
    pub(super) fn unset_value(&mut self, service: &str, key: &str, name: &str) -> Result<(), Told> {
        self.system.registry.unset(key, name).map_err(|refused| {
            let why = self.system.manager.words(refused.code);
            let message = format!(
                "Error deleting registry value {name} for service \"{service}\"!\nRegDeleteValue(): {why}"
            );
            self.complain(&message);
            Told
        })
    }
}

/// No restriction to some processors.
const ALL: &str = "All";
/// The priority where nothing is said.
const NORMAL: &str = "NORMAL_PRIORITY_CLASS";
