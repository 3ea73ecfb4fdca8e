//! The packages of the workspace and who depends on whom, as far as the rules need it.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// The platform that is shipped; other platforms' packages are not built, and so not judged.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// One version of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    pub(crate) origin: Origin,
}

/// Whose package it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Workspace,
    Outside,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// It is part of what is built, or of building it.
    Product,
    /// Tests only.
    Test,
}

/// One dependency; the ends are places in [`Graph::packages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) purpose: Purpose,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    pub(crate) arrows: BTreeSet<Arrow>,
}

impl Graph {
    /// Asks cargo, with the lock file as it is.
    pub(crate) fn of_this_workspace() -> Result<Self> {
        // What is shipped with this feature is judged like the rest.
        let options =
            ["--locked", "--filter-platform", PLATFORM, "--features", "stampede/kubernetes"].map(str::to_owned);
        let metadata = MetadataCommand::new().other_options(options).exec().context("cargo metadata")?;
        let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
        let mut graph = Self::default();
        let mut places = HashMap::new();
        for node in &resolve.nodes {
            let package =
                metadata.packages.iter().find(|package| package.id == node.id).context("an unknown package")?;
            let ours = metadata.workspace_members.contains(&package.id);
            places.insert(&node.id, graph.packages.len());
            graph.packages.push(Package {
                name: package.name.to_string(),
                version: package.version.to_string(),
                licence: package.license.clone(),
                origin: if ours { Origin::Workspace } else { Origin::Outside },
            });
        }
        for node in &resolve.nodes {
            for dependency in &node.deps {
                for kind in &dependency.dep_kinds {
                    let purpose =
                        if kind.kind == DependencyKind::Development { Purpose::Test } else { Purpose::Product };
                    graph.arrows.insert(Arrow { from: places[&node.id], to: places[&dependency.pkg], purpose });
                }
            }
        }
        Ok(graph)
    }

    /// What the workspace's products are made of: everything reachable from it without a step that is for tests only.
    pub(crate) fn in_products(&self) -> BTreeSet<usize> {
        let ours = |place: &usize| self.packages[*place].origin == Origin::Workspace;
        let mut reached: BTreeSet<usize> = (0..self.packages.len()).filter(ours).collect();
        let mut open: Vec<usize> = reached.iter().copied().collect();
        while let Some(from) = open.pop() {
            let next = self.arrows.iter().filter(|arrow| arrow.from == from && arrow.purpose == Purpose::Product);
            open.extend(next.map(|arrow| arrow.to).filter(|to| reached.insert(*to)));
        }
        reached
    }
}

#[cfg(test)]
pub(crate) mod fabricated {
    use super::*;

    impl Graph {
        /// Adds a package of the workspace, or one from outside when it has a version: `name@1.2.3`.
        pub(crate) fn add(&mut self, package: &str) -> usize {
            let (name, version, origin) = match package.split_once('@') {
                Some((name, version)) => (name, version, Origin::Outside),
                None => (package, "0.1.0", Origin::Workspace),
            };
            let known = self.packages.iter().position(|known| known.name == name && known.version == version);
            known.unwrap_or_else(|| {
                let licence = Some("MIT".to_owned());
                self.packages.push(Package { name: name.to_owned(), version: version.to_owned(), licence, origin });
                self.packages.len() - 1
            })
        }

        /// A graph of `"a -> b"` (product) and `"a ~> b"` (test) lines.
        pub(crate) fn of(lines: &[&str]) -> Self {
            let mut graph = Self::default();
            for line in lines {
                let [from, arrow, to] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("not an arrow: {line}") };
                let purpose = if arrow == "->" { Purpose::Product } else { Purpose::Test };
                let (from, to) = (graph.add(from), graph.add(to));
                graph.arrows.insert(Arrow { from, to, purpose });
            }
            graph
        }
    }

    #[test]
    fn what_only_tests_reach_is_in_no_product() {
        let graph = Graph::of(&["kv-erp -> axum@0.8.0", "axum@0.8.0 -> tower@0.5.0", "kv-erp ~> insta@1.0.0"]);
        let names: Vec<&str> =
            graph.in_products().into_iter().map(|place| graph.packages[place].name.as_str()).collect();
        assert_eq!(names, ["kv-erp", "axum", "tower"]);
    }
}
