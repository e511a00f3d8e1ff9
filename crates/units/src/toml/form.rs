//! How a type of the spec is written: the forms of plain values. Forms of whole sections stand with their tables.

use aplomb_core::{Bytes, Duration, Signal};

use super::reader::{Node, Reader, array_of, integer_of, text_of};
use super::shape::Shape;
use super::value::Value;
use crate::words::{nearest, parse_duration, parse_size, print_duration, print_size};
use toml::de::DeValue;

/// A type with a way to write it.
pub(super) trait Form: Sized {
    fn shape() -> Shape;

    /// Takes the value over. What it does not understand it tells the reader, and stays as it was.
    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>);

    fn write(&self) -> Value;

    /// As `write`, but a section says every setting it has.
    fn write_all(&self) -> Value {
        self.write()
    }
}

/// Makes a section a form: written as a table, or in its short form.
macro_rules! section_form {
    ($type:ty) => {
        impl $crate::toml::form::Form for $type {
            fn shape() -> $crate::toml::shape::Shape {
                $crate::toml::key::section_shape::<$type>()
            }

            fn read(
                &mut self,
                node: &$crate::toml::reader::Node<'_>,
                reader: &mut $crate::toml::reader::Reader<'_>,
            ) {
                $crate::toml::key::read_section(self, node, reader);
                self.sound(node, reader);
            }

            fn write(&self) -> $crate::toml::value::Value {
                $crate::toml::key::write_section(self)
            }

            fn write_all(&self) -> $crate::toml::value::Value {
                $crate::toml::key::write_everything(self)
            }
        }
    };
}
pub(super) use section_form;

/// What must hold among the settings of a section once it is read.
pub(super) trait Sound {
    /// Tells what cannot be; by default everything can.
    fn sound(&mut self, _node: &Node<'_>, _reader: &mut Reader<'_>) {}
}

/// The word for "there is none" where a setting has a default but may be switched off.
pub(super) const NONE: &str = "none";

/// A type written as one text.
pub(super) trait TextForm: Sized {
    const SHAPE: Shape;

    /// The value, or why the text is none.
    fn parse(text: &str) -> Result<Self, String>;
    fn print(&self) -> String;
}

