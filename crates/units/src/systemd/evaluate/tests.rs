use super::super::tests::Machine;
use super::*;

fn machine() -> Machine {
    let mut machine = Machine::default();
    for (path, text) in [
        ("/etc/full", "x"),
        ("/etc/empty", ""),
        ("/d/one", "x"),
        ("/only-hidden/.x", "x"),
        (
            "/proc/1/cmdline",
            "init\0quiet\0root=/dev/sda\0splash=silent\0",
        ),
        (
            "/proc/meminfo",
            "MemTotal:        4194304 kB\nMemFree: 1 kB\n",
        ),
        (
            "/proc/self/status",
            "Name:\tx\nCapBnd:\t0000000000000021\nCpus_allowed_list:\t0-2,5\n",
        ),
        (
            "/proc/self/mountinfo",
            "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:5 / /usr ro shared:1 - ext4 /dev/sdb rw\n3 1 0:6 / /a\\040b rw - tmpfs tmpfs rw\n",
        ),
        ("/usr/x", "x"),
        ("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
        ("/run/systemd/container", "lxc\n"),
    ] {
        machine.files.insert(path.to_owned(), text.to_owned());
    }
    machine
        .links
        .insert("/etc/link".to_owned(), "full".to_owned());
    machine
}

fn condition(kind: ConditionKind, parameter: &str) -> Condition {
    Condition {
        kind,
        parameter: parameter.to_owned(),
        negated: false,
        alternative: false,
        assert: false,
    }
}

fn negated(condition: Condition) -> Condition {
    Condition {
        negated: true,
        ..condition
    }
}

fn alternative(condition: Condition) -> Condition {
    Condition {
        alternative: true,
        ..condition
    }
}

fn is(kind: ConditionKind, parameter: &str) -> bool {
    evaluate(&[condition(kind, parameter)], &machine()) == Outcome::Holds
}

#[test]
fn paths_are_looked_at() {
    use ConditionKind::*;
    assert!(is(PathExists, "/etc/full") && !is(PathExists, "/etc/gone"));
    assert!(is(PathExistsGlob, "/etc/f*") && !is(PathExistsGlob, "/etc/g*"));
    assert!(is(PathIsSymbolicLink, "/etc/link") && !is(PathIsSymbolicLink, "/etc/full"));
    assert!(
        is(FileNotEmpty, "/etc/full")
            && !is(FileNotEmpty, "/etc/empty")
            && !is(FileNotEmpty, "/etc/gone")
    );
    assert!(!is(FileIsExecutable, "/etc/full"));
    assert!(
        is(DirectoryNotEmpty, "/d")
            && !is(DirectoryNotEmpty, "/only-hidden")
            && !is(DirectoryNotEmpty, "/gone")
    );
    assert!(
        is(PathIsMountPoint, "/usr")
            && is(PathIsMountPoint, "/a b")
            && !is(PathIsMountPoint, "/etc")
    );
    assert!(
        is(PathIsReadWrite, "/etc/full")
            && !is(PathIsReadWrite, "/usr/x")
            && !is(PathIsReadWrite, "/gone")
    );
}

#[test]
fn the_kernel_and_the_machine_are_asked() {
    use ConditionKind::*;
    assert!(
        is(KernelCommandLine, "quiet")
            && is(KernelCommandLine, "splash")
            && is(KernelCommandLine, "splash=silent")
    );
    assert!(!is(KernelCommandLine, "splash=verbose") && !is(KernelCommandLine, "qui"));
    assert!(is(Memory, "4G") && is(Memory, "<= 4G") && !is(Memory, ">4G"));
    assert!(is(Cpus, "4") && is(Cpus, "= 4") && !is(Cpus, "5"));
    assert!(is(Capability, "CAP_CHOWN") && !is(Capability, "CAP_SYS_ADMIN"));
    assert!(is(Host, "host.*") && !is(Host, "other"));
    assert!(
        is(ControlGroupController, "cpu pids")
            && is(ControlGroupController, "v2")
            && !is(ControlGroupController, "io")
    );
    assert!(
        is(Virtualization, "container")
            && is(Virtualization, "lxc")
            && is(Virtualization, "yes")
            && !is(Virtualization, "vm")
    );
    assert!(is(FirstBoot, "no") && !is(FirstBoot, "yes"));
    assert!(is(AcPower, "yes"));
    assert!(!is(Security, "selinux"));
}

#[test]
fn an_exclamation_mark_turns_it_round_but_not_what_cannot_be_told() {
    let gone = condition(ConditionKind::PathExists, "/etc/gone");
    assert_eq!(evaluate(&[negated(gone)], &machine()), Outcome::Holds);
    let untold = condition(ConditionKind::Security, "audit");
    assert_ne!(
        evaluate(std::slice::from_ref(&untold), &machine()),
        Outcome::Holds
    );
    assert_ne!(evaluate(&[negated(untold)], &machine()), Outcome::Holds);
}

#[test]
fn one_of_the_alternatives_is_enough_and_all_others_must_hold() {
    let there = condition(ConditionKind::PathExists, "/etc/full");
    let gone = condition(ConditionKind::PathExists, "/etc/gone");
    let either = [alternative(there.clone()), alternative(gone.clone())];
    assert_eq!(evaluate(&either, &machine()), Outcome::Holds);
    let neither = [there.clone(), alternative(gone.clone())];
    assert_eq!(
        evaluate(&neither, &machine()),
        Outcome::Skip {
            because: "ConditionPathExists=|/etc/gone".into()
        }
    );
    let both = [alternative(there), gone];
    assert_eq!(
        evaluate(&both, &machine()),
        Outcome::Skip {
            because: "ConditionPathExists=/etc/gone".into()
        }
    );
    assert_eq!(evaluate(&[], &machine()), Outcome::Holds);
}

#[test]
fn an_assertion_fails_the_start_and_comes_after_the_conditions() {
    let gone = condition(ConditionKind::PathExists, "/etc/gone");
    let assert = Condition {
        assert: true,
        ..gone.clone()
    };
    assert_eq!(
        evaluate(std::slice::from_ref(&assert), &machine()),
        Outcome::Fail {
            because: "AssertPathExists=/etc/gone".into()
        }
    );
    assert!(matches!(
        evaluate(&[assert, gone], &machine()),
        Outcome::Skip { .. }
    ));
}
