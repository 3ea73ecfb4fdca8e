//! Who must come before whom: the edges that the versions of the rows prove.
//!
//! Write to write (`ww`): a later version of a row. Write to read (`wr`): a snapshot shows that version or one after it. Read
//! to write (`rw`): a snapshot does not show the version. An order reads and writes its rows at one moment, so that its own
//! reads add nothing.
//! Absent on purpose: edges of real time. Each row's versions are held against the clock by themselves.

use super::rows::Row;
use super::typed::Transaction;

/// Why one must come before another, weakest rule last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// The other wrote a later version.
    Ww,
    /// The other saw its version.
    Wr,
    /// The other wrote a version that it did not see.
    Rw,
}

/// One edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) why: Why,
    pub(super) row: u32,
    /// The version that `from` made or saw.
    pub(super) version: i64,
}

/// The edges, by where they begin.
#[derive(Debug)]
pub(super) struct Graph {
    first: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    pub(super) fn of(nodes: usize, mut edges: Vec<Edge>) -> Self {
        edges.retain(|edge| edge.from != edge.to);
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.why));
        let mut first = vec![0_u32; nodes + 1];
        for edge in &edges {
            first[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        Self { first, edges }
    }

    pub(super) fn nodes(&self) -> usize {
        self.first.len() - 1
    }

    pub(super) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The numbers of the edges that leave a node.
    pub(super) fn leaving(&self, node: u32) -> std::ops::Range<usize> {
        self.first[node as usize] as usize..self.first[node as usize + 1] as usize
    }
}

/// The graph of all transactions that took effect or were seen.
pub(super) fn graph(transactions: &[Transaction], rows: &[Row<'_>]) -> Graph {
    let mut edges = Vec::new();
    for (row, one) in rows.iter().enumerate() {
        let mut writer: Option<(u32, i64)> = None;
        let mut sights: Vec<(u32, i64)> = Vec::new();
        for slot in 0..one.order.len() {
            let version = one.order.version(slot);
            if let Some(at) = one.order.update(slot) {
                let to = one.touches[at].at;
                let edge = |(from, version), why| Edge { from, to, why, row: row as u32, version };
                edges.extend(writer.map(|from| edge(from, Why::Ww)));
                edges.extend(sights.drain(..).map(|from| edge(from, Why::Rw)));
                writer = Some((to, version));
            }
            for &at in one.order.looks(slot) {
                let to = one.touches[at as usize].at;
                if let Some((from, version)) = writer {
                    edges.push(Edge { from, to, why: Why::Wr, row: row as u32, version });
                }
                sights.push((to, version));
            }
        }
    }
    Graph::of(transactions.len(), edges)
}
