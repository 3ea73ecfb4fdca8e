//! Imports: what is accepted and rejected, and that a file which is sent again has its effect once.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use sandbox::testing::eventually;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::world::{Answer, Caller, World, faults};

const CSV: Option<&str> = Some("text/csv");

async fn begin(caller: &Caller, body: Value) -> String {
    caller.post("/imports", &body).await.made()
}

async fn put(caller: &Caller, id: &str, file: impl Into<Body>) -> Answer {
    caller.send_raw(&format!("PUT /imports/{id}/content"), CSV, file).await
}

/// `state accepted rejected lines_done`.
async fn progress(caller: &Caller, id: &str) -> (String, i64, i64, i64) {
    shown(&caller.get(&format!("/imports/{id}")).await.expect(200))
}

fn shown(import: &Value) -> (String, i64, i64, i64) {
    let number = |name: &str| import[name].as_i64().unwrap();
    (import["state"].as_str().unwrap().to_owned(), number("accepted"), number("rejected"), number("lines_done"))
}

/// The rejections as `line code`.
async fn rejections(caller: &Caller, id: &str) -> Vec<String> {
    let listed = caller.get(&format!("/imports/{id}/rejections?limit=100")).await.expect(200);
    let rows = listed["data"].as_array().unwrap();
    rows.iter().map(|row| format!("{} {}", row["line"], row["code"].as_str().unwrap())).collect()
}

/// A file of so many customers.
fn customers(count: usize) -> String {
    let mut file = "code,name\n".to_owned();
    for number in 0..count {
        writeln!(file, "c-{number:06},Customer {number}").unwrap();
    }
    file
}

async fn count(world: &World, table: &str) -> i64 {
    let superuser = world.database.connect().await.unwrap();
    superuser.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0)
}

/// A file in pieces, after which the connection breaks.
fn broken(file: &str, piece: usize) -> Body {
    let mut pieces: Vec<Result<Bytes, std::io::Error>> =
        file.as_bytes().chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    pieces.push(Err(std::io::Error::other("broken")));
    Body::from_stream(stream::iter(pieces))
}

#[tokio::test]
async fn a_file_s_good_rows_are_made_and_its_bad_ones_named_by_line() {
    let world = World::new().await;
    let one = &world.one;
    one.customer("known").await;
    let id = begin(one, json!({"kind": "customers", "name": "old system"})).await;
    let file = b"\xef\xbb\xbfname,code,email\r\nAda,a,ada@example.com\r\n\r\n\"Two\nlines, too\",b,\r\nKnown,known,\r\nNo mail,c,mail\r\n\
        Twice,a,\r\n,d,\r\nShort,e\r\n\"Say \"\"hi\"\"\",f,\r\n\xff,g,\r\nx\"y,h,\r\nLast,i,";
    let done = put(one, &id, &file[..]).await.expect(200);
    assert_eq!(shown(&done), ("complete".to_owned(), 3, 8, 13));
    let wanted = [
        "4 control_character",
        "6 duplicate_code",
        "7 invalid_format",
        "8 duplicate_code",
        "9 required",
        "10 wrong_cell_count",
        "12 invalid_utf8",
        "13 unpaired_quote",
    ];
    assert_eq!(rejections(one, &id).await, wanted);
    let listed = one.get("/customers").await.expect(200);
    let seen: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|row| format!("{} {}", row["code"], row["name"])).collect();
    assert_eq!(seen, ["\"known\" \"Customer known\"", "\"a\" \"Ada\"", "\"f\" \"Say \\\"hi\\\"\"", "\"i\" \"Last\""]);
    // The list goes on behind a line.
    let page = one.get(&format!("/imports/{id}/rejections?limit=2")).await.expect(200);
    assert_eq!((page["data"].as_array().unwrap().len(), &page["next_after"]), (2, &json!(6)));
    let page = one.get(&format!("/imports/{id}/rejections?limit=100&after=12")).await.expect(200);
    assert_eq!((page["data"][0]["line"].as_i64(), &page["next_after"]), (Some(13), &Value::Null));
    // The same file once more is no change, another one is refused.
    let again = put(one, &id, &file[..]).await.expect(200);
    assert_eq!(again, done);
    for other in [&file[..file.len() - 1], b"", b"x", &[&file[..], b"\n"].concat()] {
        put(one, &id, other.to_vec()).await.refused(409, "import_content_differs");
    }
    assert_eq!(count(&world, "customers").await, 4);
}

