//! `listen` as socket units: one for every run of addresses with the same settings.

use aplomb_core::Spec;
use aplomb_core::spec::{Address, Listen};

use super::super::socket::text;
use super::{Out, plain, push, yes_no};

/// The files; the service is told of them with `Sockets=`.
pub(super) fn write(spec: &Spec, service: &str, out: &mut Out) -> Vec<(String, String)> {
    let stem = service.strip_suffix(".service").unwrap_or(service);
    let mut files: Vec<(String, String)> = Vec::new();
    for run in spec.listen.chunk_by(same_settings) {
        let name = match files.len() {
            0 => format!("{stem}.socket"),
            more => format!("{stem}-{}.socket", more + 1),
        };
        let lines = socket_section(run, spec, service, out);
        out.service("Sockets", &name);
        files.push((
            name,
            format!("[Socket]\n{lines}\n[Install]\nWantedBy=sockets.target\n"),
        ));
    }
    files
}

fn same_settings(one: &Listen, other: &Listen) -> bool {
    let other = Listen {
        address: one.address.clone(),
        ..other.clone()
    };
    *one == other
}

fn socket_section(run: &[Listen], spec: &Spec, service: &str, out: &mut Out) -> String {
    let mut lines = String::new();
    for listen in run {
        let key = match &listen.address {
            Address::Tcp(_) | Address::UnixStream(_) => "ListenStream",
            Address::Udp(_) | Address::UnixDatagram(_) => "ListenDatagram",
            Address::UnixSeqpacket(_) => "ListenSequentialPacket",
            Address::Fifo(_) => "ListenFIFO",
        };
        match plain(text(&listen.address)) {
            Some(address) => push(&mut lines, key, &address),
            None => out.lose("an address of this name", "name it without odd letters"),
        }
    }
    let Some(first) = run.first() else {
        return lines;
    };
    push(&mut lines, "Service", service);
    let name = first.name.as_deref().unwrap_or(&spec.name);
    for (key, value) in [
        ("FileDescriptorName", Some(name)),
        ("SocketUser", first.user.as_deref()),
        ("SocketGroup", first.group.as_deref()),
    ] {
        if let Some(value) = value
            && let Some(value) = out.text_of(key, value)
        {
            push(&mut lines, key, &value);
        }
    }
    if first.mode != Listen::MODE {
        push(&mut lines, "SocketMode", &format!("{:04o}", first.mode));
    }
    if first.backlog != Listen::BACKLOG {
        push(&mut lines, "Backlog", &first.backlog.to_string());
    }
    if first.reuse_port {
        push(&mut lines, "ReusePort", yes_no(true));
    }
    lines
}
