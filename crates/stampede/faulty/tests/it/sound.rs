//! The sound server under many clients at once: its promises hold, whatever meets whatever.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use stampede_faulty::{Config, Server, WindowKind};

use crate::client::{Answer, Client, becomes, block_on, items, start, together};
use crate::limit::user;
use crate::lock::{acquire, release, resource, write};

const A: &str = "ann@a";

/// A number that looks drawn, the same in every run.
fn drawn(client: usize, step: usize) -> usize {
    (client * 7_919 + step * 104_729) >> 3
}

async fn trade(index: usize, mut client: Client, products: &[String]) {
    let mut held: Vec<String> = Vec::new();
    for step in 0..20 {
        let number = drawn(index, step);
        let (one, other) = (&products[number % 3], &products[(number + 1) % 3]);
        let answer = match number % 6 {
            0 => client.order(&[(one, 1), (other, 2)]).await,
            1 => client.post("/reservations", json!({"items": items(&[(one, 2), (one, 1)]), "ttl_ms": 10})).await,
            2 => client.post(&format!("/stock/{one}/adjustments"), json!({"delta": number as i64 % 7 - 3})).await,
            3 if !held.is_empty() => client.post(&format!("/reservations/{}/confirm", held.remove(0)), json!({})).await,
            4 if !held.is_empty() => client.post(&format!("/reservations/{}/release", held.remove(0)), json!({})).await,
            _ => client.reserve(one, 3).await,
        };
        assert!([200, 201, 409].contains(&answer.status), "{answer:?}");
        let id = answer.body["id"].as_str().filter(|id| id.starts_with("r-"));
        held.extend(id.map(str::to_owned));
    }
}

fn the_ledger_agrees(level: &Answer, ledger: &Answer) {
    let fields = ["available", "reserved", "shipped", "received"];
    let mut sums = [0; 4];
    let rows = ledger.body["data"].as_array().unwrap();
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["version"], json!(index + 1));
        for (sum, field) in sums.iter_mut().zip(fields) {
            *sum += row[field].as_i64().unwrap();
            assert!(*sum >= 0, "{field} below zero at version {}", index + 1);
        }
        assert_eq!(sums[0] + sums[1] + sums[2], sums[3]);
    }
    assert_eq!(level.int("version"), rows.len() as i64);
    assert_eq!(sums.to_vec(), fields.map(|field| level.int(field)).to_vec());
}

#[test]
fn units_are_conserved_and_never_below_zero() {
    let server = start(None, 4);
    block_on(async {
        let mut ann = Client::open(&server.url(), A).await;
        let products = [ann.product(40).await, ann.product(40).await, ann.product(40).await];
        let trade = |index, client| trade(index, client, &products);
        together(Client::several(&server.url(), A, 16).await, trade).await;
        for product in &products {
            let path = format!("/stock/{product}/movements");
            // What expires now moves both: a ledger fits the level that was read next to it, once nothing moves.
            let mut level = ann.level(product).await;
            let mut ledger = ann.get(&path).await;
            while level.int("version") != ledger.body["data"].as_array().unwrap().len() as i64 {
                (level, ledger) = (ann.level(product).await, ann.get(&path).await);
            }
            assert!(level.int("version") > 30, "{level:?}");
            the_ledger_agrees(&level, &ledger);
        }
    });
}

async fn hold(mut client: Client, name: &str) -> Vec<(Instant, Instant, i64)> {
    let mut held = Vec::new();
    for _ in 0..5 {
        let got = acquire(&mut client, name, 20_000, 60_000).await;
        let (since, fence) = (Instant::now(), got.int("fence"));
        assert_eq!(write(&mut client, name, fence).await.status, 200);
        let until = Instant::now();
        assert_eq!(release(&mut client, name, &got.text("token")).await.status, 204);
        held.push((since, until, fence));
    }
    held
}

#[test]
fn a_lock_has_one_holder_and_fences_rise_in_the_order_of_grants() {
    let server = start(None, 5);
    block_on(async {
        let (mut ann, name) = resource(&server.url()).await;
        let hold = |_, client: Client| hold(client, &name);
        let mut grants: Vec<_> = together(Client::several(&server.url(), A, 12).await, hold).await.concat();
        grants.sort_unstable();
        assert_eq!(grants.len(), 60);
        for pair in grants.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "two held it at once");
            assert!(pair[0].2 < pair[1].2, "fences fell");
        }
        let row = ann.get(&format!("/guarded/{name}")).await;
        assert_eq!((row.int("version"), row.int("fence")), (60, grants[59].2));
    });
}

