//! docs/metrics.md lists what `/metrics` of a service and of a worker says, neither more nor less.

use std::collections::BTreeMap;

use kv_coord::JobQueue;
use kv_coord::lock::Epoch;
use kv_erp::status::prometheus::{Kind, parse};
use kv_erp::worker::{Worker, WorkerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::world::World;

const DOCUMENT: &str = include_str!("../../../../../docs/metrics.md");

/// Each family with its kind and its help.
fn families(text: &str) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    for family in parse(text) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let told = said.insert(family.name.clone(), format!("{kind} | {}", family.help));
        assert!(told.is_none(), "{} twice", family.name);
    }
    said
}

/// What a worker answers on its own port.
async fn of_worker(world: &World) -> String {
    let epoch = Epoch::new(world.store.next_lock_epoch().await.unwrap()).unwrap();
    let worker = Worker::new(world.store.clone(), JobQueue::in_process(epoch), WorkerConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let face = tokio::spawn(kv_erp::http::worker::answer(listener, worker, CancellationToken::new()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    face.abort();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn the_document_lists_every_family_with_its_kind() {
    let world = World::new().await;
    let of_api = families(&world.one.nobody().text("/metrics").await);
    let of_worker = families(&of_worker(&world).await);
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for (name, told) in of_api.iter().chain(&of_worker) {
        let of = match (of_api.contains_key(name), of_worker.contains_key(name)) {
            (true, true) => "both",
            (true, false) => "api",
            (false, _) => "worker",
        };
        let known = said.insert(name.clone(), format!("{of} | {told}"));
        assert!(known.is_none_or(|known| known == said[name]), "{name} is told in two ways");
    }
    let written: BTreeMap<String, String> = DOCUMENT
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [name, kind, of, _labels, help] = columns.as_slice() else { return None };
            let name = name.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), format!("{of} | {kind} | {help}")))
        })
        .collect();
    assert_eq!(written, said);
    for (name, told) in &said {
        let is_house_style = name.starts_with("kv_") || name.starts_with("process_");
        assert!(is_house_style && (told.contains("| counter |") == name.ends_with("_total")), "{name}");
    }
}
