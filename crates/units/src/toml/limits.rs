//! `limits`: those of setrlimit(2) by their names, and those of the control group: memory, cpu, pids.

use aplomb_core::spec::{Limit, LimitedResource, Process, Resources};

use super::form::{Blank, Form, NONE, TextForm};
use super::key::{Key, Section, Via, at, facts, write_changed};
use super::reader::{Node, Reader, integer_of, table_of};
use super::shape::{Fact, Shape, Table};
use super::value::Value;
use crate::words::{nearest, parse_size, print_size};
use aplomb_core::Bytes;

/// All limits of a service, as the one table they are written in.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Limits {
    rlimits: Vec<Limit>,
    resources: Resources,
}

impl Limits {
    pub(super) fn of(process: &Process) -> Limits {
        Limits {
            rlimits: process.limits.clone(),
            resources: process.resources,
        }
    }

    pub(super) fn put(self, process: &mut Process) {
        process.limits = self.rlimits;
        process.resources = self.resources;
    }
}

impl Section for Resources {
    const KEYS: &'static [Key<Resources>] = &[
        Key {
            name: "memory",
            doc: "Memory of the whole tree; above it something is killed",
            slot: at!(memory_max),
        },
        Key {
            name: "memory-high",
            doc: "Above this the tree is slowed down and its memory taken back",
            slot: at!(memory_high),
        },
        Key {
            name: "cpu",
            doc: "Processor time of the whole tree: \"50%\" is half a processor, \"200%\" two",
            slot: &Via {
                get: |resources: &Resources| resources.cpu_max.map(Cpu),
                set: |resources, cpu: Option<Cpu>| resources.cpu_max = cpu.map(|cpu| cpu.0),
            },
        },
        Key {
            name: "cpu-weight",
            doc: "Share of the processors against others, 1 to 10000; everybody has 100",
            slot: at!(cpu_weight),
        },
        Key {
            name: "pids",
            doc: "Processes and threads of the whole tree",
            slot: at!(pids_max),
        },
    ];

    fn initial() -> Resources {
        Resources::default()
    }
}

/// Thousandths of a processor, written as per cent.
struct Cpu(u32);

impl TextForm for Cpu {
    const SHAPE: Shape = Shape::pattern("a share such as \"50%\"", r"^[0-9]+(\.[0-9])?%$");

    fn parse(text: &str) -> Result<Cpu, String> {
        let number = text.strip_suffix('%').ok_or("it does not end in `%`")?;
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u32 = whole
            .parse()
            .map_err(|_| format!("`{number}` is no number"))?;
        let tenth = match tenth.as_bytes() {
            [digit @ b'0'..=b'9'] => u32::from(digit - b'0'),
            _ => return Err("it has more than one decimal".into()),
        };
        let thousandths = whole.checked_mul(10).and_then(|cpu| cpu.checked_add(tenth));
        match thousandths {
            Some(cpu @ 1..) => Ok(Cpu(cpu)),
            Some(0) => Err("nothing could run".into()),
            None => Err("it is out of range".into()),
        }
    }

    fn print(&self) -> String {
        match self.0 % 10 {
            0 => format!("{}%", self.0 / 10),
            tenth => format!("{}.{tenth}%", self.0 / 10),
        }
    }
}

impl Blank for Cpu {
    fn blank() -> Cpu {
        Cpu(1)
    }
}

/// Whether a resource is counted in bytes, so that sizes make sense for it.
fn in_bytes(resource: LimitedResource) -> bool {
    match resource {
        LimitedResource::FileSize
        | LimitedResource::Data
        | LimitedResource::Stack
        | LimitedResource::Core
        | LimitedResource::ResidentSet
        | LimitedResource::AddressSpace
        | LimitedResource::LockedMemory
        | LimitedResource::MessageQueues => true,
        LimitedResource::Cpu
        | LimitedResource::OpenFiles
        | LimitedResource::Processes
        | LimitedResource::FileLocks
        | LimitedResource::PendingSignals
        | LimitedResource::Nice
        | LimitedResource::RealTimePriority
        | LimitedResource::RealTimeMicros => false,
    }
}

fn takes(resource: LimitedResource) -> &'static str {
    if in_bytes(resource) {
        "a size such as \"64MiB\", \"SOFT:HARD\" or \"none\""
    } else {
        "a whole number, \"SOFT:HARD\" or \"none\""
    }
}

fn parse_one(resource: LimitedResource, text: &str) -> Result<Option<u64>, String> {
    let text = text.trim();
    if text == NONE {
        return Ok(None);
    }
    if in_bytes(resource) {
        return match parse_size(text) {
            Ok(size) => Ok(Some(size.0)),
            Err(why) => Err(why.to_string()),
        };
    }
    let number = text.parse();
    number
        .map(Some)
        .map_err(|_| format!("`{text}` is no whole number"))
}

