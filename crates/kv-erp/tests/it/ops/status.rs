//! `kv-erp status` against a running service.

use kv_coord::lock::Epoch;
use kv_erp::app::{App, Coordination, HttpSettings};
use kv_erp::serve;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::process::{failure, run};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_is_described_in_the_terminal_and_as_json() {
    let world = World::new().await;
    let epoch = Epoch::new(world.store.next_lock_epoch().await.unwrap()).unwrap();
    let app = App::new(world.store.clone(), Coordination::in_process(epoch), HttpSettings::default());
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve::serve(listener, app.clone(), stop.clone()));
    let caller = world.one.through(&kv_erp::http::router(app.clone()));
    caller.customer("C-1").await;
    caller.post("/locks/a", &serde_json::json!({"wait_ms": 0})).await.expect(201);

    let output = run(&["status", "--url", &url]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.starts_with(&format!("kv-erp {} at {url}: ready, up ", env!("CARGO_PKG_VERSION"))), "{text}");
    for part in ["requests", "pool", "1 granted", "limits", "queue", "process", "MiB"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let output = run(&["status", "--url", &url, "--json"]).await;
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ready"], &json["url"]), (&Value::Bool(true), &Value::from(url.as_str())));
    let granted = &json["metrics"]["kv_lock_acquires_total"];
    assert_eq!((&granted["kind"], &granted["samples"][0]["value"]), (&Value::from("counter"), &Value::from(1.0)));

    app.draining().cancel();
    let output = run(&["status", "--url", &url]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not ready: draining"), "{said}");
    stop.cancel();
    serving.await.unwrap();
    let gone = failure(&run(&["status", "--url", &url]).await, 1);
    assert!(gone.contains("was not reached"), "{gone}");
    assert!(failure(&run(&["status", "--url", "ftp://x"]).await, 2).contains("http://"));
}
