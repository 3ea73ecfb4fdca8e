//! Files that a job does while nobody waits: imports that are left, and exports into files.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Router;
use sandbox::testing::eventually;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::lives::working;
use super::rig::{Rig, number};
use crate::world::{Answer, Caller, World, caller_on, faults, router};

/// Long enough for anything on a busy machine.
const SOON: Duration = Duration::from_mins(2);
const FILES: &str = "select (select count(*) from stored_files) + (select count(*) from stored_file_pieces)";

async fn begin(caller: &Caller, kind: &str) -> String {
    caller.post("/imports", &json!({"kind": kind})).await.made()
}

/// Sends a file, and does not wait.
async fn leave(caller: &Caller, id: &str, file: &str) -> Answer {
    let caller = caller.with("prefer", "respond-async, wait=1");
    caller.send_raw(&format!("PUT /imports/{id}/content"), Some("text/csv"), file.to_owned()).await
}

/// A file that must be taken; gives the import's job.
async fn left(caller: &Caller, id: &str, file: &str) -> String {
    let answer = leave(caller, id, file).await;
    assert_eq!(answer.headers["location"].to_str().unwrap(), format!("/api/v1/imports/{id}"));
    assert_eq!(answer.headers["preference-applied"], "respond-async");
    let import = answer.expect(202);
    assert_eq!(import["state"], "open");
    import["job_id"].as_str().unwrap().to_owned()
}

async fn until_state(caller: &Caller, path: &str, state: &str) -> Value {
    eventually(SOON, async || {
        let seen = caller.get(path).await.expect(200);
        (seen["state"] == state).then_some(seen)
    })
    .await
}

fn customers(count: usize) -> String {
    let mut file = "code,name\n".to_owned();
    (0..count).for_each(|number| writeln!(file, "c-{number:06},Customer {number}").unwrap());
    file
}

