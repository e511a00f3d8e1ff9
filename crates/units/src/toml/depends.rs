//! Names of other services, and conditions on the machine.

use std::collections::BTreeSet;

use aplomb_core::spec::{Condition, ConditionKind, Depends, Moment};

use super::form::{Blank, Form, TextForm, Word, word_form};
use super::hooks::{Hooks, table_shape};
use super::key::{Extent, Slot};
use super::reader::{Node, Reader, array_of, table_of, text_of};
use super::service::Service;
use super::shape::Shape;
use super::value::Value;
use crate::source::Field;

/// A list of names of services; where each was said is remembered for later checks.
pub(super) struct Names {
    pub(super) field: Field,
    pub(super) get: fn(&Depends) -> &Vec<String>,
    pub(super) get_mut: fn(&mut Depends) -> &mut Vec<String>,
}

/// The slot of a list of names.
macro_rules! names {
    ($field:ident, $at:ident) => {
        &Names {
            field: Field::$field,
            get: |depends| &depends.$at,
            get_mut: |depends| &mut depends.$at,
        }
    };
}
pub(super) use names;

const TAKES: &str = "the name of a service, or an array of names";

fn shape() -> Shape {
    Shape::one_or_more(Shape::text("the name of a service"))
}

fn read_names(field: Field, node: &Node<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for item in array_of(node).unwrap_or(std::slice::from_ref(node)) {
        let Some(name) = reader.text(item, TAKES) else {
            continue;
        };
        if !seen.insert(name.clone()) {
            let message = format!("`{}` names `{name}` twice", reader.key());
            reader.warn(item.span(), message, "remove one of them");
            continue;
        }
        reader.say(field, &name, item.span());
        names.push(name);
    }
    names
}

impl Slot<Service> for Names {
    fn shape(&self) -> Shape {
        shape()
    }

    fn read(&self, service: &mut Service, node: &Node<'_>, reader: &mut Reader<'_>) {
        *(self.get_mut)(&mut service.spec.depends) = read_names(self.field, node, reader);
    }

    fn write(&self, service: &Service, _extent: Extent) -> Value {
        (self.get)(&service.spec.depends).write()
    }
}

/// `on-failure`: services to start, and commands to run, which are hooks at the moment of failure.
pub(super) struct OnFailure;

impl Slot<Service> for OnFailure {
    fn shape(&self) -> Shape {
        let one = Shape::AnyOf(vec![Shape::text("the name of a service"), table_shape()]);
        Shape::one_or_more(one)
    }

    fn read(&self, service: &mut Service, node: &Node<'_>, reader: &mut Reader<'_>) {
        service.spec.depends.on_failure.clear();
        for item in array_of(node).unwrap_or(std::slice::from_ref(node)) {
            if table_of(item).is_some() {
                let mut hooks = Hooks::default();
                hooks.read_moment(Moment::Failed, item, reader);
                service.failure_hooks.extend(hooks.0);
            } else if text_of(item).is_some() {
                let names = read_names(Field::OnFailure, item, reader);
                service.spec.depends.on_failure.extend(names);
            } else {
                reader.wrong(item, "names of services, or { command = [\"PROGRAM\"] }");
            }
        }
    }

    fn write(&self, service: &Service, _extent: Extent) -> Value {
        service.spec.depends.on_failure.write()
    }
}

word_form!(ConditionKind,
    ConditionKind::PathExists => "path-exists",
    ConditionKind::PathExistsGlob => "path-exists-glob",
    ConditionKind::PathIsDirectory => "path-is-directory",
    ConditionKind::PathIsSymbolicLink => "path-is-symbolic-link",
    ConditionKind::PathIsMountPoint => "path-is-mount-point",
    ConditionKind::PathIsReadWrite => "path-is-read-write",
    ConditionKind::DirectoryNotEmpty => "directory-not-empty",
    ConditionKind::FileNotEmpty => "file-not-empty",
    ConditionKind::FileIsExecutable => "file-is-executable",
    ConditionKind::Environment => "environment",
    ConditionKind::User => "user",
    ConditionKind::Group => "group",
    ConditionKind::Host => "host",
    ConditionKind::Architecture => "architecture",
    ConditionKind::Virtualization => "virtualization",
    ConditionKind::KernelCommandLine => "kernel-command-line",
    ConditionKind::KernelVersion => "kernel-version",
    ConditionKind::Capability => "capability",
    ConditionKind::Cpus => "cpus",
    ConditionKind::Memory => "memory",
    ConditionKind::FirstBoot => "first-boot",
    ConditionKind::Security => "security",
    ConditionKind::AcPower => "ac-power",
    ConditionKind::ControlGroupController => "control-group-controller",
);

impl TextForm for Condition {
    const SHAPE: Shape = Shape::pattern(
        "a condition such as \"path-exists /etc/shop\", \"not user root\" or \"assert file-is-executable /usr/bin/x\"",
        "^((assert|any|not) )*[a-z-]+( .*)?$",
    );

    fn parse(text: &str) -> Result<Condition, String> {
        let mut rest = text.trim_start();
        let mut condition = Condition::blank();
        loop {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            match word {
                "assert" if !condition.assert => condition.assert = true,
                "any" if !condition.alternative => condition.alternative = true,
                "not" if !condition.negated => condition.negated = true,
                kind => {
                    condition.kind = ConditionKind::from_word(kind)
                        .ok_or_else(|| format!("`{kind}` is nothing that can be looked at"))?;
                    condition.parameter = after.into();
                    return Ok(condition);
                }
            }
            rest = after.trim_start();
        }
    }

    fn print(&self) -> String {
        let flags = [
            (self.assert, "assert "),
            (self.alternative, "any "),
            (self.negated, "not "),
        ];
        let flags: String = flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, word)| *word)
            .collect();
        format!("{flags}{} {}", self.kind.word(), self.parameter)
    }
}

impl Blank for Condition {
    fn blank() -> Condition {
        Condition {
            kind: ConditionKind::PathExists,
            parameter: String::new(),
            negated: false,
            alternative: false,
            assert: false,
        }
    }
}
