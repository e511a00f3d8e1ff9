//! `aplomb processes`: the process trees of services.

use std::collections::BTreeMap;

use aplomb_protocol::{Member, ServiceStatus};
use clap::Args;
use serde::Serialize;

use super::{Context, statuses};
use crate::failure::{Exit, Failure};
use crate::paint::{Paint, harmless};
use crate::ui::Form;

/// Show the process trees of services
///
/// Every process a service has begotten, however it was detached.
#[derive(Debug, Args)]
#[command(
    visible_alias = "ps",
    after_help = "\
Examples:
  aplomb processes
  aplomb processes web"
)]
pub(crate) struct Processes {
    /// Only of these services
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What is answered as JSON for one service.
#[derive(Debug, Serialize)]
struct Tree<'a> {
    service: &'a str,
    main: Option<u32>,
    members: &'a [Member],
}

impl Processes {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let mut client = context.connect()?;
        let services = statuses(&mut client, &self.names, true)?;
        match context.ui.form {
            Form::Json => {
                let trees: Vec<Tree<'_>> = services.iter().map(tree).collect();
                context.ui.answer_json(&trees)?;
            }
            Form::People => {
                let text = trees(&services, context.ui.paint);
                context.ui.answer(&text)?;
            }
        }
        Ok(Exit::Done)
    }
}

fn tree(status: &ServiceStatus) -> Tree<'_> {
    Tree {
        service: &status.service,
        main: status.pid,
        members: &status.members,
    }
}

fn trees(services: &[ServiceStatus], paint: Paint) -> String {
    let mut text = String::new();
    for status in services {
        let name = paint.strong(&harmless(&status.service));
        if status.members.is_empty() {
            text.push_str(&format!("{name}: no processes ({})\n", status.state.name()));
            continue;
        }
        text.push_str(&format!("{name}\n"));
        for line in tree_lines(&status.members, status.pid, paint) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// The members as a tree: each below its parent, those whose parent is not a member at the top.
pub(crate) fn tree_lines(members: &[Member], main: Option<u32>, paint: Paint) -> Vec<String> {
    let pids: Vec<u32> = members.iter().map(|member| member.pid).collect();
    let mut children: BTreeMap<Option<u32>, Vec<&Member>> = BTreeMap::new();
    for member in members {
        let known = pids.contains(&member.parent) && member.parent != member.pid;
        let parent = known.then_some(member.parent);
        children.entry(parent).or_default().push(member);
    }
    let mut lines = Vec::new();
    // What is still to be shown, the next one last, with its depth. A pid is shown once: removed when visited.
    let mut open: Vec<(&Member, usize)> = Vec::new();
    open.extend(
        children
            .remove(&None)
            .unwrap_or_default()
            .into_iter()
            .rev()
            .map(|top| (top, 0)),
    );
    while let Some((member, depth)) = open.pop() {
        lines.push(member_line(member, depth, main, paint));
        let below = children.remove(&Some(member.pid)).unwrap_or_default();
        open.extend(below.into_iter().rev().map(|child| (child, depth + 1)));
    }
    lines
}

fn member_line(member: &Member, depth: usize, main: Option<u32>, paint: Paint) -> String {
    let command = if member.command_line.is_empty() {
        format!("[{}]", member.name)
    } else {
        member.command_line.clone()
    };
    let mark = if main == Some(member.pid) {
        " (main)"
    } else {
        ""
    };
    format!(
        "{}{:>7} {} {}{}",
        "  ".repeat(depth),
        member.pid,
        paint.faint(&member.state.to_string()),
        harmless(&command),
        paint.faint(mark),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(pid: u32, parent: u32, command_line: &str) -> Member {
        Member {
            pid,
            parent,
            name: format!("p{pid}"),
            state: 'S',
            command_line: command_line.into(),
        }
    }

    #[test]
    fn children_stand_below_their_parents_and_strays_at_the_top() {
        let members = [
            member(10, 1, "web --serve"),
            member(30, 1, "double forked"),
            member(11, 10, ""),
            member(12, 11, "leaf"),
        ];
        assert_eq!(
            tree_lines(&members, Some(10), Paint::Plain),
            [
                "     10 S web --serve (main)",
                "       11 S [p11]",
                "         12 S leaf",
                "     30 S double forked",
            ]
        );
    }

    #[test]
    fn parents_in_a_circle_cannot_hang_us() {
        let members = [
            member(10, 11, "a"),
            member(11, 10, "b"),
            member(12, 12, "c"),
        ];
        assert_eq!(tree_lines(&members, None, Paint::Plain).len(), 1);
    }
}
