//! `.socket` units: what they listen on becomes `listen` of their service; systemd.socket(5).
//!
//! The engine holds the sockets and starts the service at once: connections wait, they do not start it. Settings such
//! as the mode hold for every address of the unit, wherever they stand in it.

use aplomb_core::spec::{Address, Listen};

use super::draft::{Draft, Input};
use super::fault::Fault;

/// `ListenStream=` and `ListenDatagram=`: a path, an abstract name, a port or `host:port`.
pub(super) fn listen(
    draft: &mut Draft,
    input: &Input<'_>,
    network: fn(String) -> Address,
    path: fn(String) -> Address,
) -> Result<(), Fault> {
    if input.is_empty() {
        return clear(draft);
    }
    let text = input.expanded()?;
    let address = match text.as_bytes() {
        [b'/' | b'@', _, ..] => path(text),
        _ if is_host_and_port(&text) => network(text),
        _ if text.starts_with("vsock:") => {
            return Err(Fault::not_carried(
                "sockets of virtual machines are not held here",
                "listen on a port or a path",
            ));
        }
        _ => return Err(no_address(input)),
    };
    push(draft, address)
}

pub(super) fn listen_packet(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        return clear(draft);
    }
    let text = input.expanded()?;
    match text.starts_with('/') || (text.starts_with('@') && text.len() > 1) {
        true => push(draft, Address::UnixSeqpacket(text)),
        false => Err(no_address(input)),
    }
}

pub(super) fn listen_fifo(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    if input.is_empty() {
        return clear(draft);
    }
    let path = input.path()?;
    push(draft, Address::Fifo(path))
}

/// Every `Listen…=` adds; an empty one takes back those of all sorts.
fn clear(draft: &mut Draft) -> Result<(), Fault> {
    draft.spec.listen.clear();
    Ok(())
}

fn push(draft: &mut Draft, address: Address) -> Result<(), Fault> {
    draft.say(crate::source::Field::Listen, text(&address), None);
    draft.spec.listen.push(Listen::new(address));
    Ok(())
}

/// The address as written.
pub(super) fn text(address: &Address) -> &str {
    match address {
        Address::Tcp(text)
        | Address::Udp(text)
        | Address::UnixStream(text)
        | Address::UnixDatagram(text)
        | Address::UnixSeqpacket(text)
        | Address::Fifo(text) => text,
    }
}

fn no_address(input: &Input<'_>) -> Fault {
    input
        .bad("is no address", "write a path, a port, or `host:port`")
        .refusing()
}

/// `8080`, `127.0.0.1:80`, `[::1]:80`.
fn is_host_and_port(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let host = match host.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => false,
        },
        None => {
            host.is_empty() && !text.contains(':') || host.parse::<std::net::Ipv4Addr>().is_ok()
        }
    };
    host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// What is set for every address of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Common {
    pub user: Option<String>,
    pub group: Option<String>,
    pub mode: Option<u32>,
    pub backlog: Option<u32>,
    pub reuse_port: bool,
    pub name: Option<String>,
}

pub(super) fn owner(
    draft: &mut Draft,
    input: &Input<'_>,
    field: fn(&mut Common) -> &mut Option<String>,
) -> Result<(), Fault> {
    let name = input.expanded().map_err(Fault::refusing)?;
    *field(&mut draft.socket) = Some(name).filter(|name| !name.is_empty());
    Ok(())
}

pub(super) fn mode(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.socket.mode = Some(input.mode().map_err(Fault::refusing)?);
    Ok(())
}

pub(super) fn backlog(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.socket.backlog = Some(input.number()?);
    Ok(())
}

pub(super) fn reuse_port(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    draft.socket.reuse_port = input.boolean()?;
    Ok(())
}

pub(super) fn name(draft: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    let name = input.expanded()?;
    let unfit = |letter: char| letter == ':' || letter.is_control() || !letter.is_ascii();
    if name.len() > 255 || name.chars().any(unfit) {
        return Err(input.bad("is no name for a descriptor", "use letters, digits and `-`"));
    }
    draft.socket.name = Some(name).filter(|name| !name.is_empty());
    Ok(())
}

/// `Accept=yes` would start an instance for each connection.
pub(super) fn accept(_: &mut Draft, input: &Input<'_>) -> Result<(), Fault> {
    match input.boolean()? {
        false => Ok(()),
        true => Err(Fault::not_carried(
            "`Accept=yes` starts a service for each connection, which is not carried out",
            "let the program accept connections itself",
        )),
    }
}

/// Gives every address what was said for all; sockets without a name of their own are called like their unit. A unit
/// without any address is a fault.
pub(super) fn finish(draft: &mut Draft) -> Vec<Fault> {
    let common = std::mem::take(&mut draft.socket);
    for listen in &mut draft.spec.listen {
        listen.user.clone_from(&common.user);
        listen.group.clone_from(&common.group);
        listen.mode = common.mode.unwrap_or(Listen::MODE);
        listen.backlog = common.backlog.unwrap_or(Listen::BACKLOG);
        listen.reuse_port = common.reuse_port;
        listen.name = common
            .name
            .clone()
            .or_else(|| Some(draft.spec.name.clone()));
    }
    let nothing = draft.spec.listen.is_empty();
    let fault = Fault::refused(
        "the socket listens on nothing that can be held",
        "name an address: `ListenStream=`",
    );
    Some(fault).filter(|_| nothing).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_network() {
        for text in ["80", "127.0.0.1:80", "[::]:80", "[::1]:8080"] {
            assert!(is_host_and_port(text), "{text}");
        }
        for text in [
            "0",
            "65536",
            "localhost:80",
            "::1",
            "[::1]",
            "[::1",
            "x",
            "",
            ":80",
        ] {
            assert!(!is_host_and_port(text), "{text}");
        }
    }
}
