//! Circles of transactions, each of which must come before the next: strongly connected parts (Tarjan 1972, without
//! recursion), and in each the shortest circle.
//!
//! Invariants: the search for the shortest circle has a budget; when it is spent, a longer one is told.

use std::collections::VecDeque;

use super::graph::{Edge, Graph, Why};

/// Steps of all searches for short circles.
const STEPS: u64 = 20_000_000;

/// A circle: each edge begins where the one before it ends, and the last ends where the first begins.
pub(super) type Circle = Vec<Edge>;

/// One circle for each part of the graph that has any, of the strongest kind: by writes alone, then with what was seen, then
/// with one that was not seen, then with several.
pub(super) fn circles(graph: &Graph) -> Vec<Circle> {
    let mut search = Search { graph, steps: STEPS, is_told: vec![false; graph.nodes()] };
    let mut found = Vec::new();
    for most in [Why::Ww, Why::Wr, Why::Rw] {
        for part in parts(graph, most) {
            if part.iter().all(|&node| !search.is_told[node as usize]) {
                found.extend(search.shortest(&part, most));
                for node in part {
                    search.is_told[node as usize] = true;
                }
            }
        }
    }
    found
}

/// Parts of more than one node in which each reaches each by edges up to `most`.
fn parts(graph: &Graph, most: Why) -> Vec<Vec<u32>> {
    const UNSEEN: u32 = u32::MAX;
    let nodes = graph.nodes();
    let (mut index, mut low) = (vec![UNSEEN; nodes], vec![0_u32; nodes]);
    let mut is_open = vec![false; nodes];
    let (mut open, mut parts, mut next) = (Vec::new(), Vec::new(), 0);
    let mut path: Vec<(u32, usize)> = Vec::new();
    for root in 0..nodes as u32 {
        if index[root as usize] != UNSEEN {
            continue;
        }
        path.push((root, graph.leaving(root).start));
        while let Some(&mut (node, ref mut edge)) = path.last_mut() {
            let here = node as usize;
            if index[here] == UNSEEN {
                (index[here], low[here], is_open[here]) = (next, next, true);
                next += 1;
                open.push(node);
            }
            if *edge < graph.leaving(node).end {
                let Edge { to, why, .. } = graph.edges()[*edge];
                *edge += 1;
                if why > most {
                    continue;
                }
                if index[to as usize] == UNSEEN {
                    path.push((to, graph.leaving(to).start));
                } else if is_open[to as usize] {
                    low[here] = low[here].min(index[to as usize]);
                }
                continue;
            }
            path.pop();
            if let Some(&(parent, _)) = path.last() {
                low[parent as usize] = low[parent as usize].min(low[here]);
            }
            if low[here] == index[here] {
                let from = open.iter().rposition(|&one| one == node).unwrap_or(0);
                let part = open.split_off(from);
                for &one in &part {
                    is_open[one as usize] = false;
                }
                if part.len() > 1 {
                    parts.push(part);
                }
            }
        }
    }
    parts
}

struct Search<'a> {
    graph: &'a Graph,
    steps: u64,
    is_told: Vec<bool>,
}

impl Search<'_> {
    /// The shortest circle of a part; where reads that missed a write are needed, one with a single such read if there is one.
    fn shortest(&mut self, part: &[u32], most: Why) -> Option<Circle> {
        let mut inside = part.to_vec();
        inside.sort_unstable();
        let edges: Vec<Edge> = inside
            .iter()
            .flat_map(|&node| self.graph.leaving(node))
            .map(|at| self.graph.edges()[at])
            .filter(|edge| edge.why <= most && inside.binary_search(&edge.to).is_ok())
            .collect();
        let mut best: Option<Circle> = None;
        let single = if most == Why::Rw { Some(Why::Wr) } else { None };
        for along in single.into_iter().chain([most]) {
            // Every circle of this kind has such an edge; closing each is enough.
            for edge in edges.iter().filter(|edge| edge.why == most) {
                let limit = best.as_ref().map_or(usize::MAX, |best| best.len() - 1);
                if let Some(mut circle) = self.path(edge.to, edge.from, (along, limit), &inside) {
                    circle.insert(0, *edge);
                    best = Some(circle);
                }
                let is_shortest = best.as_ref().is_some_and(|best| best.len() == 2);
                let is_spent = self.steps == 0 && (best.is_some() || along != most);
                if is_shortest || is_spent {
                    break;
                }
            }
            if best.is_some() {
                return best;
            }
        }
        best
    }

    /// The shortest way inside a part by edges up to `along`, if it is shorter than `limit`.
    fn path(&mut self, from: u32, to: u32, (along, limit): (Why, usize), inside: &[u32]) -> Option<Circle> {
        let place = |node: u32| inside.binary_search(&node).ok();
        self.steps = self.steps.saturating_sub(inside.len() as u64);
        let mut came: Vec<Option<Edge>> = vec![None; inside.len()];
        let mut queue = VecDeque::from([(from, 0_usize)]);
        while let Some((node, far)) = queue.pop_front() {
            if node == to {
                return Some(way_back(&came, (from, to), place));
            }
            if far + 1 >= limit {
                continue;
            }
            for at in self.graph.leaving(node) {
                self.steps = self.steps.saturating_sub(1);
                let edge = self.graph.edges()[at];
                let Some(next) = place(edge.to).filter(|_| edge.why <= along) else { continue };
                if came[next].is_none() && edge.to != from {
                    came[next] = Some(edge);
                    queue.push_back((edge.to, far + 1));
                }
            }
        }
        None
    }
}

fn way_back(came: &[Option<Edge>], (from, to): (u32, u32), place: impl Fn(u32) -> Option<usize>) -> Circle {
    let mut way = Vec::new();
    let mut node = to;
    while node != from {
        let Some(edge) = place(node).and_then(|at| came[at]) else { break };
        node = edge.from;
        way.push(edge);
    }
    way.reverse();
    way
}
