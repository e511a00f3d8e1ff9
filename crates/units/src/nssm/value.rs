//! Registry data as plain values: what a service's key holds, whoever read it from where.
//!
//! Names are compared without regard to case and keep the case they were written in, as the registry does it.

use std::ops::Range;

/// One value of the registry, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// REG_SZ.
    Text(String),
    /// REG_EXPAND_SZ: `%NAME%` in it stands for a variable.
    Expand(String),
    /// REG_DWORD.
    Number(u32),
    /// REG_MULTI_SZ.
    List(Vec<String>),
    /// Any other type, by its number; nobody here reads such.
    Other { kind: u32, bytes: Vec<u8> },
}

impl Value {
    /// The text of either kind of text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Expand(text) => Some(text),
            Value::Number(_) | Value::List(_) | Value::Other { .. } => None,
        }
    }

    pub fn number(&self) -> Option<u32> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Text(_) | Value::Expand(_) | Value::List(_) | Value::Other { .. } => None,
        }
    }

    pub fn list(&self) -> Option<&[String]> {
        match self {
            Value::List(list) => Some(list),
            Value::Text(_) | Value::Expand(_) | Value::Number(_) | Value::Other { .. } => None,
        }
    }

    /// The name of its type, as Microsoft writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "REG_SZ",
            Value::Expand(_) => "REG_EXPAND_SZ",
            Value::Number(_) => "REG_DWORD",
            Value::List(_) => "REG_MULTI_SZ",
            Value::Other { .. } => "another type",
        }
    }
}

/// A value with its name and, where it was read from a text, its place there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Empty for the key's default value.
    pub name: String,
    pub value: Value,
    /// Bytes of the text it was read from; empty at 0 where there was none.
    pub span: Range<usize>,
}

/// A key: its values, and the keys below it. The order is the one they were found in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    pub values: Vec<Entry>,
    pub keys: Vec<(String, Key)>,
}

impl Key {
    /// The value of this name; the default value's name is empty.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.values
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// As [`Key::entry`], only the value.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The key below this one, by its path with `\` between names.
    pub fn key(&self, path: &str) -> Option<&Key> {
        path.split('\\').try_fold(self, |key, name| {
            let found = |(known, _): &&(String, Key)| known.eq_ignore_ascii_case(name);
            key.keys.iter().find(found).map(|(_, key)| key)
        })
    }

    /// As [`Key::key`], made where it is missing.
    pub fn make(&mut self, path: &str) -> &mut Key {
        path.split('\\').fold(self, |key, name| {
            let known = |(known, _): &(String, Key)| known.eq_ignore_ascii_case(name);
            let at = key.keys.iter().position(known).unwrap_or_else(|| {
                key.keys.push((name.to_owned(), Key::default()));
                key.keys.len() - 1
            });
            &mut key.keys[at].1
        })
    }

    /// Sets a value; one of that name is replaced in its place.
    pub fn set(&mut self, name: &str, value: Value) {
        self.set_at(name, value, 0..0);
    }

    /// As [`Key::set`], with where it was said.
    pub fn set_at(&mut self, name: &str, value: Value, span: Range<usize>) {
        let known = |entry: &&mut Entry| entry.name.eq_ignore_ascii_case(name);
        match self.values.iter_mut().find(known) {
            Some(entry) => {
                entry.value = value;
                entry.span = span;
            }
            None => self.values.push(Entry {
                name: name.to_owned(),
                value,
                span,
            }),
        }
    }

    /// Takes a value away; tells whether it was there.
    pub fn unset(&mut self, name: &str) -> bool {
        let before = self.values.len();
        self.values
            .retain(|entry| !entry.name.eq_ignore_ascii_case(name));
        self.values.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case_and_keep_the_one_they_have() {
        let mut key = Key::default();
        key.make(r"Parameters\AppExit")
            .set("3", Value::Text("Exit".into()));
        key.set("Start", Value::Number(2));
        key.set("START", Value::Number(3));
        assert_eq!(key.values.len(), 1);
        assert_eq!(key.value("start"), Some(&Value::Number(3)));
        assert_eq!(key.values[0].name, "Start");
        assert!(key.key(r"parameters\appexit").is_some());
        assert!(key.key(r"Parameters\AppEvents").is_none());
        assert!(key.unset("sTART") && !key.unset("Start"));
    }
}
