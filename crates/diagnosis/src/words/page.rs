//! The answer on a page, for people: a sentence, the chain to the cause, what it rests on, one thing to do.

use std::collections::BTreeMap;

use super::clause::doing;
use super::{advice, count, duration, list, plain, sentence, who};
use crate::judge::{Finding, Judgement, Step};
use crate::scene::{Frame, Scene, Thread};

/// As many lines of evidence as a person reads.
const MOST_EVIDENCE: usize = 8;
const MOST_OTHERS: usize = 4;

/// The page. `name` is what the one who asks calls the process.
pub(crate) fn page(scene: &Scene, judgement: &Judgement, name: &str) -> String {
    let main = &judgement.main;
    let mut page = format!(
        "{}  [{}, {}]\n",
        sentence(scene, judgement, name),
        main.kind.name(),
        main.strength.name()
    );
    if let (Some(root), true) = (main.root(), main.kind.is_stuck()) {
        line(&mut page, "root", &who(scene, root));
    }
    if main.chain.len() > 1 {
        chain(&mut page, scene, main);
    }
    if !main.cycle.is_empty() {
        let members: Vec<String> = main.cycle.iter().map(|member| who(scene, member)).collect();
        line(
            &mut page,
            "circle",
            &format!("{} → {}", members.join(" → "), members[0]),
        );
    }
    for (nth, evidence) in main.evidence.iter().take(MOST_EVIDENCE).enumerate() {
        let label = if nth == 0 { "evidence" } else { "" };
        line(
            &mut page,
            label,
            &format!("{}: {}", evidence.source, plain(&evidence.text)),
        );
    }
    if let Some(advice) = advice(main) {
        line(&mut page, "do", &advice);
    }
    for (nth, other) in judgement.others.iter().take(MOST_OTHERS).enumerate() {
        let label = if nth == 0 { "also" } else { "" };
        let root = other
            .root()
            .map_or_else(String::new, |root| format!(": {}", who(scene, root)));
        line(
            &mut page,
            label,
            &format!("{} ({}){root}", other.kind.name(), other.strength.name()),
        );
    }
    for (nth, unseen) in scene.unseen.iter().enumerate() {
        let label = if nth == 0 { "unseen" } else { "" };
        line(&mut page, label, &plain(unseen));
    }
    line(&mut page, "checked", &checked(scene));
    page
}

fn line(page: &mut String, label: &str, text: &str) {
    page.push_str(&format!("  {label:<9}{text}\n"));
}

fn chain(page: &mut String, scene: &Scene, finding: &Finding) {
    for (nth, step) in finding.chain.iter().enumerate() {
        let label = if nth == 0 { "chain" } else { "" };
        let arrow = if nth == 0 { "" } else { "→ " };
        let indent = "  ".repeat(nth);
        line(
            page,
            label,
            &format!("{indent}{arrow}{}", step_words(scene, step)),
        );
    }
}

fn step_words(scene: &Scene, step: &Step) -> String {
    let mut text = who(scene, &step.who);
    if let Some((pid, Some(tid))) = step.who.actor()
        && let Some(thread) = scene.thread(pid, tid)
    {
        text.push_str(&format!(" {}", doing(scene, thread)));
        if let Some(function) = thread.function() {
            text.push_str(&format!(" in `{}`", plain(function)));
        }
    }
    text
}

fn checked(scene: &Scene) -> String {
    format!(
        "{}, {}, {}, {}; nothing was stopped or signalled",
        count(scene.snapshots as usize, "snapshot", "snapshots"),
        count(scene.threads(), "thread", "threads"),
        count(scene.processes.len(), "process", "processes"),
        duration(scene.took)
    )
}

/// Every thread that was looked at, those with the same wait and stack together.
pub(crate) fn raw(scene: &Scene) -> String {
    let mut page = String::new();
    for (pid, process) in &scene.processes {
        page.push_str(&format!(
            "{} parent {}, {}\n",
            super::process(scene, *pid),
            process.parent,
            count(process.threads.len(), "thread", "threads")
        ));
        let mut groups: BTreeMap<(String, Vec<String>), Vec<String>> = BTreeMap::new();
        for thread in &process.threads {
            let key = (
                state(scene, thread),
                thread.frames.iter().map(frame).collect(),
            );
            let name = format!("`{}` ({})", plain(&thread.name), thread.tid);
            groups.entry(key).or_default().push(name);
        }
        for ((state, frames), names) in groups {
            page.push_str(&format!("  {}: {state}\n", list(&names)));
            for frame in frames {
                page.push_str(&format!("      {frame}\n"));
            }
        }
    }
    page
}

fn state(scene: &Scene, thread: &Thread) -> String {
    let call = thread
        .evidence
        .first()
        .map_or_else(String::new, |line| format!("; {}", plain(&line.text)));
    format!("{}{call}", doing(scene, thread))
}

fn frame(frame: &Frame) -> String {
    let function = frame.function.as_deref().unwrap_or("?");
    let module = frame
        .module
        .as_deref()
        .map_or_else(String::new, |module| format!(" ({module})"));
    let line = frame
        .line
        .as_deref()
        .map_or_else(String::new, |line| format!(" at {line}"));
    format!(
        "{:#x} {}{}{}",
        frame.address,
        plain(function),
        plain(&module),
        plain(&line)
    )
}
