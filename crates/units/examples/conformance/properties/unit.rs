//! `[Unit]` and `[Socket]`.

use aplomb_units::systemd::name;

use super::{Row, flag, row, same, same_lists, set};

pub(super) const ROWS: &[Row] = &[
    row("Description", &["Description"], |s, t| {
        // systemd shows the name where there is no description.
        if s.description.is_empty() {
            None
        } else {
            same(&s.description, t)
        }
    }),
    row("Documentation", &["Documentation"], |s, t| {
        let valid = |page: &&String| {
            ["http://", "https://", "file:", "info:", "man:"]
                .iter()
                .any(|start| page.starts_with(start))
        };
        let theirs = t.replace('"', "");
        set(s.documentation.iter().filter(valid).cloned(), &theirs)
    }),
    row("Requires", &["Requires"], |s, t| {
        among(&s.depends.requires, t)
    }),
    row("Requisite", &["Requisite"], |s, t| {
        among(&s.depends.requisite, t)
    }),
    row("Wants", &["Wants"], |s, t| among(&s.depends.wants, t)),
    row("BindsTo", &["BindsTo"], |s, t| {
        among(&s.depends.binds_to, t)
    }),
    row("PartOf", &["PartOf"], |s, t| among(&s.depends.part_of, t)),
    row("Conflicts", &["Conflicts"], |s, t| {
        among(&s.depends.conflicts, t)
    }),
    row("After", &["After"], |s, t| among(&s.depends.after, t)),
    row("Before", &["Before"], |s, t| among(&s.depends.before, t)),
    row("OnFailure", &["OnFailure"], |s, t| {
        among(&s.depends.on_failure, t)
    }),
    row("OnSuccess", &["OnSuccess"], |s, t| {
        among(&s.depends.on_success, t)
    }),
    row(
        "Listen",
        &[
            "ListenStream",
            "ListenDatagram",
            "ListenSequentialPacket",
            "ListenFIFO",
        ],
        |s, t| {
            let ours = s.listen.iter().map(listen).collect();
            same_lists(
                ours,
                t.lines()
                    .filter(|line| !line.ends_with("(Netlink)") && !line.ends_with("(Special)"))
                    .map(|line| line.replace("0.0.0.0:", "").replace("[::]:", ""))
                    .collect(),
            )
        },
    ),
    row("SocketMode", &["SocketMode"], |s, t| {
        same(&format!("{:04o}", s.listen.first()?.mode), t)
    }),
    row("SocketUser", &["SocketUser"], |s, t| {
        same(s.listen.first()?.user.as_deref().unwrap_or_default(), t)
    }),
    row("SocketGroup", &["SocketGroup"], |s, t| {
        same(s.listen.first()?.group.as_deref().unwrap_or_default(), t)
    }),
    row("Backlog", &["Backlog"], |s, t| {
        // Both ask for more than the kernel gives where nothing is said.
        same(
            &s.listen.first()?.backlog.to_string(),
            if t.len() == 10 { "4096" } else { t },
        )
    }),
    row("ReusePort", &["ReusePort"], |s, t| {
        flag(s.listen.first()?.reuse_port, t)
    }),
    row("FileDescriptorName", &["FileDescriptorName"], |s, t| {
        same(s.listen.first()?.name.as_deref()?, t)
    }),
];

/// All of ours are among theirs, which also holds what systemd adds by itself.
fn among(ours: &[String], theirs: &str) -> Option<(String, String)> {
    let theirs = theirs.replace('"', "").replace("\\\\", "\\");
    let known: Vec<&str> = theirs.split_whitespace().collect();
    let ours: Vec<String> = ours.iter().map(|unit| name::of_spec(unit)).collect();
    let missing = ours
        .iter()
        .filter(|unit| !known.contains(&unit.as_str()))
        .cloned();
    let missing: Vec<String> = missing.collect();
    same(&missing.join(" "), "")
}

fn listen(listen: &aplomb_core::spec::Listen) -> String {
    use aplomb_core::spec::Address;
    let (text, kind) = match &listen.address {
        Address::Tcp(text) | Address::UnixStream(text) => (text, "Stream"),
        Address::Udp(text) | Address::UnixDatagram(text) => (text, "Datagram"),
        Address::UnixSeqpacket(text) => (text, "SequentialPacket"),
        Address::Fifo(text) => (text, "FIFO"),
    };
    format!(
        "{} ({kind})",
        text.replace("0.0.0.0:", "").replace("[::]:", "")
    )
}
