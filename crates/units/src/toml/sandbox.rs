//! `sandbox`: what is taken away from the programs of a service.

use aplomb_core::spec::{
    Capabilities, PathRule, PathRuleKind, ProtectHome, ProtectSystem, Sandbox,
};

use super::form::{Blank, Form, TextForm, Word, word_form};
use super::key::{Key, Section, at, read_keys, section_shape, write_changed, write_everything};
use super::reader::{Node, Reader, array_of, table_of};
use super::shape::Shape;
use super::value::Value;
use crate::words::is_absolute;

word_form!(ProtectSystem,
    ProtectSystem::Off => "off",
    ProtectSystem::Yes => "usr",
    ProtectSystem::Full => "full",
    ProtectSystem::Strict => "strict",
);

word_form!(ProtectHome,
    ProtectHome::Off => "off",
    ProtectHome::Yes => "inaccessible",
    ProtectHome::ReadOnly => "read-only",
    ProtectHome::Temporary => "temporary",
);

word_form!(PathRuleKind,
    PathRuleKind::ReadOnly => "read-only",
    PathRuleKind::ReadWrite => "read-write",
    PathRuleKind::Inaccessible => "inaccessible",
    PathRuleKind::Temporary => "temporary",
);

impl Section for Sandbox {
    const KEYS: &'static [Key<Sandbox>] = &[
        Key {
            name: "no-new-privileges",
            doc: "No program it executes can gain rights",
            slot: at!(no_new_privileges),
        },
        Key {
            name: "private-tmp",
            doc: "/tmp and /var/tmp of its own, empty at start and gone afterwards",
            slot: at!(private_tmp),
        },
        Key {
            name: "private-devices",
            doc: "A /dev with only the pseudo devices",
            slot: at!(private_devices),
        },
        Key {
            name: "private-network",
            doc: "No network but a loopback of its own",
            slot: at!(private_network),
        },
        Key {
            name: "private-mounts",
            doc: "Mounts it makes stay its own",
            slot: at!(private_mounts),
        },
        Key {
            name: "protect-system",
            doc: "What is read-only: /usr and the boot loader; /etc as well (full); everything but /dev, /proc and /sys (strict)",
            slot: at!(protect_system),
        },
        Key {
            name: "protect-home",
            doc: "What the users' homes look like",
            slot: at!(protect_home),
        },
        Key {
            name: "protect-kernel-tunables",
            doc: "/proc/sys, /sys and friends are read-only",
            slot: at!(protect_kernel_tunables),
        },
        Key {
            name: "protect-kernel-modules",
            doc: "Module loading is impossible",
            slot: at!(protect_kernel_modules),
        },
        Key {
            name: "protect-kernel-logs",
            doc: "The kernel log cannot be read",
            slot: at!(protect_kernel_logs),
        },
        Key {
            name: "protect-control-groups",
            doc: "/sys/fs/cgroup is read-only",
            slot: at!(protect_control_groups),
        },
        Key {
            name: "protect-clock",
            doc: "The clock cannot be set",
            slot: at!(protect_clock),
        },
        Key {
            name: "protect-hostname",
            doc: "The host name cannot be changed",
            slot: at!(protect_hostname),
        },
        Key {
            name: "paths",
            doc: "What single paths look like, in order: \"read-only /x\", \"read-write /x\", \"inaccessible /x\", \"temporary /x\"; with \"optional \" before it, nothing is said if the path does not exist",
            slot: at!(paths),
        },
        Key {
            name: "bounding",
            doc: "Capabilities it can ever have; all the engine has where absent",
            slot: at!(bounding),
        },
        Key {
            name: "ambient",
            doc: "Capabilities it has although it is not root",
            slot: at!(ambient),
        },
    ];

    fn initial() -> Sandbox {
        Sandbox::default()
    }
}

/// `sandbox`, which is absent or a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaybeSandbox(pub(super) Option<Box<Sandbox>>);

impl Form for MaybeSandbox {
    fn shape() -> Shape {
        section_shape::<Sandbox>()
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        match table_of(node) {
            Some(table) => read_keys(&mut **self.0.get_or_insert_default(), table, reader),
            None => reader.wrong(node, "a table such as { no-new-privileges = true }"),
        }
    }

    fn write(&self) -> Value {
        match &self.0 {
            Some(sandbox) => Value::Table(write_changed(&**sandbox)),
            None => Value::Absent,
        }
    }

    fn write_all(&self) -> Value {
        match &self.0 {
            Some(sandbox) => write_everything(&**sandbox),
            None => Value::Absent,
        }
    }
}

impl TextForm for PathRule {
    const SHAPE: Shape = Shape::pattern(
        "a rule such as \"read-only /etc\"",
        "^(optional )?(read-only|read-write|inaccessible|temporary) .+$",
    );

    fn parse(text: &str) -> Result<PathRule, String> {
        let (rest, optional) = match text.strip_prefix("optional ") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (kind, path) = rest.split_once(' ').unwrap_or((rest, ""));
        let kind = PathRuleKind::from_word(kind)
            .ok_or_else(|| format!("`{kind}` is nothing that can be done to a path"))?;
        if !is_absolute(path) || path.contains('\0') {
            return Err(format!("`{path}` is no absolute path"));
        }
        Ok(PathRule {
            kind,
            path: path.into(),
            optional,
        })
    }

    fn print(&self) -> String {
        let optional = if self.optional { "optional " } else { "" };
        format!("{optional}{} {}", self.kind.word(), self.path)
    }
}

impl Blank for PathRule {
    fn blank() -> PathRule {
        PathRule {
            kind: PathRuleKind::ReadOnly,
            path: String::new(),
            optional: false,
        }
    }
}

impl Form for Capabilities {
    fn shape() -> Shape {
        let name = Shape::pattern("the name of a capability", "^[Cc][Aa][Pp]_[A-Za-z_]+$");
        Shape::list(name)
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        const TAKES: &str = "an array of names such as [\"CAP_NET_BIND_SERVICE\"]";
        let Some(items) = array_of(node) else {
            return reader.wrong(node, TAKES);
        };
        *self = Capabilities(0);
        for item in items {
            let Some(name) = reader.text(item, TAKES) else {
                continue;
            };
            match Capabilities::parse_one(&name) {
                Some(one) => self.0 |= one.0,
                None => {
                    let names = Capabilities::NAMES.iter().copied();
                    let action = match crate::words::nearest(&name, names) {
                        Some(known) => format!("write \"{known}\""),
                        None => format!("give it {TAKES}"),
                    };
                    let message = format!("there is no capability `{name}`");
                    reader.refuse(item.span(), message, action);
                }
            }
        }
    }

    fn write(&self) -> Value {
        let names = Capabilities::NAMES.iter().enumerate();
        let held = names.filter(|(bit, _)| self.0 & (1 << bit) != 0);
        Value::List(held.map(|(_, name)| Value::text(*name)).collect())
    }
}

impl Blank for Capabilities {
    const NONE_TAKES_AWAY: bool = false;

    fn blank() -> Capabilities {
        Capabilities(0)
    }
}
