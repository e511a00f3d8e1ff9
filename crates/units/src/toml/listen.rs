//! `listen`: sockets held by the engine and handed to the program.

use aplomb_core::spec::{Address, Listen};

use super::form::{Blank, Form, TextForm, read_text};
use super::key::{Key, Section, Via, at, read_keys, section_shape, write_changed};
use super::reader::{Node, Reader, table_of, text_of};
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;
use crate::words::is_absolute;

type Make = fn(String) -> Address;

/// Kinds of address with the word that says them.
const KINDS: &[(&str, Make)] = &[
    ("tcp", Address::Tcp),
    ("udp", Address::Udp),
    ("unix", Address::UnixStream),
    ("unix-datagram", Address::UnixDatagram),
    ("unix-seqpacket", Address::UnixSeqpacket),
    ("fifo", Address::Fifo),
];

/// The word for the kind of an address, and the address itself.
pub(crate) fn parts(address: &Address) -> (&'static str, &str) {
    match address {
        Address::Tcp(rest) => ("tcp", rest),
        Address::Udp(rest) => ("udp", rest),
        Address::UnixStream(rest) => ("unix", rest),
        Address::UnixDatagram(rest) => ("unix-datagram", rest),
        Address::UnixSeqpacket(rest) => ("unix-seqpacket", rest),
        Address::Fifo(rest) => ("fifo", rest),
    }
}

/// An address with the word for its kind.
pub(crate) fn print_address(address: &Address) -> String {
    let (kind, rest) = parts(address);
    format!("{kind} {rest}")
}

impl TextForm for Address {
    const SHAPE: Shape = Shape::pattern(
        "an address such as \"tcp 127.0.0.1:8080\", \"tcp 8080\" or \"unix /run/x.sock\"",
        "^(tcp|udp|unix|unix-datagram|unix-seqpacket|fifo) .+$",
    );

    fn parse(text: &str) -> Result<Address, String> {
        let text = text.trim();
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (_, make) = KINDS
            .iter()
            .find(|(word, _)| *word == kind)
            .ok_or_else(|| format!("`{kind}` is no kind of socket"))?;
        let address = make(rest.trim().into());
        check(&address)?;
        Ok(address)
    }

    fn print(&self) -> String {
        print_address(self)
    }
}

fn check(address: &Address) -> Result<(), String> {
    match address {
        Address::Tcp(at) | Address::Udp(at) => {
            let (host, port) = at.rsplit_once(':').unwrap_or(("*", at));
            match port.parse::<u16>() {
                Ok(0) => Err("port 0 would be another one each time".into()),
                Ok(_) if host.is_empty() => Err(format!("`{at}` has no host before its `:`")),
                Ok(_) => Ok(()),
                Err(_) => Err(format!("`{port}` is no port")),
            }
        }
        Address::UnixStream(path) | Address::UnixDatagram(path) | Address::UnixSeqpacket(path)
            if path.starts_with('@') && path.len() > 1 =>
        {
            Ok(())
        }
        Address::UnixStream(path)
        | Address::UnixDatagram(path)
        | Address::UnixSeqpacket(path)
        | Address::Fifo(path) => {
            if is_absolute(path) && !path.contains('\0') {
                Ok(())
            } else {
                Err(format!("`{path}` is no absolute path"))
            }
        }
    }
}

/// Permission bits as octal text.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Mode(pub(super) u32);

impl TextForm for Mode {
    const SHAPE: Shape = Shape::pattern("an octal mode such as \"0644\"", "^0?[0-7]{1,4}$");

    fn parse(text: &str) -> Result<Mode, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode @ 0..=0o7777) if !text.starts_with('+') => Ok(Mode(mode)),
            Ok(_) | Err(_) => Err(format!("`{text}` is no octal mode")),
        }
    }

    fn print(&self) -> String {
        format!("{:04o}", self.0)
    }
}

impl Blank for Mode {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> Mode {
        Mode(0)
    }
}

impl Section for Listen {
    const KEYS: &'static [Key<Listen>] = &[
        Key {
            name: "address",
            doc: "Where to listen",
            slot: at!(address),
        },
        Key {
            name: "name",
            doc: "The socket's name in LISTEN_FDNAMES; the service's own where absent",
            slot: at!(name),
        },
        Key {
            name: "backlog",
            doc: "Pending connections the kernel keeps, cut to the system's limit",
            slot: at!(backlog),
        },
        Key {
            name: "mode",
            doc: "Permissions of a path socket",
            slot: &Via {
                get: |listen: &Listen| Mode(listen.mode),
                set: |listen, mode| listen.mode = mode.0,
            },
        },
        Key {
            name: "user",
            doc: "Owner of a path socket",
            slot: at!(user),
        },
        Key {
            name: "group",
            doc: "Group of a path socket",
            slot: at!(group),
        },
        Key {
            name: "reuse-port",
            doc: "Whether several sockets may share the address",
            slot: at!(reuse_port),
        },
    ];

    fn initial() -> Listen {
        Listen::new(Address::Tcp(String::new()))
    }
}

impl Form for Listen {
    fn shape() -> Shape {
        Shape::AnyOf(vec![Address::SHAPE, section_shape::<Listen>()])
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        if let Some(table) = table_of(node) {
            let faults = reader.faults.len();
            read_keys(self, table, reader);
            if !table.contains_key("address") && reader.faults.len() == faults {
                let message = format!("`{}` says no address", reader.key());
                reader.refuse(node.span(), message, "add the key `address`");
            }
        } else if text_of(node).is_none() {
            reader.wrong(node, &Address::SHAPE.describe());
        } else if let Some(address) = read_text(node, reader) {
            self.address = address;
        }
        let (_, address) = parts(&self.address);
        reader.say(Field::Listen, address, node.span());
    }

    fn write(&self) -> Value {
        if *self == Listen::new(self.address.clone()) {
            Value::Text(print_address(&self.address))
        } else {
            Value::Table(write_changed(self))
        }
    }
}

impl Blank for Listen {
    fn blank() -> Listen {
        Listen::initial()
    }
}