async fn superuser(world: &World) -> Client {
    kv_store::admin::connect(&world.database.url().parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_file_that_is_left_is_done_by_a_job() {
    let world = World::new().await;
    let (one, inside) = (&world.one, superuser(&world).await);
    let id = begin(one, "customers").await;
    let file = customers(1_200) + "c-000003,Twice\nbad\n";
    let job = left(one, &id, &file).await;
    // Once more it is the same; another one has to wait. A stranger sees neither.
    assert_eq!(left(one, &id, &file).await, job);
    leave(one, &id, "code,name\nother,Other\n").await.refused(409, "import_busy");
    leave(&world.two, &id, &file).await.refused(404, "not_found");
    assert_eq!(number(&inside, "select count(*) from customers").await, 0, "nothing is done yet");
    let worker = working(&world.store, |_| {}).await;
    let done = until_state(one, &format!("/imports/{id}"), "complete").await;
    assert_eq!((&done["accepted"], &done["rejected"], &done["lines_done"]), (&json!(1_200), &json!(2), &json!(1_203)));
    until_state(one, &format!("/jobs/{job}"), "done").await;
    assert_eq!(number(&inside, FILES).await, 0, "the file is gone with its job");
    let events = eventually(SOON, async || {
        let events = one.get("/events?type=import.finished").await.expect(200);
        (!events["data"].as_array().unwrap().is_empty()).then_some(events)
    })
    .await;
    let told = &events["data"][0]["data"];
    assert_eq!(
        (&told["import_id"], &told["state"], &told["accepted"]),
        (&json!(id), &json!("complete"), &json!(1_200))
    );
    // What was done is noted as done by who sent it.
    let me = one.get("/auth/me").await.expect(200);
    let noted = one.get(&format!("/audit-log?object_id={id}&limit=100")).await.expect(200);
    let uploads: Vec<_> =
        noted["data"].as_array().unwrap().iter().filter(|entry| entry["operation"] == "upload_import").collect();
    assert!(uploads.len() >= 4, "the sending and three steps: {noted:#}");
    assert!(uploads.iter().all(|entry| entry["actor_id"] == me["id"]), "{noted:#}");
    // It is done: whoever sends it again need not wait for anything.
    let again = leave(one, &id, &file).await;
    assert!(!again.headers.contains_key("preference-applied"));
    assert_eq!(again.expect(200), done);
    worker.end().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_it_is_kept() {
    let world = World::new().await;
    let (one, inside) = (&world.one, superuser(&world).await);
    let id = begin(one, "products").await;
    let problem = leave(one, &id, "sku,price_minor,price\na,1,1\n").await.refused(422, "wrong_header");
    assert_eq!(faults(&problem), ["price unknown_column", "name missing_column", "currency missing_column"]);
    for empty in ["", "\u{feff}", "\n\n"] {
        leave(one, &id, empty).await.refused(422, "wrong_header");
    }
    let line = format!("PUT /imports/{id}/content");
    one.with("prefer", "respond-async")
        .send_raw(&line, Some("text/plain"), "sku")
        .await
        .refused(415, "unsupported_media_type");
    assert_eq!(number(&inside, FILES).await, 0, "nothing is kept of what was refused");
    // As many bytes of files as there may be.
    let full = "insert into stored_files (tenant_id, id, bytes, expires_at)
        values ($1, gen_random_uuid(), 1073741824, now() + interval '1 hour')";
    inside.execute(full, &[&one.tenant.get()]).await.unwrap();
    let good = "sku,name,price_minor,currency\np,P,250,EUR\n";
    leave(one, &id, good).await.refused(409, "storage_full");
    inside.batch_execute("update stored_files set expires_at = now() - interval '1 s'").await.unwrap();
    assert_eq!(world.store.forget(kv_store::jobs::Forgetting::Files, 100).await.unwrap(), 1);
    left(one, &id, good).await;
}

#[tokio::test]
async fn a_job_goes_on_where_an_upload_broke_off() {
    let world = World::new().await;
    let one = &world.one;
    let id = begin(one, "customers").await;
    let file = customers(1_700);
    let pieces = vec![
        Ok(axum::body::Bytes::copy_from_slice(&file.as_bytes()[..file.len() / 2])),
        Err(std::io::Error::other("broken")),
    ];
    let broken = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
    let line = format!("PUT /imports/{id}/content");
    one.send_raw(&line, Some("text/csv"), broken).await.refused(400, "body_incomplete");
    assert_eq!(one.get(&format!("/imports/{id}")).await.expect(200)["accepted"], 500);
    leave(one, &id, &file.replace("Customer 3\n", "Customer x\n")).await.refused(409, "import_content_differs");
    leave(one, &id, &file[..9_000]).await.refused(409, "import_content_differs");
    left(one, &id, &file).await;
    let worker = working(&world.store, |_| {}).await;
    let done = until_state(one, &format!("/imports/{id}"), "complete").await;
    assert_eq!((&done["accepted"], &done["rejected"]), (&json!(1_700), &json!(0)));
    worker.end().await;
}

#[tokio::test]
async fn a_job_does_no_more_than_its_account_may() {
    let world = World::new().await;
    let (one, inside) = (&world.one, superuser(&world).await);
    let import = begin(one, "customers").await;
    let job = left(one, &import, &customers(3)).await;
    let export = one.post("/export-files", &json!({"kind": "customers"})).await.expect(202);
    inside.batch_execute("update users set role = 'read_only'").await.unwrap();
    let worker = working(&world.store, |_| {}).await;
    let export = until_state(one, &format!("/export-files/{}", export["id"].as_str().unwrap()), "failed").await;
    assert_eq!(export["reason"], "not_allowed");
    let dead =
        "select count(*) from jobs where state = 'dead' and last_error like 'forbidden%' and id = $1::text::uuid";
    eventually(SOON, async || inside.query_one(dead, &[&job]).await.unwrap().get::<_, i64>(0) == 1).await;
    assert_eq!(number(&inside, "select count(*) from customers").await, 0);
    // The file is still there: with its right back the job is begun anew.
    inside.batch_execute("update users set role = 'owner'").await.unwrap();
    one.post(&format!("/jobs/{job}/replay"), &Value::Null).await.expect(200);
    until_state(one, &format!("/imports/{import}"), "complete").await;
    worker.end().await;
}

#[tokio::test]
async fn an_export_is_written_by_a_job_and_kept_for_a_day() {
    let world = World::new().await;
    let (one, inside) = (&world.one, superuser(&world).await);
    one.stocked("=p", 10).await;
    let many = "insert into customers (tenant_id, id, code, name) select $1, gen_random_uuid(), 'c-' || n, '=N' from generate_series(1, 2345) n";
    inside.execute(many, &[&one.tenant.get()]).await.unwrap();
    let mut asked = Vec::new();
    for (kind, spreadsheet) in [("customers", true), ("stock-levels", false), ("orders", false)] {
        let body = json!({"kind": kind, "spreadsheet": spreadsheet});
        let answer = one.with("idempotency-key", kind).post("/export-files", &body).await;
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        let export = answer.expect(202);
        assert_eq!(
            (location.as_str(), &export["state"], &export["rows"]),
            (format!("/api/v1/export-files/{}", export["id"].as_str().unwrap()).as_str(), &json!("open"), &json!(0))
        );
        assert_eq!(one.with("idempotency-key", kind).post("/export-files", &body).await.expect(202), export);
        asked.push((kind, spreadsheet, format!("/export-files/{}", export["id"].as_str().unwrap())));
    }
    one.get(&format!("{}/content", asked[0].2)).await.refused(409, "export_open");
    one.post("/export-files", &json!({"kind": "cats", "spreadsheet": 1})).await.refused(422, "validation_failed");
    let worker = working(&world.store, |_| {}).await;
    for (kind, spreadsheet, path) in &asked {
        let export = until_state(one, path, "complete").await;
        let file = one.get(&format!("{path}/content")).await;
        assert_eq!(
            file.headers["content-disposition"].to_str().unwrap(),
            format!("attachment; filename=\"{kind}.csv\"")
        );
        assert_eq!(file.headers["content-length"].to_str().unwrap(), export["bytes"].to_string());
        let streamed = one.get(&format!("/exports/{kind}?spreadsheet={spreadsheet}")).await.expect(200);
        let text = file.expect(200);
        assert_eq!(text, streamed, "{kind}");
        let rows = text.as_str().unwrap().matches("\r\n").count() as i64 - 1;
        assert_eq!(export["rows"], rows, "{kind}");
        world.two.get(path).await.refused(404, "not_found");
        world.two.get(&format!("{path}/content")).await.refused(404, "not_found");
    }
    let events = eventually(SOON, async || {
        let events = one.get("/events?type=export.finished").await.expect(200);
        (events["data"].as_array().unwrap().len() == 3).then_some(events)
    })
    .await;
    assert_eq!(events["data"][0]["data"]["state"], "complete");
    // A day later it is nobody's, and soon nowhere.
    inside.batch_execute("update stored_files set expires_at = now() - interval '1 s'").await.unwrap();
    one.get(&asked[0].2).await.refused(404, "not_found");
    one.get(&format!("{}/content", asked[0].2)).await.refused(404, "not_found");
    assert_eq!(world.store.forget(kv_store::jobs::Forgetting::Files, 100).await.unwrap(), 3);
    assert_eq!(number(&inside, FILES).await + number(&inside, "select count(*) from export_files").await, 0);
    worker.end().await;
}

#[tokio::test]
async fn an_export_whose_job_has_died_says_so_until_it_is_replayed() {
    let world = World::new().await;
    let one = &world.one;
    let export = one.post("/export-files", &json!({"kind": "products"})).await.expect(202);
    let (path, job) = (format!("/export-files/{}", export["id"].as_str().unwrap()), export["job_id"].as_str().unwrap());
    world.store.bury_job(one.tenant, (job.parse().unwrap(), 0), ("it was to die", 1)).await.unwrap();
    let failed = one.get(&path).await.expect(200);
    assert_eq!((&failed["state"], &failed["reason"]), (&json!("failed"), &json!("job_dead")));
    one.get(&format!("{path}/content")).await.refused(409, "export_failed");
    one.post(&format!("/jobs/{job}/replay"), &Value::Null).await.expect(200);
    let worker = working(&world.store, |_| {}).await;
    until_state(one, &path, "complete").await;
    worker.end().await;
}

/// A service on the rig's database, and somebody who asks it.
async fn caller(rig: &Rig) -> (Router, Caller) {
    let router = router(&rig.store).await;
    let caller = caller_on(&rig.database.url().parse().unwrap(), &router).await;
    (router, caller)
}

/// A worker is killed in the middle of the file, and another one takes it up.
async fn killed_in_the_middle(kind: &'static str, rows: usize) {
    let rig = Rig::start().await;
    let (_router, one) = caller(&rig).await;
    let inside = rig.superuser().await;
    let (product, warehouse) = one.stocked("hot", 1).await;
    let id = begin(&one, kind).await;
    let mut file =
        if kind == "customers" { customers(rows) } else { "sku,warehouse_code,quantity,reference\n".to_owned() };
    if kind != "customers" {
        (0..rows).for_each(|number| writeln!(file, "hot,W-hot,{},d-{}", 1 + number % 3, number / 7).unwrap());
    }
    left(&one, &id, &file).await;
    let first = rig.worker(&[]).await;
    let done = format!("select lines_done from imports where id = '{id}'");
    eventually(SOON, async || number(&inside, &done).await > 1_000).await;
    first.kill().await;
    let at = number(&inside, &done).await;
    assert!(at < rows as i64, "it was over before the crash");
    let second = rig.worker(&[]).await;
    let import = until_state(&one, &format!("/imports/{id}"), "complete").await;
    assert_eq!((&import["accepted"], &import["rejected"]), (&json!(rows), &json!(0)));
    if kind == "customers" {
        assert_eq!(
            number(&inside, "select count(distinct code) from customers where code like 'c-%'").await,
            rows as i64
        );
    } else {
        let units: usize = (0..rows).map(|number| 1 + number % 3).sum();
        let level = one.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
        assert_eq!((&level["quantity"], &level["version"]), (&json!(units + 1), &json!(rows + 1)));
        assert_eq!(rig.store.audit_stock(one.tenant).await.unwrap(), vec![]);
    }
    eventually(SOON, async || number(&inside, FILES).await == 0).await;
    assert_eq!(second.terminate().await.code(), Some(0), "{}", second.log_tail(20));
}

#[tokio::test]
async fn customers_of_a_killed_worker_are_made_once() {
    killed_in_the_middle("customers", 20_000).await;
}

#[tokio::test]
async fn goods_of_a_killed_worker_are_booked_once() {
    killed_in_the_middle("stock-receipts", 12_000).await;
}

#[tokio::test]
async fn an_export_of_a_killed_worker_has_every_row_once() {
    let rig = Rig::start().await;
    let (_router, one) = caller(&rig).await;
    let inside = rig.superuser().await;
    let many = "insert into customers (tenant_id, id, code, name) select $1, gen_random_uuid(), 'c-' || n, repeat('N', 150) from generate_series(1, 60000) n";
    inside.execute(many, &[&one.tenant.get()]).await.unwrap();
    let export = one.post("/export-files", &json!({"kind": "customers"})).await.expect(202);
    let path = format!("/export-files/{}", export["id"].as_str().unwrap());
    let first = rig.worker(&[]).await;
    eventually(SOON, async || number(&inside, "select rows from export_files").await > 2_000).await;
    first.kill().await;
    let at = number(&inside, "select rows from export_files").await;
    assert!(at < 60_000, "it was over before the crash");
    let second = rig.worker(&[]).await;
    let export = until_state(&one, &path, "complete").await;
    assert_eq!(export["rows"], 60_000);
    let file = one.get(&format!("{path}/content")).await.expect(200);
    assert_eq!(file, one.get("/exports/customers").await.expect(200));
    assert_eq!(second.terminate().await.code(), Some(0), "{}", second.log_tail(20));
}
