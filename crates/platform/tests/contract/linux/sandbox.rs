//! What a program cannot see or change. Most of it only root can try.

use std::fs;
use std::path::Path;

use aplomb_core::spec::{
    Address, Capabilities, Listen, PathRule, PathRuleKind, Privilege, ProtectHome, ProtectSystem,
    Sandbox,
};
use aplomb_platform::{Happened, SpawnError, Step};

use super::{ONE, Play, Row, Scratch};
use crate::stage::World;

pub(super) const TESTS: &[Row] = &[
    (
        "a_sandbox_without_new_privileges_says_so",
        ONE,
        a_sandbox_without_new_privileges_says_so,
    ),
    (
        "capabilities_are_bounded_and_given",
        ONE,
        capabilities_are_bounded_and_given,
    ),
    (
        "a_private_tmp_is_shared_in_the_tree_and_gone_with_it",
        ONE,
        a_private_tmp_is_shared_in_the_tree_and_gone_with_it,
    ),
    (
        "private_devices_are_pseudo_devices",
        ONE,
        private_devices_are_pseudo_devices,
    ),
    (
        "a_private_network_is_shared_in_the_tree",
        ONE,
        a_private_network_is_shared_in_the_tree,
    ),
    (
        "the_system_is_read_only_where_protected",
        ONE,
        the_system_is_read_only_where_protected,
    ),
    (
        "homes_are_hidden_where_protected",
        ONE,
        homes_are_hidden_where_protected,
    ),
    (
        "the_kernel_is_out_of_reach_where_protected",
        ONE,
        the_kernel_is_out_of_reach_where_protected,
    ),
    (
        "paths_look_as_their_rules_say",
        ONE,
        paths_look_as_their_rules_say,
    ),
];

fn a_sandbox_without_new_privileges_says_so(_: World) {
    let mut play = Play::sandboxed(Sandbox {
        no_new_privileges: true,
        ..Sandbox::default()
    });
    assert_eq!(
        play.run("grep NoNewPrivs /proc/self/status"),
        "NoNewPrivs:\t1"
    );
    play.privilege = Privilege::Full;
    assert_eq!(
        play.run("grep NoNewPrivs /proc/self/status"),
        "NoNewPrivs:\t0"
    );
}

fn capabilities_are_bounded_and_given(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let chown = Capabilities::parse_one("CAP_CHOWN").unwrap();
    let bind = Capabilities::parse_one("CAP_NET_BIND_SERVICE").unwrap();
    let mut play = Play::sandboxed(Sandbox {
        bounding: Some(Capabilities(chown.0 | bind.0)),
        ..Sandbox::default()
    });
    let status = "grep -E 'Cap(Eff|Bnd|Amb)' /proc/self/status";
    assert_eq!(
        play.run(status),
        "CapEff:\t0000000000000401\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000000"
    );
    play.process.user = Some("65533".into());
    play.process.sandbox.as_mut().unwrap().ambient = bind;
    assert_eq!(
        play.run(status),
        "CapEff:\t0000000000000400\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000400"
    );
}

fn a_private_tmp_is_shared_in_the_tree_and_gone_with_it(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    let mut play = Play::sandboxed(Sandbox {
        private_tmp: true,
        ..Sandbox::default()
    });
    let seen = play.run("ls -A /tmp /var/tmp; stat -c %a /tmp; echo secret > /tmp/note");
    assert_eq!(seen, "/tmp:\n\n/var/tmp:\n1777");
    assert_eq!(play.run("cat /tmp/note"), "secret");
    assert!(!Path::new("/tmp/note").exists());
    let ours = || {
        let prefix = format!("aplomb-{}-", std::process::id());
        let names = fs::read_dir("/tmp")
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(&prefix))
            .count()
    };
    assert_eq!(ours(), 1);
    let tree = play.tree;
    play.stage.platform.uproot(tree);
    assert_eq!(ours(), 0);
    drop(scratch);
}

