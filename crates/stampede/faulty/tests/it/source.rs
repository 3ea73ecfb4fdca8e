//! What the source itself promises.

use std::fs;
use std::path::Path;

use stampede_faulty::all;

fn source(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text += &if path.is_dir() { source(&path) } else { fs::read_to_string(&path).unwrap() };
    }
    text
}

#[test]
fn each_bug_is_switched_at_exactly_one_place() {
    let text = source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut switched: Vec<&str> =
        text.match_indices("has(Flaw::").map(|(at, _)| &text[at..][..text[at..].find(')').unwrap()]).collect();
    let places = switched.len();
    switched.sort_unstable();
    switched.dedup();
    assert_eq!((places, switched.len()), (all().len(), all().len()), "{switched:?}");
}