#[test]
fn every_job_takes_effect_once_through_crashes_and_flushes() {
    let server = start(None, 7);
    block_on(async {
        let work = |index: usize, mut client: Client| async move {
            for step in 0..10 {
                let body = json!({"job": format!("{index}-{step}")});
                assert_eq!(client.post("/jobs", body).await.status, 202);
                let path = if step % 2 == 0 { "/jobs/crash-worker" } else { "/jobs/flush" };
                if index == 0 {
                    assert_eq!(client.post(path, json!({})).await.status, 204);
                }
            }
        };
        together(Client::several(&server.url(), A, 6).await, work).await;
        let mut ann = Client::open(&server.url(), A).await;
        for job in (0..6).flat_map(|index| (0..10).map(move |step| format!("{index}-{step}"))) {
            let path = format!("/jobs/effects?job={job}");
            assert!(becomes(&mut ann, &path, |done| done.int("times") > 0, Duration::from_secs(20)).await, "{job}");
        }
        let empty = |answer: &Answer| answer.int("ready") + answer.int("reserved") == 0;
        assert!(becomes(&mut ann, "/jobs/drained", empty, Duration::from_secs(20)).await);
        for job in (0..6).flat_map(|index| (0..10).map(move |step| format!("{index}-{step}"))) {
            assert_eq!(ann.get(&format!("/jobs/effects?job={job}")).await.int("times"), 1, "{job}");
        }
    });
}

/// What a tenant is told in a session of every area.
async fn session(url: &str, who: &str) -> Vec<Value> {
    let mut client = Client::open(url, who).await;
    let product = client.product(5).await;
    let mut told = vec![json!(product)];
    let lock = acquire(&mut client, "door", 0, 60_000).await;
    told.push(release(&mut client, "door", &lock.text("token")).await.body);
    told.push(lock.body);
    told.push(client.reserve(&product, 2).await.body);
    told.push(client.order(&[(&product, 4)]).await.body);
    told.push(client.with("idempotency-key", "key").order(&[(&product, 1)]).await.body);
    told.push(client.ask("PUT", "/registers/one", json!({"value": 1})).await.body);
    told.push(client.post("/counters/one", json!({"by": 3})).await.body);
    told.push(client.post("/jobs", json!({"job": "one"})).await.body);
    for path in ["/products", "/search?q=", "/limited", "/jobs/drained", "/idempotency/key", "/guarded/door"] {
        let wait = path == "/jobs/drained";
        let settled = |answer: &Answer| !wait || answer.int("ready") + answer.int("reserved") == 0;
        assert!(becomes(&mut client, path, settled, Duration::from_secs(20)).await);
        told.push(client.get(path).await.body);
    }
    told
}

#[test]
fn a_tenant_is_told_the_same_whatever_the_others_do() {
    let (quiet, loud) = (start(None, 8), start(None, 9));
    block_on(async {
        let alone = session(&quiet.url(), "bob@b").await;
        let url = &loud.url();
        let others = (0..4).map(|number| async move { session(url, &format!("ann@{number}")).await });
        let (among_others, _) = futures_util::join!(session(url, "bob@b"), join_all(others));
        assert_eq!(alone, among_others);
    });
}

/// Calls until the time is over; answers when each admitted call was made and answered, and its remaining.
async fn hammer(mut client: Client, until: Instant) -> Vec<(Instant, Instant, i64)> {
    let mut admitted = Vec::new();
    while Instant::now() < until {
        let called = Instant::now();
        let answer = client.get("/limited").await;
        if answer.status == 200 {
            admitted.push((called, Instant::now(), answer.header("x-ratelimit-reset-ms")));
        }
    }
    admitted
}

fn admitted(kind: WindowKind) -> Vec<(Instant, Instant, i64)> {
    let window = Duration::from_millis(300);
    let server = Server::start(None, 6, Config { limit: 5, window, kind, ..Config::default() }).unwrap();
    block_on(async {
        let until = Instant::now() + window * 4;
        let clients = Client::several(&server.url(), &user(), 6).await;
        together(clients, |_, client| hammer(client, until)).await.concat()
    })
}

#[test]
fn a_sliding_window_never_holds_more_than_the_limit() {
    let mut calls = admitted(WindowKind::Sliding);
    calls.sort_unstable();
    assert!(calls.len() > 10, "{}", calls.len());
    for (called, ..) in &calls {
        let inside = |(other, answered, _): &&(Instant, Instant, i64)| {
            other >= called && answered.duration_since(*called) < Duration::from_millis(300)
        };
        assert!(calls.iter().filter(inside).count() <= 5);
    }
}

#[test]
fn a_fixed_window_is_used_up_and_never_more() {
    let calls = admitted(WindowKind::Fixed);
    let mut windows: Vec<i64> = calls.iter().map(|(.., reset)| *reset).collect();
    windows.sort_unstable();
    let sizes: Vec<usize> = windows.chunk_by(|one, other| one == other).map(<[i64]>::len).collect();
    assert!(sizes.len() >= 3 && sizes.iter().all(|size| *size <= 5), "{sizes:?}");
    assert_eq!(sizes[..sizes.len() - 1], vec![5; sizes.len() - 1], "a window that was left had room");
}