fn private_devices_are_pseudo_devices(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::sandboxed(Sandbox {
        private_devices: true,
        ..Sandbox::default()
    });
    let seen = play.run(
        "for d in /dev/*; do [ -b $d ] && echo block $d; done; head -c 4 /dev/zero | wc -c; echo x > /dev/null;
         touch /dev/new 2>/dev/null || echo read-only; [ -e /dev/kmsg ] && echo kmsg; readlink /dev/fd",
    );
    assert_eq!(seen, "4\nread-only\n/proc/self/fd");
}

fn a_private_network_is_shared_in_the_tree(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::sandboxed(Sandbox {
        private_network: true,
        ..Sandbox::default()
    });
    play.ready_fd = Some(3);
    let (_, stream) = play
        .start("readlink /proc/self/ns/net; echo >&3; exec 3>&-; exec sleep 1000")
        .unwrap();
    let tree = play.tree;
    play.stage
        .until(|happened| *happened == Happened::ReadyLine { tree });
    let mut buffer = [0; 64];
    let count = play.port.read(stream, &mut buffer).unwrap();
    let first = String::from_utf8_lossy(&buffer[..count]).trim().to_owned();
    let outside = fs::read_link("/proc/self/ns/net")
        .unwrap()
        .display()
        .to_string();
    assert_ne!(first, outside);
    assert_eq!(
        play.port.read(stream, &mut buffer).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    play.port.detach(stream);
    // Enough sockets to lie where ours of the network does.
    let scratch = Scratch::new();
    for name in 0..60 {
        let listen = Listen::new(Address::UnixStream(scratch.path(&name.to_string())));
        let socket = play.stage.platform.open_socket(&listen);
        play.sockets.push(socket.unwrap());
    }
    play.ready_fd = None;
    assert_eq!(play.run("readlink /proc/self/ns/net"), first);
    let devices = play.run("tail -n +3 /proc/net/dev | cut -d : -f 1; cat /sys/class/net/lo/operstate 2>/dev/null; echo");
    assert!(devices.trim_start().starts_with("lo"), "{devices}");
    play.stage.clear(tree);
}

fn writes(play: &mut Play, path: &str) -> bool {
    let script = format!(
        "(echo > {path}/.contract-probe) 2>/dev/null && rm {path}/.contract-probe && echo yes || echo no"
    );
    play.run(&script) == "yes"
}

fn the_system_is_read_only_where_protected(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    let with = |system| {
        Play::sandboxed(Sandbox {
            protect_system: system,
            ..Sandbox::default()
        })
    };
    let mut play = with(ProtectSystem::Yes);
    assert_eq!(
        ["/usr", "/etc", "/var"].map(|path| writes(&mut play, path)),
        [false, true, true]
    );
    drop(play);
    let mut play = with(ProtectSystem::Full);
    assert_eq!(
        ["/usr", "/etc", "/var"].map(|path| writes(&mut play, path)),
        [false, false, true]
    );
    drop(play);
    let mut play = with(ProtectSystem::Strict);
    let paths = ["/usr", "/etc", "/var", &scratch.path(""), "/dev/shm"];
    let expected = [false, false, false, false, Path::new("/dev/shm").is_dir()];
    assert_eq!(paths.map(|path| writes(&mut play, path)), expected);
    // What it is given it can write to all the same.
    let rule = PathRule {
        kind: PathRuleKind::ReadWrite,
        path: scratch.path(""),
        optional: false,
    };
    play.process.sandbox.as_mut().unwrap().paths = vec![rule];
    assert!(writes(&mut play, &scratch.path("")));
    assert!(!writes(&mut play, "/var"));
}

fn homes_are_hidden_where_protected(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let with = |home| {
        Play::sandboxed(Sandbox {
            protect_home: home,
            ..Sandbox::default()
        })
    };
    let count = "ls -A /root | wc -l";
    let mut play = with(ProtectHome::Yes);
    assert_eq!(play.run(count), "0");
    play.process.user = Some("65533".into());
    assert_eq!(
        play.run("ls /root >/dev/null 2>&1 || echo refused"),
        "refused"
    );
    drop(play);
    let mut play = with(ProtectHome::ReadOnly);
    assert!(!writes(&mut play, "/root"));
    assert_ne!(play.run(count), "0");
    drop(play);
    let mut play = with(ProtectHome::Temporary);
    assert_eq!(play.run(count), "0");
}

fn the_kernel_is_out_of_reach_where_protected(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let mut play = Play::sandboxed(Sandbox {
        protect_kernel_tunables: true,
        protect_kernel_modules: true,
        protect_kernel_logs: true,
        protect_control_groups: true,
        protect_clock: true,
        protect_hostname: true,
        private_mounts: true,
        ..Sandbox::default()
    });
    let cases = [
        "(echo 50 > /proc/sys/vm/swappiness) 2>/dev/null",
        "mkdir /sys/fs/cgroup/unified/contract 2>/dev/null || mkdir /sys/fs/cgroup/contract 2>/dev/null",
        "head -c 1 /proc/kcore >/dev/null 2>&1",
        "head -c 1 /dev/kmsg >/dev/null 2>&1",
        "date -s @0 >/dev/null 2>&1",
    ];
    for case in cases {
        assert_eq!(
            play.run(&format!("{{ {case}; }} && echo done || echo refused")),
            "refused",
            "{case}"
        );
    }
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    play.run("hostname contract 2>/dev/null || true");
    assert_eq!(
        fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        before
    );
    let outside = fs::read_link("/proc/self/ns/mnt")
        .unwrap()
        .display()
        .to_string();
    assert_ne!(play.run("readlink /proc/self/ns/mnt"), outside);
}

fn paths_look_as_their_rules_say(_: World) {
    if !Play::only_as_root() {
        return;
    }
    let scratch = Scratch::new();
    for name in ["ro", "ro/rw", "hidden", "empty"] {
        fs::create_dir(scratch.path(name)).unwrap();
        scratch.file(&format!("{name}/file"), 0o644, b"here");
    }
    scratch.file("secret", 0o644, b"secret");
    let rule = |kind, name: &str, optional| PathRule {
        kind,
        path: scratch.path(name),
        optional,
    };
    let mut play = Play::sandboxed(Sandbox {
        // The deeper one first: it must win all the same.
        paths: vec![
            rule(PathRuleKind::ReadWrite, "ro/rw", false),
            rule(PathRuleKind::ReadOnly, "ro", false),
            rule(PathRuleKind::Inaccessible, "hidden", false),
            rule(PathRuleKind::Inaccessible, "secret", false),
            rule(PathRuleKind::Temporary, "empty", false),
            rule(PathRuleKind::ReadOnly, "missing", true),
        ],
        ..Sandbox::default()
    });
    assert!(!writes(&mut play, &scratch.path("ro")));
    assert!(writes(&mut play, &scratch.path("ro/rw")));
    assert!(writes(&mut play, &scratch.path("empty")));
    let root = scratch.path("");
    let seen = play.run(&format!(
        "cd {root}; ls -A hidden empty; cat secret 2>/dev/null || echo refused; cat ro/file"
    ));
    assert_eq!(seen, "empty:\n\nhidden:\nrefused\nhere");
    assert_eq!(
        fs::read(scratch.path("hidden/file")).unwrap(),
        b"here",
        "for us nothing has changed"
    );
    play.process.sandbox.as_mut().unwrap().paths =
        vec![rule(PathRuleKind::ReadOnly, "missing", false)];
    let refusal = play.refusal("");
    assert!(
        matches!(
            refusal,
            SpawnError::Setup {
                step: Step::Sandbox,
                ..
            }
        ),
        "{refusal:?}"
    );
}
