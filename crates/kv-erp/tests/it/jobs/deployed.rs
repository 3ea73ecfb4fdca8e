//! What `deploy/` asks of the programs is answered by them: their probes, and the metrics of a worker.

use std::net::SocketAddr;

use super::rig::Rig;
use crate::wire;
use crate::world::World;

const API: &str = include_str!("../../../../../deploy/base/api.yaml");
const WORKER: &str = include_str!("../../../../../deploy/base/worker.yaml");

/// The paths of a manifest's probes.
fn probed(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().map(str::trim);
    let paths: Vec<&str> = lines.filter_map(|line| line.strip_prefix("path: /")).collect();
    assert_eq!(paths.len(), 3, "startup, readiness, liveness: {paths:?}");
    paths
}

#[tokio::test]
async fn the_service_answers_its_probes() {
    let world = World::new().await;
    for path in probed(API) {
        let text = world.one.nobody().text(&format!("/{path}")).await;
        assert!(text.contains("\"ok\""), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_worker_answers_its_probes_and_those_who_scrape_it() {
    let rig = Rig::start().await;
    let shop = rig.shop("shop").await;
    rig.order(shop, 1).await;
    let worker = rig.worker(&[]).await;
    let log = worker.log_tail(200);
    let address = log.split_once("it is asked at http://").and_then(|(_, rest)| rest.split_whitespace().next());
    let address: SocketAddr = address.expect("the worker's address").parse().unwrap();
    for path in probed(WORKER) {
        let reply = wire::ask(address, &format!("GET /{path}"), None, None).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    let text = wire::ask(address, "GET /metrics", None, None).await.unwrap().body;
    for name in ["kv_build_info", "kv_queue_ready", "process_resident_memory_bytes"] {
        assert!(text.contains(&format!("\n# TYPE {name} ")), "{name} in\n{text}");
    }
}