fn print_one(resource: LimitedResource, value: Option<u64>) -> String {
    match value {
        None => NONE.into(),
        Some(bytes) if in_bytes(resource) => print_size(Bytes(bytes)),
        Some(count) => count.to_string(),
    }
}

fn read_limit(
    resource: LimitedResource,
    node: &Node<'_>,
    reader: &mut Reader<'_>,
) -> Option<Limit> {
    let takes = takes(resource);
    let values = match integer_of(node).and_then(|number| u64::try_from(number).ok()) {
        Some(number) => Ok((Some(number), Some(number))),
        None => {
            let text = reader.text(node, takes)?;
            let (soft, hard) = text.split_once(':').unwrap_or((&text, &text));
            parse_one(resource, soft)
                .and_then(|soft| parse_one(resource, hard).map(|hard| (soft, hard)))
        }
    };
    match values {
        Ok((soft, hard)) if soft.unwrap_or(u64::MAX) <= hard.unwrap_or(u64::MAX) => Some(Limit {
            resource,
            soft,
            hard,
        }),
        Ok(_) => {
            reader.bad(node, "the soft limit is above the hard one", takes);
            None
        }
        Err(why) => {
            reader.bad(node, why, takes);
            None
        }
    }
}

fn write_limit(limit: &Limit) -> Value {
    let soft = print_one(limit.resource, limit.soft);
    if limit.soft == limit.hard {
        match limit.soft.map(i64::try_from) {
            Some(Ok(count)) if !in_bytes(limit.resource) => Value::Integer(count),
            Some(_) | None => Value::Text(soft),
        }
    } else {
        Value::Text(format!("{soft}:{}", print_one(limit.resource, limit.hard)))
    }
}

impl Form for Limits {
    fn shape() -> Shape {
        let mut rows = facts::<Resources>();
        rows.extend(LimitedResource::ALL.iter().map(|(resource, name, _)| Fact {
            name,
            doc: "A limit on every single process, see setrlimit(2)",
            shape: Shape::named(
                takes(*resource),
                Shape::AnyOf(vec![
                    Shape::Integer {
                        min: 0,
                        max: i64::MAX,
                    },
                    Shape::text(takes(*resource)),
                ]),
            ),
            default: Value::Absent,
        }));
        Shape::Table(Table {
            short: None,
            facts: rows,
        })
    }

    fn read(&mut self, node: &Node<'_>, reader: &mut Reader<'_>) {
        let Some(table) = table_of(node) else {
            return reader.wrong(node, "a table such as { open-files = 65536 }");
        };
        for (name, node) in table {
            let rlimit = LimitedResource::ALL
                .iter()
                .find(|(_, known, _)| known == name.get_ref());
            let group = Resources::KEYS
                .iter()
                .find(|key| key.name == name.get_ref());
            match (rlimit, group) {
                (Some((resource, known, _)), _) => {
                    if let Some(limit) =
                        reader.below(known, |reader| read_limit(*resource, node, reader))
                    {
                        self.rlimits.retain(|known| known.resource != *resource);
                        self.rlimits.push(limit);
                    }
                }
                (None, Some(key)) => reader.below(key.name, |reader| {
                    key.slot.read(&mut self.resources, node, reader);
                }),
                (None, None) => unknown(name.get_ref(), name.span(), reader),
            }
        }
        self.rlimits.sort_by_key(|limit| limit.resource);
        check_weight(&self.resources, table.get("cpu-weight"), reader);
    }

    fn write(&self) -> Value {
        let mut entries = write_changed(&self.resources);
        for (resource, name, _) in LimitedResource::ALL {
            let limit = self
                .rlimits
                .iter()
                .find(|limit| limit.resource == *resource);
            entries.extend(limit.map(|limit| ((*name).into(), write_limit(limit))));
        }
        Value::Table(entries)
    }
}

fn check_weight(resources: &Resources, node: Option<&Node<'_>>, reader: &mut Reader<'_>) {
    if let (Some(0 | 10_001..), Some(node)) = (resources.cpu_weight, node) {
        reader.bad(
            node,
            "the weight is out of range",
            "a number from 1 to 10000",
        );
    }
}

fn unknown(name: &str, span: std::ops::Range<usize>, reader: &mut Reader<'_>) {
    let known = LimitedResource::ALL
        .iter()
        .map(|(_, known, _)| *known)
        .chain(Resources::KEYS.iter().map(|key| key.name));
    let action = match nearest(name, known) {
        Some(known) => format!("write `{known}`"),
        None => "remove it, or see `aplomb schema` for the limits there are".into(),
    };
    reader.refuse(span, format!("there is no limit `{name}`"), action);
}
