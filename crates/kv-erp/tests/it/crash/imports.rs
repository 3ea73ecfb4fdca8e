//! Files on their way in while everything is killed: sent again, each row has its effect once. And how much memory long ones take.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::client::{Connection, Gone};
use super::rig::{Hold, Rig};

/// Longer than the lease of an upload that ended without a word.
const TAKEN_UP_WITHIN: Duration = Duration::from_mins(1);

const ROWS: usize = 20_000;

fn row(kind: &str, number: usize) -> String {
    match kind {
        "customers" => format!("c-{number:08},\"Customer, number {number}\",c{number}@example.com\r\n"),
        _ => format!("hot-0,w,{},d-{}\r\n", 1 + number % 3, number / 7),
    }
}

fn header(kind: &str) -> &'static str {
    if kind == "customers" { "code,name,email\r\n" } else { "sku,warehouse_code,quantity,reference\r\n" }
}

/// A file that is made while it is sent: nothing of it is held.
fn file(kind: &'static str, rows: usize) -> Body {
    const PIECE: usize = 300;
    let pieces = stream::iter((0..rows).step_by(PIECE).map(move |from| {
        let mut text = if from == 0 { header(kind).to_owned() } else { String::new() };
        (from..rows.min(from + PIECE)).for_each(|number| write!(text, "{}", row(kind, number)).unwrap());
        Ok::<_, std::io::Error>(Bytes::from(text))
    }));
    Body::from_stream(pieces)
}

async fn begin(rig: &Rig, kind: &str) -> String {
    let mut connection = Connection::open(&rig.door()).await.unwrap();
    let (status, import) = connection.post("/api/v1/imports", &json!({"kind": kind})).await.unwrap();
    assert_eq!(status, 201, "{import}");
    import["id"].as_str().unwrap().to_owned()
}

/// Sends a file until it is taken: an upload that was killed is believed to live for a while.
async fn send(rig: &Rig, id: &str, kind: &'static str, rows: usize) -> Value {
    eventually(TAKEN_UP_WITHIN, async || {
        let mut connection = Connection::open(&rig.door()).await.unwrap();
        match connection.put_file(&format!("/api/v1/imports/{id}/content"), file(kind, rows)).await {
            Ok((200, import)) => Some(import),
            Ok((409, problem)) if problem["code"] == "import_busy" => None,
            // Answered, and closed, before the whole file was sent: the sender may not come to read why.
            Err(Gone) => None,
            Ok(other) => panic!("{other:?}"),
        }
    })
    .await
}

async fn lines_done(rig: &Rig, id: &str) -> i64 {
    let inside = rig.look_inside().await;
    inside.query_one("select lines_done from imports where id::text = $1", &[&id]).await.unwrap().get(0)
}

async fn killed_in_the_middle(kind: &'static str, hold: Option<Hold>) {
    let mut rig = Rig::start().await;
    let (levels, _) = rig.stock(1, 1).await;
    let id = begin(&rig, kind).await;
    let (door, path) = (rig.door(), format!("/api/v1/imports/{id}/content"));
    let upload =
        tokio::spawn(async move { Connection::open(&door).await.unwrap().put_file(&path, file(kind, ROWS)).await });
    eventually(TAKEN_UP_WITHIN, async || lines_done(&rig, &id).await > 1_000).await;
    if let Some(hold) = hold {
        rig.hold_commits(hold).await;
    }
    rig.kill().await;
    assert!(upload.await.unwrap().is_err(), "the upload was over before the crash");
    rig.restart().await;
    let done = lines_done(&rig, &id).await;
    assert!(0 < done && done < ROWS as i64, "{done} lines were done by then");
    let import = send(&rig, &id, kind, ROWS).await;
    assert_eq!((&import["state"], &import["accepted"]), (&json!("complete"), &json!(ROWS)), "{import}");
    let inside = rig.look_inside().await;
    if kind == "customers" {
        let count = "select count(*), count(distinct code) from customers where code like 'c-%'";
        let counted = inside.query_one(count, &[]).await.unwrap();
        assert_eq!((counted.get::<_, i64>(0), counted.get::<_, i64>(1)), (ROWS as i64, ROWS as i64));
        return;
    }
    let units: usize = (0..ROWS).map(|number| 1 + number % 3).sum();
    let level = rig.store.stock_level(rig.tenant, levels[0].product, levels[0].warehouse).await.unwrap().unwrap();
    assert_eq!(level.quantity, units as i64 + 1);
    assert_eq!(level.version, ROWS as i64 + 1, "a movement for each row and one for the first goods");
    assert_eq!(rig.store.audit_stock(rig.tenant).await.unwrap(), vec![]);
    rig.assert_chains_hold().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_of_a_killed_import_are_made_once() {
    killed_in_the_middle("customers", None).await;
}

/// The commit that the crash meets is on disk: of the ledger's transaction or of the progress, as it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goods_of_a_killed_import_are_booked_once() {
    killed_in_the_middle("stock-receipts", Some(Hold::BeforeAnswer)).await;
}

/// How much memory a long file takes on its way in and out. `KV_CSV_ROWS` says how many rows, a million unless it does:
/// `KV_CSV_ROWS=100000 cargo nextest run -p kv-erp --run-ignored only long_files --no-capture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: it takes minutes"]
async fn long_files_take_little_memory() {
    let rows = std::env::var("KV_CSV_ROWS").map_or(1_000_000, |rows| rows.parse().unwrap());
    let rig = Rig::start().await;
    rig.stock(1, 1).await;
    let idle = rig.peak_memory_kib();
    for kind in ["customers", "stock-receipts"] {
        let (id, begun) = (begin(&rig, kind).await, std::time::Instant::now());
        let import = send(&rig, &id, kind, rows).await;
        assert_eq!(import["accepted"], json!(rows));
        let peak = rig.peak_memory_kib();
        println!("import of {rows} {kind}: {:.1} s, peak {peak} KiB (idle {idle} KiB)", begun.elapsed().as_secs_f64());
    }
    for kind in ["customers", "stock-movements"] {
        let (mut connection, begun) = (Connection::open(&rig.door()).await.unwrap(), std::time::Instant::now());
        let (bytes, lines) = connection.get_file(&format!("/api/v1/exports/{kind}")).await.unwrap();
        assert!(lines > rows, "{lines}");
        let peak = rig.peak_memory_kib();
        println!(
            "export of {lines} lines of {kind}: {bytes} bytes, {:.1} s, peak {peak} KiB",
            begun.elapsed().as_secs_f64()
        );
    }
    assert!(rig.peak_memory_kib() < idle + 96 * 1024, "memory grows with the file");
}
