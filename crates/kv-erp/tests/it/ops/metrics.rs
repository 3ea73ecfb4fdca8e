//! docs/metrics.md lists what `/metrics` says, neither more nor less.

use std::collections::BTreeMap;

use kv_erp::status::prometheus::{Kind, parse};

use crate::world::World;

const DOCUMENT: &str = include_str!("../../../../../docs/metrics.md");
const WORKERS: &str = "## A worker's own";

/// Kind and help of each family that an exposition has.
pub(crate) fn said(text: &str) -> BTreeMap<String, String> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for family in parse(text) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let before = said.insert(family.name.clone(), format!("{kind} | {}", family.help));
        assert!(before.is_none(), "{} twice", family.name);
    }
    said
}

/// The rows of the service's table, and those of a worker's own.
pub(crate) fn written() -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let rows = |part: &str| {
        let row = |line: &str| {
            let columns: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [name, kind, _labels, help] = columns.as_slice() else { return None };
            let name = name.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), format!("{kind} | {help}")))
        };
        part.lines().filter_map(row).collect()
    };
    let (service, workers) = DOCUMENT.split_once(WORKERS).expect("the heading of a worker's own");
    (rows(service), rows(workers))
}

#[tokio::test]
async fn the_document_lists_every_family_with_its_kind() {
    let world = World::new().await;
    let text = world.one.nobody().text("/metrics").await;
    let (said, (written, _)) = (said(&text), written());
    assert_eq!(written, said);
    for name in said.keys() {
        let is_house_style = name.starts_with("kv_") || name.starts_with("process_");
        assert!(is_house_style && (said[name].starts_with("counter") == name.ends_with("_total")), "{name}");
    }
}
