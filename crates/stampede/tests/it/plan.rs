//! `stampede plan`: what is reckoned, what is warned of, the schema, and the files that come along.

use std::path::Path;

use crate::{remarked, said, stampede};

fn scenarios() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

#[test]
fn every_scenario_that_comes_along_is_sound() {
    let mut seen = 0;
    for entry in std::fs::read_dir(scenarios()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // Plans of faults and of an autoscaler stand beside them.
        if text.contains("\n[[fault]]") || text.contains("\n[autoscaler]") {
            continue;
        }
        seen += 1;
        let output = stampede(&["plan", path.to_str().unwrap(), "--strict"]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", path.display(), remarked(&output));
        assert!(text.starts_with("#:schema ./scenario.schema.json\n"), "{}: editors look for it", path.display());
    }
    assert!(seen >= 3, "{seen} scenarios");
}

#[test]
fn the_recorded_example_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/example/shop-scenario.toml");
    let output = stampede(&["plan", path.to_str().unwrap(), "--strict"]);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    assert!(said(&output).contains("history     stock: read, reserve"), "{}", said(&output));
}

#[test]
fn the_guides_load_is_reckoned() {
    let path = scenarios().join("guide.toml");
    let text = said(&stampede(&["plan", path.to_str().unwrap()]));
    for words in
        ["100 users, 10/s starting, pausing 1s to 3s", "50.0 %   GET /api/v1/customers", "48.8 requests/s", "300s long"]
    {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

#[test]
fn warnings_are_told_and_strict_refuses_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.toml");
    std::fs::write(&path, "target = { url = \"http://h\" }\n[[scenario]]\narrivals = { rate = 10 }\nsteps = [{ get = \"/\" }]\n[thresholds]\nall = [\"rps>20\", \"errors<=100%\"]\n").unwrap();
    let file = path.to_str().unwrap();
    let output = stampede(&["plan", file]);
    let text = remarked(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("`rps > 20/s` can hardly be kept") && text.contains("can never fail"), "{text}");
    assert_eq!(stampede(&["plan", file, "--strict"]).status.code(), Some(2));
    std::fs::write(&path, "[[scenario]]\n").unwrap();
    assert_eq!(stampede(&["plan", file]).status.code(), Some(2), "mistakes are no warnings");
}

#[test]
fn the_schema_is_printed_as_it_is_committed() {
    let output = stampede(&["plan", "--schema"]);
    assert_eq!(said(&output), std::fs::read_to_string(scenarios().join("scenario.schema.json")).unwrap());
}
