//! Tries to see the bugs of locks. Each try has a resource of its own, named by a product's id.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Answer, Client, count, together};

const A: &str = "ann@a";
const LONG_MS: u64 = 60_000;

pub(crate) async fn resource(url: &str) -> (Client, String) {
    let mut ann = Client::open(url, A).await;
    let name = ann.product(0).await;
    (ann, name)
}

pub(crate) async fn acquire(client: &mut Client, name: &str, wait_ms: u64, ttl_ms: u64) -> Answer {
    client.post(&format!("/locks/{name}"), json!({"wait_ms": wait_ms, "ttl_ms": ttl_ms})).await
}

pub(crate) async fn release(client: &mut Client, name: &str, token: &str) -> Answer {
    client.with("x-lock-token", token).ask("DELETE", &format!("/locks/{name}"), json!(null)).await
}

pub(crate) async fn write(client: &mut Client, name: &str, fence: i64) -> Answer {
    let body = json!({"value": fence});
    client.with("x-fence", &fence.to_string()).ask("PUT", &format!("/guarded/{name}"), body).await
}

pub(crate) async fn two_hold_it(url: &str) -> bool {
    let (_, name) = &resource(url).await;
    let acquire = |_, mut client: Client| async move { acquire(&mut client, name, 0, LONG_MS).await };
    count(&together(Client::several(url, A, 8).await, acquire).await, 201) > 1
}

pub(crate) async fn a_stranger_releases(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    assert_eq!(acquire(&mut ann, &name, 0, LONG_MS).await.status, 201);
    release(&mut ann, &name, "t-0").await.status == 204
}

pub(crate) async fn a_write_passes_after_expiry(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    let lost = acquire(&mut ann, &name, 0, 20).await.int("fence");
    let held = acquire(&mut ann, &name, 5_000, LONG_MS).await.int("fence");
    assert_eq!(write(&mut ann, &name, held).await.status, 200);
    write(&mut ann, &name, lost).await.status == 200
}

pub(crate) async fn a_write_passes_after_release(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    let first = acquire(&mut ann, &name, 0, LONG_MS).await;
    assert_eq!(release(&mut ann, &name, &first.text("token")).await.status, 204);
    let held = acquire(&mut ann, &name, 0, LONG_MS).await.int("fence");
    assert_eq!(write(&mut ann, &name, held).await.int("version"), 1);
    write(&mut ann, &name, first.int("fence")).await.status == 200
}

pub(crate) async fn fences_do_not_rise(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    let mut fences = Vec::new();
    for _ in 0..3 {
        let held = acquire(&mut ann, &name, 0, LONG_MS).await;
        fences.push(held.int("fence"));
        release(&mut ann, &name, &held.text("token")).await;
    }
    !fences.windows(2).all(|pair| pair[0] < pair[1])
}

pub(crate) async fn another_tenant_is_kept_out(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    let mut bob = Client::open(url, "bob@b").await;
    acquire(&mut ann, &name, 0, LONG_MS).await;
    acquire(&mut bob, &name, 0, LONG_MS).await.status == 409
}

pub(crate) async fn nobody_gets_it_after_its_time(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    acquire(&mut ann, &name, 0, 20).await;
    acquire(&mut ann, &name, 700, 20).await.status == 409
}

pub(crate) async fn somebody_gets_it_before_its_time(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    let (called, ttl) = (Instant::now(), Duration::from_millis(300));
    acquire(&mut ann, &name, 0, 300).await;
    assert_eq!(acquire(&mut ann, &name, 5_000, 300).await.status, 201);
    called.elapsed() < ttl
}

pub(crate) async fn a_former_holder_renews(url: &str) -> bool {
    let (mut ann, name) = resource(url).await;
    let lost = acquire(&mut ann, &name, 0, 20).await.text("token");
    assert_eq!(acquire(&mut ann, &name, 5_000, LONG_MS).await.status, 201);
    let path = format!("/locks/{name}");
    ann.with("x-lock-token", &lost).ask("PATCH", &path, json!({"ttl_ms": LONG_MS})).await.status == 200
}
