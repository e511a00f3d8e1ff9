//! The graph in the language of Graphviz.

use super::{plain, who};
use crate::graph::{Graph, Node, Relation};
use crate::judge::Judgement;
use crate::scene::Scene;
use crate::verdict::Strength;

/// The whole graph; what is on the chain to the cause is bold, the cause itself red.
pub(crate) fn dot(scene: &Scene, graph: &Graph, judgement: &Judgement) -> String {
    let mut text =
        String::from("digraph why {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n");
    let main = &judgement.main;
    let on_chain = |node: &Node| {
        main.chain
            .iter()
            .any(|step| step.who == *node || step.through.as_ref() == Some(node))
    };
    for (place, node) in graph.nodes().iter().enumerate() {
        let shape = match node {
            Node::Thread { .. } | Node::Process { .. } => "box",
            Node::Outside { .. } => "house",
            Node::Lock { .. }
            | Node::Event { .. }
            | Node::Connection { .. }
            | Node::Pipe { .. }
            | Node::File { .. } => "ellipse",
        };
        let look = match (main.root() == Some(node), on_chain(node)) {
            (true, _) => ", color=red, penwidth=2",
            (false, true) => ", penwidth=2",
            (false, false) => "",
        };
        let label = quoted(&who(scene, node));
        text.push_str(&format!(
            "  n{place} [label={label}, shape={shape}{look}];\n"
        ));
    }
    for edge in graph.edges() {
        let style = match edge.strength {
            Strength::Certain => "solid",
            Strength::Strong => "dashed",
            Strength::Weak => "dotted",
        };
        let label = match edge.relation {
            Relation::WaitsFor => "waits for",
            Relation::HeldBy => "held by",
            Relation::ServedBy => "served by",
            Relation::Joins => "joins",
            Relation::ChildOf => "waits for child",
            Relation::WorksIn => "works in",
        };
        text.push_str(&format!(
            "  n{} -> n{} [label=\"{label}\", style={style}];\n",
            edge.from, edge.to
        ));
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    let text = plain(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}
