//! `own-directories`: directories made for the service and owned by its user.

use aplomb_core::spec::{OwnDirectory, OwnDirectoryKind};

use super::form::{Blank, Form, Word, word_form};
use super::key::{Key, Section, Via, at, read_keys, section_shape, write_changed};
use super::listen::Mode;
use super::reader::{Node, Reader, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::words::is_absolute;

word_form!(OwnDirectoryKind,
    OwnDirectoryKind::Runtime => "runtime",
    OwnDirectoryKind::State => "state",
    OwnDirectoryKind::Cache => "cache",
    OwnDirectoryKind::Logs => "logs",
    OwnDirectoryKind::Configuration => "configuration",
);

impl Section for OwnDirectory {
    const KEYS: &'static [Key<OwnDirectory>] = &[
        Key {
            name: "kind",
            doc: "Below which root it lies",
            slot: at!(kind),
        },
        Key {
            name: "name",
            doc: "Its relative path there",
            slot: at!(name),
        },
        Key {
            name: "mode",
            doc: "Its permissions",
            slot: &Via {
                get: |directory: &OwnDirectory| Mode(directory.mode),
                set: |directory, mode| directory.mode = mode.0,
            },
        },
        Key {
            name: "preserve",
            doc: "Whether a runtime directory is kept when the service stops",
            slot: at!(preserve),
        },
    ];

    fn initial() -> OwnDirectory {
        OwnDirectory {
            kind: OwnDirectoryKind::Runtime,
            name: String::new(),
            mode: 0o755,
            preserve: false,
        }
    }
}

const OWN: &str = "a directory such as \"runtime shop\" or \"state shop/db\"";

impl Form for OwnDirectory {
    fn shape() -> Shape {
        Shape::AnyOf(vec![
            Shape::pattern(OWN, "^(runtime|state|cache|logs|configuration) .+$"),
            section_shape::<OwnDirectory>(),
        ])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let faults = reader.faults.len();
        if let Some(table) = table_of(node) {
            read_keys(self, table, reader);
        } else {
            let Some(text) = reader.text(node, OWN) else {
                return;
            };
            let (kind, name) = text.split_once(' ').unwrap_or((&text, ""));
            match OwnDirectoryKind::from_word(kind) {
                Some(kind) => self.kind = kind,
                None => {
                    let why = format!("`{kind}` is no root of directories");
                    return reader.bad(node, why, OWN);
                }
            }
            self.name = name.trim().into();
        }
        let part = |part: &str| part.is_empty() || part == "." || part == "..";
        let odd = is_absolute(&self.name) || self.name.split('/').any(part);
        if odd && reader.faults.len() == faults {
            reader.bad(node, "its name must be relative, without `.` and `..`", OWN);
        }
    }

    fn write(&self) -> Value {
        let simple = OwnDirectory {
            kind: self.kind,
            name: self.name.clone(),
            ..OwnDirectory::initial()
        };
        if *self == simple && self.name.trim() == self.name {
            return Value::Text(format!("{} {}", self.kind.word(), self.name));
        }
        Value::Table(write_changed(self))
    }
}

impl Blank for OwnDirectory {
    fn blank() -> OwnDirectory {
        OwnDirectory::initial()
    }
}
