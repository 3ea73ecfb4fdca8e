//! Licences: every package from outside must offer terms that are on the list.
//!
//! An expression is read by the SPDX rules: AND binds tighter than OR, parentheses group, WITH adds an exception to the licence before
//! it. The old `MIT/Apache-2.0` means OR.

use super::graph::{Graph, Origin};

/// Terms under which anybody may use and ship the product without publishing it.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every package whose terms are not on the list, or that names none.
pub(super) fn violations(graph: &Graph) -> Vec<String> {
    let outside = graph.packages.iter().filter(|package| package.origin == Origin::Outside);
    let judged = outside.filter_map(|package| {
        let reason = match &package.licence {
            None => "names no licence".to_owned(),
            Some(terms) => match allows(terms) {
                Some(true) => return None,
                Some(false) => format!("is under {terms}, which is not on the list"),
                None => format!("has a licence that cannot be read: {terms}"),
            },
        };
        Some(format!("{} {} {reason}", package.name, package.version))
    });
    judged.collect()
}

/// Whether an expression can be satisfied by the list; `None` when it is no expression.
fn allows(terms: &str) -> Option<bool> {
    let spaced = terms.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = either(&mut rest)?;
    rest.is_empty().then_some(answer)
}

fn either(words: &mut &[&str]) -> Option<bool> {
    let mut answer = both(words)?;
    while take(words, "OR") {
        // No short cut: the right side must be read in any case.
        answer |= both(words)?;
    }
    Some(answer)
}

fn both(words: &mut &[&str]) -> Option<bool> {
    let mut answer = single(words)?;
    while take(words, "AND") {
        answer &= single(words)?;
    }
    Some(answer)
}

fn single(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let answer = either(words)?;
        return take(words, ")").then_some(answer);
    }
    let licence = next(words)?;
    if ["AND", "OR", "WITH", ")"].contains(&licence) {
        return None;
    }
    if take(words, "WITH") {
        let exception = next(words)?;
        return Some(ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()));
    }
    Some(ALLOWED.contains(&licence))
}

fn next<'a>(words: &mut &[&'a str]) -> Option<&'a str> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(first)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let found = words.first() == Some(&word);
    if found {
        *words = &words[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_acceptable_choice_is_enough_and_all_parts_are_needed() {
        let cases = [
            ("MIT", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0/MIT", Some(true)),
            ("MIT AND GPL-3.0-only", Some(false)),
            ("MIT OR Apache-2.0 AND GPL-3.0-only", Some(true)),
            ("(MIT OR Apache-2.0) AND GPL-3.0-only", Some(false)),
            ("(MIT OR GPL-2.0) AND Unicode-3.0", Some(true)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("GPL-2.0 WITH Classpath-exception-2.0", Some(false)),
            ("(MIT", None),
            ("MIT Apache-2.0", None),
            ("MIT OR", None),
            ("", None),
        ];
        for (terms, expected) in cases {
            assert_eq!(allows(terms), expected, "{terms}");
        }
    }

    #[test]
    fn a_package_without_acceptable_terms_is_named() {
        let mut graph = Graph::of(&["kv-erp -> good@1.0.0", "kv-erp -> bad@2.0.0", "kv-erp -> silent@3.0.0"]);
        graph.packages[2].licence = Some("AGPL-3.0-only".to_owned());
        graph.packages[3].licence = None;
        let expected = ["bad 2.0.0 is under AGPL-3.0-only, which is not on the list", "silent 3.0.0 names no licence"];
        assert_eq!(violations(&graph), expected);
    }
}
