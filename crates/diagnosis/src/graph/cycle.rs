//! Circles of waits: the strongly connected parts of the graph, by Tarjan's algorithm without recursion.

use super::Graph;
use crate::verdict::Strength;

/// The circles along edges of at least this strength, each as the places of its nodes in the order they wait, beginning
/// with the lowest. Of a part with several circles one is told.
pub fn cycles(graph: &Graph, least: Strength) -> Vec<Vec<usize>> {
    let mut search = Search {
        graph,
        least,
        marks: vec![None; graph.nodes().len()],
        open: Vec::new(),
        is_open: vec![false; graph.nodes().len()],
        next: 0,
        parts: Vec::new(),
    };
    for start in 0..graph.nodes().len() {
        if search.marks[start].is_none() {
            search.visit(start);
        }
    }
    let parts = std::mem::take(&mut search.parts);
    let mut circles: Vec<Vec<usize>> = parts
        .iter()
        .filter_map(|part| search.circle_within(part))
        .collect();
    circles.sort();
    circles
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    order: usize,
    low: usize,
}

struct Search<'a> {
    graph: &'a Graph,
    least: Strength,
    marks: Vec<Option<Mark>>,
    open: Vec<usize>,
    is_open: Vec<bool>,
    next: usize,
    parts: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn targets(&self, place: usize) -> Vec<usize> {
        let strong = self
            .graph
            .from(place)
            .filter(|edge| edge.strength >= self.least);
        strong.map(|edge| edge.to).collect()
    }

    fn enter(&mut self, place: usize) {
        self.marks[place] = Some(Mark {
            order: self.next,
            low: self.next,
        });
        self.next += 1;
        self.open.push(place);
        self.is_open[place] = true;
    }

    fn visit(&mut self, start: usize) {
        self.enter(start);
        let mut path = vec![(start, self.targets(start).into_iter())];
        while let Some((place, targets)) = path.last_mut() {
            let place = *place;
            match targets.next() {
                Some(target) => match self.marks[target] {
                    None => {
                        self.enter(target);
                        path.push((target, self.targets(target).into_iter()));
                    }
                    Some(mark) if self.is_open[target] => self.lower(place, mark.order),
                    Some(_) => {}
                },
                None => {
                    path.pop();
                    let low = self.leave(place);
                    if let Some((parent, _)) = path.last() {
                        self.lower(*parent, low);
                    }
                }
            }
        }
    }

    fn lower(&mut self, place: usize, low: usize) {
        if let Some(mark) = &mut self.marks[place] {
            mark.low = mark.low.min(low);
        }
    }

    /// Closes a node; if it is the first of its part, the part is whole.
    fn leave(&mut self, place: usize) -> usize {
        let Some(mark) = self.marks[place] else {
            return usize::MAX;
        };
        if mark.low == mark.order {
            let mut part = Vec::new();
            while let Some(member) = self.open.pop() {
                self.is_open[member] = false;
                part.push(member);
                if member == place {
                    break;
                }
            }
            self.parts.push(part);
        }
        mark.low
    }

    /// One circle through a part: from its lowest member along the part until a node comes twice.
    fn circle_within(&self, part: &[usize]) -> Option<Vec<usize>> {
        let start = *part.iter().min()?;
        let mut path = vec![start];
        loop {
            let last = *path.last()?;
            let mut inside = self
                .targets(last)
                .into_iter()
                .filter(|to| part.contains(to));
            let next = inside.next()?;
            if let Some(again) = path.iter().position(|place| *place == next) {
                let mut circle = path.split_off(again);
                let lowest = circle
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, place)| **place)?
                    .0;
                circle.rotate_left(lowest);
                return Some(circle);
            }
            path.push(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Node, Relation};
    use super::*;

    fn thread(tid: u32) -> Node {
        Node::Thread { pid: 1, tid }
    }

    fn graph(edges: &[(u32, u32, Strength)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to, strength) in edges {
            graph.edge(thread(*from), thread(*to), Relation::Joins, *strength);
        }
        graph
    }

    use Strength::{Certain, Strong, Weak};

    #[test]
    fn a_circle_is_found_and_its_order_kept() {
        let graph = graph(&[
            (9, 1, Certain),
            (1, 2, Certain),
            (2, 3, Strong),
            (3, 1, Certain),
        ]);
        let place = |tid| graph.place(&thread(tid)).expect("a place");
        assert_eq!(cycles(&graph, Strong), [vec![place(1), place(2), place(3)]]);
        assert!(cycles(&graph, Certain).is_empty());
    }

    #[test]
    fn chains_and_diamonds_are_no_circles() {
        let graph = graph(&[
            (1, 2, Certain),
            (1, 3, Certain),
            (2, 4, Certain),
            (3, 4, Certain),
        ]);
        assert!(cycles(&graph, Weak).is_empty());
    }

    #[test]
    fn a_node_that_waits_for_itself_is_a_circle() {
        let graph = graph(&[(1, 1, Certain), (2, 1, Certain)]);
        assert_eq!(cycles(&graph, Weak), [vec![0]]);
    }

    #[test]
    fn two_circles_apart_are_two() {
        let graph = graph(&[
            (1, 2, Certain),
            (2, 1, Certain),
            (3, 4, Weak),
            (4, 3, Certain),
        ]);
        assert_eq!(cycles(&graph, Weak).len(), 2);
        assert_eq!(cycles(&graph, Strong).len(), 1);
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let edges: Vec<_> = (0..200_000).map(|tid| (tid, tid + 1, Certain)).collect();
        assert!(cycles(&graph(&edges), Weak).is_empty());
    }
}