/// Reads a text form; says what is wrong.
pub(super) fn read_text<T: TextForm>(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<T> {
    let takes = T::SHAPE.describe();
    let text = reader.text(node, &takes)?;
    match T::parse(&text) {
        Ok(value) => Some(value),
        Err(why) => {
            reader.bad(node, why, &takes);
            None
        }
    }
}

impl<T: TextForm> Form for T {
    fn shape() -> Shape {
        T::SHAPE
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(value) = read_text(node, reader) {
            *self = value;
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.print())
    }
}

impl TextForm for String {
    const SHAPE: Shape = Shape::text("a text");

    fn parse(text: &str) -> Result<String, String> {
        // No program can be given one, and no system call takes one.
        if text.contains('\0') {
            return Err("it holds a zero byte".into());
        }
        Ok(text.into())
    }

    fn print(&self) -> String {
        self.clone()
    }
}

impl TextForm for Duration {
    const SHAPE: Shape = Shape::pattern(
        "a duration such as \"10s\" or \"1m30s\"",
        r"^\s*([0-9]+(\.[0-9]*)?\s*[a-zµμ]+\s*)+$",
    );

    fn parse(text: &str) -> Result<Duration, String> {
        parse_duration(text).map_err(|why| why.to_string())
    }

    fn print(&self) -> String {
        print_duration(*self)
    }
}

impl TextForm for Signal {
    const SHAPE: Shape = Shape::text("a signal such as \"SIGTERM\"");

    fn parse(text: &str) -> Result<Signal, String> {
        Signal::parse(text).ok_or_else(|| format!("there is no signal `{text}`"))
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Form for Bytes {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::pattern(
                "a size such as \"16MiB\"",
                r"^\s*[0-9]+\s*([KMGT]iB|[kKMGT]?B)?\s*$",
            ),
            Shape::Integer {
                min: 0,
                max: i64::MAX,
            },
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        const TAKES: &str = "a size such as \"16MiB\" or \"16MB\"";
        if let Some(bytes) = integer_of(node).and_then(|number| u64::try_from(number).ok()) {
            *self = Bytes(bytes);
        } else if let Some(text) = reader.text(node, TAKES) {
            match parse_size(&text) {
                Ok(size) => *self = size,
                Err(why) => reader.bad(node, why, TAKES),
            }
        }
    }

    fn write(&self) -> Value {
        Value::Text(print_size(*self))
    }
}

impl Form for bool {
    fn shape() -> Shape {
        Shape::Bool
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let DeValue::Boolean(bool) = node.get_ref() {
            *self = *bool;
        } else {
            reader.wrong(node, "true or false");
        }
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

/// Reads a whole number within bounds; says what is wrong.
pub(super) fn read_integer(
    node: &Node<'_>,
    reader: &mut Reader<'_>,
    min: i64,
    max: i64,
) -> Option<i64> {
    let takes = Shape::Integer { min, max }.describe();
    match integer_of(node) {
        Some(number) if (min..=max).contains(&number) => Some(number),
        Some(number) => {
            reader.bad(node, format!("{number} is out of range"), &takes);
            None
        }
        None => {
            reader.wrong(node, &takes);
            None
        }
    }
}

/// A whole number of the spec; the numbers after the type are the least and the greatest that make sense.
macro_rules! integer_form {
    ($($type:ty, $min:expr, $max:expr;)+) => {$(
        impl Form for $type {
            fn shape() -> Shape {
                Shape::Integer { min: $min, max: $max }
            }

            fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
                if let Some(number) = read_integer(node, reader, $min, $max)
                    && let Ok(number) = <$type>::try_from(number)
                {
                    *self = number;
                }
            }

            fn write(&self) -> Value {
                Value::Integer(i64::from(*self))
            }
        }
    )+};
}
integer_form! {
    i8, -20, 19;
    i16, -1000, 1000;
    u16, 0, 65_535;
    u32, 0, 4_294_967_295;
}

/// A type that has a value to start from when an absent setting is read.
pub(super) trait Blank: Form {
    /// Whether [`NONE`] takes the setting away; for a plain text it would be a value.
    const NONE_TAKES_AWAY: bool = true;

    fn blank() -> Self;
}

impl<T: Blank> Form for Option<T> {
    fn shape() -> Shape {
        if T::NONE_TAKES_AWAY {
            Shape::AnyOf(vec![T::shape(), Shape::Word(vec![NONE])])
        } else {
            T::shape()
        }
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if T::NONE_TAKES_AWAY && text_of(node) == Some(NONE) {
            *self = None;
            return;
        }
        let mut value = self.take().unwrap_or_else(T::blank);
        value.read(node, reader);
        *self = Some(value);
    }

    fn write(&self) -> Value {
        match self {
            Some(value) => value.write(),
            None if T::NONE_TAKES_AWAY => Value::text(NONE),
            None => Value::Absent,
        }
    }

    fn write_all(&self) -> Value {
        match self {
            Some(value) => value.write_all(),
            None => self.write(),
        }
    }
}

/// Blank values: the zero of the type.
macro_rules! blank {
    ($($type:ty, $none:expr;)+) => {$(
        impl Blank for $type {
            const NONE_TAKES_AWAY: bool = $none;

            fn blank() -> $type {
                <$type>::default()
            }
        }
    )+};
}
blank! {
    Duration, true;
    Bytes, true;
    u32, true;
    i8, true;
    i16, true;
    String, false;
}

impl Blank for Signal {
    fn blank() -> Signal {
        Signal::TERM
    }
}

/// A list; a value that is no array stands for a list of itself.
impl<T: Blank> Form for Vec<T> {
    fn shape() -> Shape {
        Shape::one_or_more(T::shape())
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let items = array_of(node).unwrap_or(std::slice::from_ref(node));
        self.clear();
        for item in items {
            let faults = reader.faults.len();
            let mut value = T::blank();
            value.read(item, reader);
            if reader.faults.len() == faults {
                self.push(value);
            }
        }
    }

    fn write(&self) -> Value {
        Value::List(self.iter().map(Form::write).collect())
    }
}

/// A choice among words. Lists each variant once; a variant forgotten is found by the tests of the dialect.
pub(super) trait Word: Sized + PartialEq + Copy + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn from_word(text: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(_, word)| *word == text)
            .map(|(value, _)| *value)
    }

    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("", |(_, word)| word)
    }
}

pub(super) fn word_shape<T: Word>() -> Shape {
    Shape::Word(T::WORDS.iter().map(|(_, word)| *word).collect())
}

pub(super) fn read_word<T: Word>(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<T> {
    let takes = word_shape::<T>().describe();
    let text = reader.text(node, &takes)?;
    let found = T::from_word(&text);
    if found.is_none() {
        let action = match nearest(&text, T::WORDS.iter().map(|(_, word)| *word)) {
            Some(known) => format!("write \"{known}\""),
            None => format!("give it {takes}"),
        };
        let message = format!("`{}` cannot be \"{text}\"", reader.key());
        reader.refuse(node.span(), message, action);
    }
    found
}

/// Makes a choice among words a form.
macro_rules! word_form {
    ($type:ty, $($variant:expr => $word:literal),+ $(,)?) => {
        impl $crate::toml::form::Word for $type {
            const WORDS: &'static [($type, &'static str)] = &[$(($variant, $word)),+];
        }

        impl $crate::toml::form::Form for $type {
            fn shape() -> $crate::toml::shape::Shape {
                $crate::toml::form::word_shape::<$type>()
            }

            fn read(
                &mut self,
                node: &$crate::toml::reader::Node<'_>,
                reader: &mut $crate::toml::reader::Reader<'_>,
            ) {
                if let Some(value) = $crate::toml::form::read_word(node, reader) {
                    *self = value;
                }
            }

            fn write(&self) -> $crate::toml::value::Value {
                $crate::toml::value::Value::text($crate::toml::form::Word::word(*self))
            }
        }
    };
}
pub(super) use word_form;
