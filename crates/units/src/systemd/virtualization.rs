//! What the machine is made of: a container, a virtual machine, neither; systemd-detect-virt(1).

use super::evaluate::kernel_text;
use super::time_span;
use crate::world::{FileKind, World};

/// What firmware calls itself, and the name of that virtual machine.
const MACHINES: &[(&str, &str)] = &[
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("Amazon EC2", "amazon"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("VMW", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Hyper-V", "microsoft"),
    ("Google Compute Engine", "google"),
    ("Apple Virtualization", "apple"),
];
const FIRMWARE: &[&str] = &[
    "/sys/class/dmi/id/product_name",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/class/dmi/id/board_vendor",
    "/sys/class/dmi/id/bios_vendor",
];
/// Files a container engine leaves in its containers.
const MARKS: &[(&str, &str)] = &[("/run/.containerenv", "podman"), ("/.dockerenv", "docker")];

/// Whether `text` (a boolean, `vm`, `container`, `private-users` or a name) describes this machine.
pub(super) fn is(text: &str, world: &dyn World) -> Option<bool> {
    if text == "private-users" {
        let map = kernel_text("/proc/self/uid_map", world)?;
        let words: Vec<&str> = map.split_ascii_whitespace().collect();
        return Some(words != ["0", "0", "4294967295"]);
    }
    let container = container(world);
    let found = container.clone().or_else(|| machine(world));
    Some(match (text, time_span::boolean(text)) {
        (_, Some(wanted)) => found.is_some() == wanted,
        ("container", _) => container.is_some(),
        ("vm", _) => found.is_some() && container.is_none(),
        (name, None) => found.as_deref() == Some(name),
    })
}

/// The container engine around us, if there is one.
pub(super) fn container(world: &dyn World) -> Option<String> {
    let told = kernel_text("/run/systemd/container", world).or_else(|| world.env("container"));
    let told = told
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    told.or_else(|| {
        let mark = MARKS
            .iter()
            .find(|(path, _)| world.file(path) != FileKind::Missing);
        mark.map(|(_, name)| (*name).to_owned())
    })
}

fn machine(world: &dyn World) -> Option<String> {
    for path in FIRMWARE {
        let text = kernel_text(path, world).unwrap_or_default();
        if let Some((_, name)) = MACHINES.iter().find(|(known, _)| text.starts_with(known)) {
            return Some((*name).to_owned());
        }
    }
    let flags = kernel_text("/proc/cpuinfo", world)?;
    flags.contains(" hypervisor").then(|| "vm-other".to_owned())
}