#[tokio::test]
async fn a_wrong_header_names_every_column_before_any_row() {
    let world = World::new().await;
    let one = &world.one;
    let id = begin(one, json!({"kind": "products"})).await;
    let problem = put(one, &id, "sku,price_minor,price,sku\na,1,1,b\n").await.refused(422, "wrong_header");
    let wanted = ["price unknown_column", "sku repeated_column", "name missing_column", "currency missing_column"];
    assert_eq!(faults(&problem), wanted);
    for empty in ["", "\r\n\n", "\u{feff}"] {
        let problem = put(one, &id, empty).await.refused(422, "wrong_header");
        assert_eq!(faults(&problem).len(), 4);
    }
    for kind in [None, Some("application/json"), Some("text/plain")] {
        let line = format!("PUT /imports/{id}/content");
        one.send_raw(&line, kind, "sku").await.refused(415, "unsupported_media_type");
    }
    // Nothing of it stays: the right file is taken at once.
    let good = "sku,name,price_minor,currency,active\np,P,250,EUR,false\nq,Q,1,EUR,\n";
    assert_eq!(shown(&put(one, &id, good).await.expect(200)), ("complete".to_owned(), 2, 0, 3));
    let listed = one.get("/products").await.expect(200);
    let actives: Vec<_> = listed["data"].as_array().unwrap().iter().map(|row| &row["active"]).collect();
    assert_eq!(actives, [false, true]);
    let refused = one.post("/imports", &json!({"kind": "cats", "on_conflict": 1})).await;
    let wanted = ["/kind unknown_word", "/on_conflict wrong_type"];
    assert_eq!(faults(&refused.refused(422, "validation_failed")), wanted);
}

#[tokio::test]
async fn known_rows_are_changed_when_that_is_asked() {
    let world = World::new().await;
    let one = &world.one;
    let known = one.product("p").await;
    let id = begin(one, json!({"kind": "products", "on_conflict": "update"})).await;
    let file = "sku,name,price_minor,currency\np,First,1,EUR\nq,New,2,EUR\np,Second,3,EUR\n";
    assert_eq!(shown(&put(one, &id, file).await.expect(200)), ("complete".to_owned(), 3, 0, 4));
    let product = one.get(&format!("/products/{known}")).await.expect(200);
    assert_eq!((&product["name"], &product["price_minor"]), (&json!("Second"), &json!(3)), "the last row holds");
    assert_eq!(count(&world, "products").await, 2);
}

#[tokio::test]
async fn a_change_leaves_what_its_file_has_no_column_for() {
    let world = World::new().await;
    let one = &world.one;
    let product = json!({"sku": "p", "name": "P", "description": "Zinc", "uom": "kg", "price_minor": 1, "currency": "EUR",
        "active": false});
    let product = format!("/products/{}", one.post("/products", &product).await.made());
    let customer = json!({"code": "c", "name": "C", "email": "c@example.com", "phone": "+49 1"});
    let customer = format!("/customers/{}", one.post("/customers", &customer).await.made());
    for (kind, file) in [("products", "sku,name,price_minor,currency\np,Q,2,EUR\n"), ("customers", "code,name\nc,D\n")]
    {
        let id = begin(one, json!({"kind": kind, "on_conflict": "update"})).await;
        put(one, &id, file).await.expect(200);
    }
    let shown = one.get(&product).await.expect(200);
    let kept = (&shown["description"], &shown["uom"], &shown["active"]);
    assert_eq!((&shown["name"], kept), (&json!("Q"), (&json!("Zinc"), &json!("kg"), &json!(false))));
    let shown = one.get(&customer).await.expect(200);
    assert_eq!(
        (&shown["name"], &shown["email"], &shown["phone"]),
        (&json!("D"), &json!("c@example.com"), &json!("+49 1"))
    );
    // A column that is there and empty is set to what a new row would have.
    for (kind, file) in [
        ("products", "sku,name,price_minor,currency,active,uom,description\np,Q,2,EUR,,,\n"),
        ("customers", "code,name,email\nc,D,\n"),
    ] {
        let id = begin(one, json!({"kind": kind, "on_conflict": "update"})).await;
        put(one, &id, file).await.expect(200);
    }
    let shown = one.get(&product).await.expect(200);
    assert_eq!((&shown["description"], &shown["active"]), (&Value::Null, &json!(true)));
    let shown = one.get(&customer).await.expect(200);
    assert_eq!((&shown["email"], &shown["phone"]), (&Value::Null, &json!("+49 1")));
}

