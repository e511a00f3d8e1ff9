//! Addresses two services want to listen on.

use std::collections::BTreeMap;

use aplomb_core::spec::{Address, Listen};

use super::Stack;
use crate::diagnostic::{Diagnostic, Place};
use crate::source::{Field, Loaded};
use crate::toml::{parts, print_address};

/// What can be taken only once: a port on a host (`*` is every host), or a path.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Taken<'a> {
    Port { udp: bool, port: &'a str },
    Path(&'a str),
}

const ANY: &[&str] = &["*", "0.0.0.0", "[::]"];

fn taken(address: &Address) -> (Taken<'_>, &str) {
    match address {
        Address::Tcp(at) | Address::Udp(at) => {
            let (host, port) = at.rsplit_once(':').unwrap_or(("*", at));
            let udp = matches!(address, Address::Udp(_));
            (Taken::Port { udp, port }, host)
        }
        Address::UnixStream(path)
        | Address::UnixDatagram(path)
        | Address::UnixSeqpacket(path)
        | Address::Fifo(path) => (Taken::Path(path), "*"),
    }
}

pub(super) fn check(stack: &Stack<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<Taken<'_>, Vec<(&str, &Listen, &Loaded)>> = BTreeMap::new();
    for unit in stack.units {
        for listen in &unit.spec.listen {
            let (taken, host) = taken(&listen.address);
            let others = seen.entry(taken).or_default();
            let clash = others.iter().find(|(other, earlier, _)| {
                let hosts_meet = host == *other || ANY.contains(&host) || ANY.contains(other);
                hosts_meet && !(listen.reuse_port && earlier.reuse_port)
            });
            if let Some((_, earlier, first)) = clash {
                diagnostics.push(tell(unit, listen, first, earlier));
            } else {
                others.push((host, listen, unit));
            }
        }
    }
}

fn tell(unit: &Loaded, listen: &Listen, first: &Loaded, earlier: &Listen) -> Diagnostic {
    let address = print_address(&listen.address);
    let (name, other) = (&unit.spec.name, &first.spec.name);
    let own = place(unit, listen).clone();
    let siblings = unit.spec.family() == first.spec.family() && name != other;
    let action = if siblings {
        "put ${instance} into the address, or set reuse-port for it"
    } else {
        "give one of them another address"
    };
    let message = format!("`{name}` listens on `{address}`, which `{other}` has already");
    let earlier = place(first, earlier);
    Diagnostic::warning(own, message, action)
        .with(earlier.clone(), format!("`{other}` listens here"))
}

fn place<'a>(unit: &'a Loaded, listen: &Listen) -> &'a Place {
    unit.places.of(Field::Listen, parts(&listen.address).1)
}
