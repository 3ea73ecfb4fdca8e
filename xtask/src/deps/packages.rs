//! Packages that must not be there, and packages that are there twice.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, Origin};

/// Never, and why.
const BANNED: [(&str, &str); 4] = [
    ("chrono", "jiff is the house's time library, and two would disagree"),
    ("native-tls", "it needs the machine's OpenSSL"),
    ("openssl", "it needs the machine's OpenSSL"),
    ("openssl-sys", "it needs the machine's OpenSSL"),
];
/// Only in tests, and why.
const BANNED_FROM_PRODUCTS: [(&str, &str); 1] =
    [("reqwest", "it hides the connection and the moments that the bench measures")];
/// Packages that are there in two versions, and whom we wait for. Remove a line as soon as it is not needed.
const TWICE: [(&str, &str); 9] = [
    ("base64", "0.22 is wanted by tokio-postgres' protocol crate"),
    ("getrandom", "0.2 is wanted by ring, 0.3 by stateright's hasher, in tests"),
    ("hashbrown", "0.14 is wanted by stateright's map, in tests"),
    ("nom", "7 is wanted by serde_json_path"),
    ("rand", "0.9 is wanted by stateright, in tests"),
    ("rand_core", "0.9 is wanted by stateright's rand, in tests"),
    ("syn", "2 is wanted by the macros that have not moved to 3"),
    ("synstructure", "0.13 is wanted by the macros that have not moved to syn 3"),
    ("vte", "0.14 is wanted by strip-ansi-escapes, in tests"),
];

/// Every banned package, with the way it came in.
pub(super) fn banned(graph: &Graph) -> Vec<String> {
    let products = graph.in_products();
    let places = graph.packages.iter().enumerate();
    let judged = places.filter_map(|(place, package)| {
        let find =
            |list: &[(&str, &'static str)]| list.iter().find(|(name, _)| *name == package.name).map(|(_, why)| *why);
        let why = find(&BANNED).or_else(|| find(&BANNED_FROM_PRODUCTS).filter(|_| products.contains(&place)))?;
        let users: BTreeSet<&str> = graph
            .arrows
            .iter()
            .filter(|arrow| arrow.to == place)
            .map(|arrow| graph.packages[arrow.from].name.as_str())
            .collect();
        let users: Vec<&str> = users.into_iter().collect();
        Some(format!("{} (used by {}) is banned: {why}", package.name, users.join(", ")))
    });
    judged.collect()
}

/// Every package in two incompatible versions that the list does not excuse, and every excuse that is not needed any more.
pub(super) fn duplicates(graph: &Graph) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in graph.packages.iter().filter(|package| package.origin == Origin::Outside) {
        versions.entry(&package.name).or_default().insert(compatible(&package.version));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let excused = |name: &str| TWICE.iter().any(|(excused, _)| *excused == name);
    let unexcused = versions.iter().filter(|(name, _)| !excused(name)).map(|(name, versions)| {
        let versions: Vec<&str> = versions.iter().copied().collect();
        format!("{name} is there in versions {}; hint: cargo tree -d", versions.join(" and "))
    });
    let stale = TWICE.iter().filter(|(name, _)| !versions.contains_key(name));
    let stale =
        stale.map(|(name, _)| format!("{name} is excused in xtask/src/deps/packages.rs, but it is there once only"));
    unexcused.chain(stale).collect()
}

/// The part of a version that cargo keeps when it updates: `1`, `0.8`, `0.0.3`.
fn compatible(version: &str) -> &str {
    let digits = version.char_indices().filter(|(_, digit)| *digit == '.').map(|(at, _)| at);
    let leading_zeros = version.split('.').take_while(|part| *part == "0").count();
    digits.into_iter().nth(leading_zeros).map_or(version, |end| &version[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compatible_is_up_to_the_first_number_that_counts() {
        for (version, expected) in [("1.2.3", "1"), ("0.8.9", "0.8"), ("0.0.3", "0.0.3"), ("12.0.0-rc.1", "12")] {
            assert_eq!(compatible(version), expected, "{version}");
        }
    }

    #[test]
    fn a_banned_package_is_named_with_its_user() {
        let found = banned(&Graph::of(&["kv-erp -> tls@1.0.0", "tls@1.0.0 -> openssl@0.10.0"]));
        assert_eq!(found, ["openssl (used by tls) is banned: it needs the machine's OpenSSL"]);
        assert_eq!(banned(&Graph::of(&["kv-erp ~> chrono@0.4.0"])).len(), 1);
    }

    #[test]
    fn reqwest_is_for_tests_only() {
        assert_eq!(banned(&Graph::of(&["kv-erp ~> reqwest@0.13.0"])), Vec::<String>::new());
        assert_eq!(banned(&Graph::of(&["kv-erp -> sdk@1.0.0", "sdk@1.0.0 -> reqwest@0.13.0"])).len(), 1);
    }

    /// The excused packages in two versions each, so that no excuse is stale.
    fn excused() -> Vec<String> {
        TWICE
            .iter()
            .flat_map(|(name, _)| [format!("kv-erp -> {name}@1.0.0"), format!("kv-erp -> {name}@2.0.0")])
            .collect()
    }

    #[test]
    fn an_unexcused_duplicate_is_found_and_a_compatible_pair_is_not() {
        let mut lines = excused();
        assert_eq!(duplicates(&graph(&lines)), Vec::<String>::new());
        lines.extend(["kv-erp -> bytes@0.9.1".to_owned(), "kv-erp -> bytes@0.9.2".to_owned()]);
        assert_eq!(duplicates(&graph(&lines)), Vec::<String>::new());
        lines.push("kv-erp -> bytes@0.10.0".to_owned());
        assert_eq!(duplicates(&graph(&lines)), ["bytes is there in versions 0.10 and 0.9; hint: cargo tree -d"]);
    }

    #[test]
    fn an_excuse_that_nobody_needs_is_found() {
        let found = duplicates(&graph(&excused()[2..]));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains(TWICE[0].0) && found[0].contains("once only"), "{found:?}");
    }

    fn graph(lines: &[String]) -> Graph {
        Graph::of(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    }
}