#[tokio::test]
async fn a_carriage_return_makes_no_second_row_of_a_line() {
    let world = World::new().await;
    let one = &world.one;
    let id = begin(one, json!({"kind": "customers"})).await;
    let done = put(one, &id, "code,name\r\na,A\rb,B\r\nc,C\r\n").await.expect(200);
    assert_eq!(shown(&done), ("complete".to_owned(), 1, 1, 3));
    let rejected = one.get(&format!("/imports/{id}/rejections")).await.expect(200);
    assert_eq!(
        (&rejected["data"][0]["line"], &rejected["data"][0]["code"]),
        (&json!(2), &json!("stray_carriage_return"))
    );
}

#[tokio::test]
async fn a_file_that_broke_off_is_taken_up_where_it_was_done() {
    let world = World::new().await;
    let one = &world.one;
    let id = begin(one, json!({"kind": "customers"})).await;
    let file = customers(1_700);
    for (share, piece) in [(0.4, 1_000), (0.7, 999), (0.9, 7_777)] {
        let part = &file[..(file.len() as f64 * share) as usize];
        put(one, &id, broken(part, piece)).await.refused(400, "body_incomplete");
    }
    // Three steps of 500 rows behind the header.
    assert_eq!(progress(one, &id).await, ("open".to_owned(), 1_500, 0, 1_501));
    let other = file.replace("Customer 3\n", "Customer x\n");
    put(one, &id, other).await.refused(409, "import_content_differs");
    put(one, &id, file[..9_000].to_owned()).await.refused(409, "import_content_differs");
    let done = put(one, &id, file).await.expect(200);
    assert_eq!(shown(&done), ("complete".to_owned(), 1_700, 0, 1_701));
    assert_eq!(count(&world, "customers").await, 1_700);
}

#[tokio::test]
async fn one_upload_at_a_time() {
    let world = World::new().await;
    let one = &world.one;
    let id = begin(one, json!({"kind": "customers"})).await;
    let file = customers(700);
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    let pieces = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let (caller, path) = (one.clone(), id.clone());
    let first = tokio::spawn(async move { put(&caller, &path, Body::from_stream(pieces)).await });
    let (head, tail) = file.split_at(file.len() - 100);
    sender.send(Ok(Bytes::copy_from_slice(head.as_bytes()))).await.unwrap();
    eventually(Duration::from_secs(20), async || progress(one, &id).await.1 == 500).await;
    let busy = put(one, &id, file.clone()).await;
    assert!(busy.headers.contains_key("retry-after"));
    busy.refused(409, "import_busy");
    sender.send(Ok(Bytes::copy_from_slice(tail.as_bytes()))).await.unwrap();
    drop(sender);
    assert_eq!(shown(&first.await.unwrap().expect(200)), ("complete".to_owned(), 700, 0, 701));
    put(one, &id, file).await.expect(200);
    assert_eq!(count(&world, "customers").await, 700);
}

