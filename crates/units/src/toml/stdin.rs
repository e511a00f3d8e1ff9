//! `stdin`: what the program reads.

use aplomb_core::spec::Stdin;

use super::form::{Form, NONE};
use super::key::{Key, Section, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::words::resolve;

/// Standard input given as bytes.
#[derive(Debug, Clone, PartialEq, Default)]
struct StdinTable {
    text: Option<String>,
    hex: Option<String>,
}

impl Section for StdinTable {
    const KEYS: &'static [Key<StdinTable>] = &[
        Key {
            name: "text",
            doc: "What the program reads",
            slot: at!(text),
        },
        Key {
            name: "hex",
            doc: "The same as hexadecimal digits, where it is no text",
            slot: at!(hex),
        },
    ];

    fn initial() -> StdinTable {
        StdinTable::default()
    }
}

const STDIN: &str = "\"none\", \"inherit\", \"file PATH\" or { text = \"…\" }";

impl Form for Stdin {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::pattern(STDIN, "^(none|inherit|file .+)$"),
            section_shape::<StdinTable>(),
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(table) = table_of(node) {
            let mut given = StdinTable::default();
            let faults = reader.faults.len();
            read_keys(&mut given, table, reader);
            let bytes = match (given.text, given.hex) {
                (Some(text), None) => Some(text.into_bytes()),
                (None, Some(hex)) => unhex(&hex),
                (_, _) => None,
            };
            match bytes {
                Some(bytes) => *self = Stdin::Text(bytes),
                None if reader.faults.len() == faults => {
                    reader.bad(node, "it says nothing to read", STDIN);
                }
                None => {}
            }
            return;
        }
        let Some(text) = reader.text(node, STDIN) else {
            return;
        };
        *self = match text.as_str() {
            NONE => Stdin::Null,
            "inherit" => Stdin::Inherit,
            other => match other.strip_prefix("file ") {
                Some(path) if !path.contains('\0') => {
                    Stdin::File(resolve(&reader.source.directory, path.trim()))
                }
                Some(_) | None => {
                    return reader.bad(node, format!("`{other}` is no input"), STDIN);
                }
            },
        };
    }

    fn write(&self) -> Value {
        match self {
            Stdin::Null => Value::text(NONE),
            Stdin::Inherit => Value::text("inherit"),
            Stdin::File(path) => Value::Text(format!("file {path}")),
            Stdin::Text(bytes) => {
                let table = match std::str::from_utf8(bytes) {
                    Ok(text) if !text.contains('\0') => StdinTable {
                        text: Some(text.into()),
                        hex: None,
                    },
                    Ok(_) | Err(_) => StdinTable {
                        text: None,
                        hex: Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
                    },
                };
                Value::Table(write_changed(&table))
            }
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let bytes = digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]);
    bytes.map(|byte| u8::try_from(byte).ok()).collect()
}
