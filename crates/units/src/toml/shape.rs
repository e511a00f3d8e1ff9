//! What a key takes, as data: for messages, the JSON Schema and the manual page.

use super::value::Value;

/// The forms a value may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
    },
    Text(Text),
    /// One of these texts.
    Word(Vec<&'static str>),
    List(Box<Shape>),
    /// One, or an array of them.
    OneOrMore(Box<Shape>),
    /// A form with a name of its own, told elsewhere.
    Named(&'static str, Box<Shape>),
    /// A table whose keys are the operator's own.
    Map(Box<Shape>),
    Table(Table),
    AnyOf(Vec<Shape>),
}

/// A table with known keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The key a value stands for that is given instead of the table.
    pub short: Option<&'static str>,
    pub facts: Vec<Fact>,
}

/// A text with an inner form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// What it is called in messages and tables: `a duration such as "10s"`.
    pub what: &'static str,
    /// A regular expression of ECMA-262 every such text matches.
    pub pattern: Option<&'static str>,
}

/// What is known of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub name: &'static str,
    pub doc: &'static str,
    pub shape: Shape,
    pub default: Value,
}

impl Shape {
    pub const fn text(what: &'static str) -> Shape {
        Shape::Text(Text {
            what,
            pattern: None,
        })
    }

    pub const fn pattern(what: &'static str, pattern: &'static str) -> Shape {
        Shape::Text(Text {
            what,
            pattern: Some(pattern),
        })
    }

    pub fn list(of: Shape) -> Shape {
        Shape::List(Box::new(of))
    }

    pub fn one_or_more(of: Shape) -> Shape {
        Shape::OneOrMore(Box::new(of))
    }

    pub fn named(name: &'static str, shape: Shape) -> Shape {
        Shape::Named(name, Box::new(shape))
    }

    /// In words, for "takes …".
    pub fn describe(&self) -> String {
        match self {
            Shape::Bool => "true or false".into(),
            Shape::Integer { min, max } if *min > i64::MIN && *max < u32::MAX.into() => {
                format!("a whole number from {min} to {max}")
            }
            Shape::Integer { .. } => "a whole number".into(),
            Shape::Number { .. } => "a number".into(),
            Shape::Text(text) => text.what.into(),
            Shape::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                any_of(&words)
            }
            Shape::List(of) => format!("an array, each item {}", of.describe()),
            Shape::OneOrMore(of) => format!("{}, or several in an array", of.describe()),
            Shape::Named(name, _) => (*name).into(),
            Shape::Map(of) => format!("a table, each value {}", of.describe()),
            Shape::Table(_) => "a table".into(),
            Shape::AnyOf(shapes) => {
                let shapes: Vec<String> = shapes.iter().map(Shape::describe).collect();
                any_of(&shapes)
            }
        }
    }
}

fn any_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