#[tokio::test]
async fn an_import_of_nothing_but_faults_is_given_up() {
    let world = World::new().await;
    let one = &world.one;
    let id = begin(one, json!({"kind": "customers"})).await;
    let mut file = "code,name\nfirst,First\n".to_owned();
    (0..12_000).for_each(|_| file.push_str("x\n"));
    let problem = put(one, &id, file.clone()).await.refused(409, "import_failed");
    assert_eq!(problem["reason"], "too_many_rejections");
    let import = one.get(&format!("/imports/{id}")).await.expect(200);
    assert_eq!((&import["state"], &import["reason"]), (&json!("failed"), &json!("too_many_rejections")));
    let rejected = import["rejected"].as_i64().unwrap();
    assert!((10_000..10_500).contains(&rejected), "{rejected}");
    assert_eq!(count(&world, "import_rejections").await, rejected);
    put(one, &id, file).await.refused(409, "import_failed");
    assert_eq!(count(&world, "customers").await, 1, "what was accepted before stays");
}

#[tokio::test]
async fn goods_go_through_the_ledger() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 1).await;
    let id = begin(one, json!({"kind": "stock-receipts"})).await;
    let file = "sku,warehouse_code,quantity,reference\nhot,W-hot,2,d-1\nhot,W-hot,3,d-1\ncold,W-hot,1,d-1\n\
        hot,W-cold,1,d-1\nhot,W-hot,0,d-1\nhot,W-hot,4,d-2\nhot,W-hot,5,\n";
    assert_eq!(shown(&put(one, &id, file).await.expect(200)), ("complete".to_owned(), 4, 3, 8));
    assert_eq!(rejections(one, &id).await, ["4 unknown_product", "5 unknown_warehouse", "6 out_of_range"]);
    let level = one.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!((&level["quantity"], &level["version"]), (&json!(15), &json!(5)));
    let receipts = one.get("/stock-receipts").await.expect(200);
    let seen: Vec<_> = receipts["data"].as_array().unwrap()[1..]
        .iter()
        .map(|receipt| (receipt["reference"].clone(), receipt["items"].as_array().unwrap().len()))
        .collect();
    assert_eq!(seen, [(json!("d-1"), 2), (json!("d-2"), 1), (Value::Null, 1)]);
    assert_eq!(world.store.audit_stock(one.tenant).await.unwrap(), vec![]);
}

/// A step whose goods were booked and whose progress was lost, as by a crash between the two: sent again it is not booked twice, and
/// says of each row what it said the first time, whatever was made and deleted since.
#[tokio::test]
async fn goods_that_were_booked_without_a_word_are_not_booked_twice() {
    let world = World::new().await;
    let one = &world.one;
    let (product, warehouse) = one.stocked("hot", 1).await;
    let id = begin(one, json!({"kind": "stock-receipts"})).await;
    let file = "sku,warehouse_code,quantity\nhot,W-hot,2\nlate,W-hot,3\nhot,W-hot,4\n";
    let first = put(one, &id, file).await.expect(200);
    let rejected = rejections(one, &id).await;
    assert_eq!((shown(&first).1, &rejected[..]), (2, &["3 unknown_product".to_owned()][..]));
    let superuser = world.database.connect().await.unwrap();
    let forget = "delete from import_rejections; update imports set state = 'open', columns = null, lines_done = 0, bytes_done = 0,
            accepted = 0, rejected = 0, prefix_hash = null, upload_id = null, upload_until = null";
    superuser.batch_execute(forget).await.unwrap();
    one.product("late").await;
    let longer = format!("{file}hot,W-hot,9\n");
    put(one, &id, longer).await.refused(409, "import_content_differs");
    let again = put(one, &id, file).await.expect(200);
    assert_eq!(shown(&again), shown(&first));
    assert_eq!(rejections(one, &id).await, rejected);
    let level = one.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!((&level["quantity"], &level["version"]), (&json!(7), &json!(3)));
    // Once its key may be forgotten nothing is taken up any more.
    superuser.batch_execute(forget).await.unwrap();
    superuser.batch_execute("update imports set updated_at = now() - interval '13 hours'").await.unwrap();
    put(one, &id, file).await.refused(409, "import_expired");
    assert_eq!(world.store.audit_stock(one.tenant).await.unwrap(), vec![]);
}
