//! The arrows between the rooms. Whoever needs a new one changes this table, and says why in `docs/decisions`.

use super::graph::{Graph, Origin, Package, Purpose};

/// Each room and the rooms its product may use. A room that is not here must not exist.
const ROOMS: [(&str, &[&str]); 13] = [
    ("kv-types", &[]),
    ("kv-store", &["kv-types"]),
    ("kv-coord", &["kv-types"]),
    ("kv-client", &["kv-types"]),
    ("kv-erp", &["kv-store", "kv-coord", "kv-types", "sandbox"]),
    ("stampede-model", &[]),
    ("stampede-engine", &["stampede-model", "sandbox"]),
    ("stampede-report", &["stampede-model"]),
    ("stampede-faulty", &[]),
    ("stampede", &["stampede-report", "stampede-engine", "stampede-model", "stampede-faulty"]),
    ("sandbox", &[]),
    ("deploy-check", &[]),
    ("xtask", &["deploy-check", "sandbox", "stampede-model"]),
];
/// Private servers, and the client that other programs use, for anybody's tests.
const FOR_TESTS: [&str; 2] = ["sandbox", "kv-client"];

/// Every arrow between two rooms that the table does not allow, and every room that it does not know.
pub(super) fn violations(graph: &Graph) -> Vec<String> {
    let ours = |package: &&Package| package.origin == Origin::Workspace;
    let unknown = graph.packages.iter().filter(ours).filter(|package| uses(&package.name).is_none());
    let mut found: Vec<String> = unknown
        .map(|package| format!("{} is not in the table of rooms; hint: xtask/src/deps/arrows.rs", package.name))
        .collect();
    for arrow in &graph.arrows {
        let (from, to) = (&graph.packages[arrow.from], &graph.packages[arrow.to]);
        if from.origin == Origin::Workspace && to.origin == Origin::Workspace && from.name != to.name {
            found.extend(objection(&from.name, &to.name, arrow.purpose));
        }
    }
    found
}

fn objection(from: &str, to: &str, purpose: Purpose) -> Option<String> {
    if from.starts_with("stampede") && to.starts_with("kv-") {
        return Some(format!(
            "{from} -> {to}: the bench knows a service by HTTP, SQL and Redis alone, in its tests too"
        ));
    }
    let allowed =
        uses(from).is_some_and(|uses| uses.contains(&to)) || (purpose == Purpose::Test && FOR_TESTS.contains(&to));
    (!allowed).then(|| format!("{from} -> {to}: not an arrow of this house"))
}

fn uses(room: &str) -> Option<&'static [&'static str]> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, uses)| *uses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objections(lines: &[&str]) -> Vec<String> {
        violations(&Graph::of(lines))
    }

    #[test]
    fn the_houses_own_arrows_pass() {
        let all: Vec<String> =
            ROOMS.iter().flat_map(|(from, uses)| uses.iter().map(move |to| format!("{from} -> {to}"))).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(objections(&all), Vec::<String>::new());
        assert!(!all.is_empty());
    }

    #[test]
    fn anybody_may_test_with_the_sandbox_but_not_ship_it() {
        assert_eq!(
            objections(&["kv-erp ~> kv-client", "kv-store ~> sandbox", "stampede ~> sandbox", "kv-types ~> sandbox"]),
            Vec::<String>::new()
        );
        assert_eq!(objections(&["stampede -> sandbox"]), ["stampede -> sandbox: not an arrow of this house"]);
    }

    #[test]
    fn a_forbidden_arrow_is_found_among_good_ones() {
        let found = objections(&[
            "kv-erp -> kv-store",
            "kv-store -> kv-coord",
            "kv-store -> kv-types",
            "kv-types -> serde@1.0.0",
        ]);
        assert_eq!(found, ["kv-store -> kv-coord: not an arrow of this house"]);
    }

    #[test]
    fn the_bench_never_knows_the_service() {
        for line in ["stampede ~> kv-erp", "stampede-engine -> kv-types", "stampede-model ~> kv-types"] {
            let found = objections(&[line]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("HTTP, SQL and Redis alone"), "{found:?}");
        }
    }

    #[test]
    fn a_room_without_a_place_in_the_table_is_found() {
        let found = objections(&["kv-utils -> kv-types"]);
        assert!(found[0].starts_with("kv-utils is not in the table"), "{found:?}");
    }
}
