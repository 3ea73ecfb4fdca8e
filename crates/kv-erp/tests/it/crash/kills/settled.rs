//! What the clients know against what is in the database, where nothing is left open: every document is there exactly once or not at
//! all, by its id, its reference and its key; and every level is the sum of what its clients were told, to the unit.

use std::collections::HashMap;

use tokio_postgres::Row;
use uuid::Uuid;

use super::super::client::Connection;
use super::super::rig::{Level, Rig};
use super::insistent::{Document, Kind, Known};

const ORDERS: &str = "select id::text, reference, status from orders";
/// A reservation of an order is the order's; its own have one line each.
const RESERVATIONS: &str = "select id::text, reference, status from reservations where order_id is null";
/// The first ones are the rig's.
const RECEIPTS: &str = "select id::text, reference, 'pending' from receipts where reference not like 'first-%'";
/// Whose making or step was answered. A void one has no line.
const KEYS: &str = "select key, line, head from idempotency_keys";
const LEVELS: &str =
    "select product_id, quantity, reserved_quantity, shipped_quantity, received_quantity from stock_levels";

/// How much of everything there was.
#[derive(Debug, Default)]
pub(super) struct Tally {
    made: HashMap<String, usize>,
    refused: usize,
    void: usize,
    repeated: usize,
    given_up_and_there: usize,
    keys: usize,
}

impl Tally {
    pub(super) fn assert_enough_happened(&self, kills: u32) {
        for kind in Kind::ALL {
            assert!(self.made.contains_key(&format!("{kind:?}")), "none was made: {self:?}");
        }
        assert!(self.repeated >= kills as usize, "hardly anybody was cut off: {self:?}");
        assert!(self.void + self.given_up_and_there > 0, "nobody gave up: {self:?}");
    }
}

/// Everything that must hold.
pub(super) async fn check(rig: &Rig, levels: &[Level], first_units: i64, documents: &[Document]) -> Tally {
    let inside = rig.look_inside().await;
    let mut tally = Tally::default();
    let keys = inside.query(KEYS, &[]).await.unwrap();
    tally.keys = keys.len();
    let keys: HashMap<String, (Option<String>, Option<String>)> =
        keys.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    for (kind, text) in [(Kind::Order, ORDERS), (Kind::Reservation, RESERVATIONS), (Kind::Receipt, RECEIPTS)] {
        let asked: Vec<&Document> = documents.iter().filter(|document| document.kind == kind).collect();
        compare(&asked, &inside.query(text, &[]).await.unwrap());
        for document in asked {
            check_key(document, &keys);
        }
    }
    for row in inside.query(LEVELS, &[]).await.unwrap() {
        check_level(&row, levels, first_units, documents);
    }
    for document in documents {
        match document.known {
            Known::Made(_) => *tally.made.entry(format!("{:?}", document.kind)).or_default() += 1,
            Known::Refused => tally.refused += 1,
            Known::Void => tally.void += 1,
        }
        tally.repeated += usize::from(document.was_repeated);
        let is_made = matches!(document.known, Known::Made(_));
        tally.given_up_and_there += usize::from(document.was_given_up && is_made);
    }
    ask_service(rig, documents).await;
    rig.assert_verified().await;
    let log = rig.postgres_log();
    assert!(log.contains(" 00000 "), "the server's log has no codes");
    let deadlocks: Vec<&str> = log.lines().filter(|line| line.contains(" 40P01 ")).collect();
    assert!(deadlocks.is_empty(), "{deadlocks:#?}");
    tally
}

/// Each document against the rows that bear its reference, and the other way round.
fn compare(asked: &[&Document], rows: &[Row]) {
    let mut by_reference: HashMap<&str, (&str, &str)> = HashMap::new();
    for row in rows {
        let (id, reference, status) = (row.get(0), row.get(1), row.get(2));
        if let Some((other, _)) = by_reference.insert(reference, (id, status)) {
            panic!("{reference} is there twice, as {other} and as {id}");
        }
    }
    for document in asked {
        let found = by_reference.remove(document.reference.as_str());
        match (&document.known, found) {
            (Known::Made(id), Some(found)) => assert_eq!((id.as_str(), document.status), found, "{document:?}"),
            (Known::Made(_), None) => panic!("{document:?} was accepted and is gone"),
            (_, Some((id, _))) => panic!("{document:?} is there, as {id}"),
            (_, None) => {}
        }
    }
    assert!(by_reference.is_empty(), "nobody asked for {by_reference:?}");
}

/// The key of what was made tells of it, and no other key of something that was not made does.
fn check_key(document: &Document, keys: &HashMap<String, (Option<String>, Option<String>)>) {
    let record = keys.get(&document.reference);
    match &document.known {
        Known::Made(id) => {
            let Some((Some(line), Some(head))) = record else { panic!("{document:?} has no answer under its key") };
            assert_eq!(*line, format!("POST {}", document.kind.path()), "{document:?}");
            assert!(head.contains(&format!("{}/{id}", document.kind.path())), "{document:?}: {head}");
        }
        Known::Refused => assert_eq!(record, None, "{document:?} was refused"),
        Known::Void => assert_eq!(record, Some(&(None, None)), "{document:?} was settled as void"),
    }
}

/// What is available, reserved, shipped and received, each to the unit.
fn check_level(row: &Row, levels: &[Level], first_units: i64, documents: &[Document]) {
    let level = levels.iter().position(|level| level.product.uuid() == row.get::<_, Uuid>(0)).unwrap();
    let (mut reserved, mut shipped, mut received) = (0, 0, first_units);
    let made = |document: &&Document| document.level == level && matches!(document.known, Known::Made(_));
    for document in documents.iter().filter(made) {
        match (document.kind, document.status) {
            (Kind::Receipt, _) => received += document.units,
            (_, "pending" | "confirmed") => reserved += document.units,
            (_, "fulfilled") => shipped += document.units,
            _ => {}
        }
    }
    let found: [i64; 4] = [row.get(1), row.get(2), row.get(3), row.get(4)];
    assert_eq!(found, [received - reserved - shipped, reserved, shipped, received], "level {level}");
}

/// The service shows each order under its id, its reference and its key, and proves its ledger.
async fn ask_service(rig: &Rig, documents: &[Document]) {
    let mut connection = Connection::open(&rig.door()).await.unwrap();
    for document in documents.iter().filter(|document| document.kind == Kind::Order) {
        let reference = &document.reference;
        let (status, found) = connection.get(&format!("/api/v1/orders?reference={reference}")).await.unwrap();
        let found = found["data"].as_array().unwrap_or_else(|| panic!("{status} {found}"));
        let Known::Made(id) = &document.known else {
            assert!(found.is_empty(), "{document:?}: {found:?}");
            continue;
        };
        assert!(found.len() == 1 && found[0]["id"] == id.as_str(), "{document:?}: {found:?}");
        let (status, order) = connection.get(&format!("/api/v1/orders/{id}")).await.unwrap();
        assert_eq!((status, order["status"].as_str()), (200, Some(document.status)), "{document:?}: {order}");
        let (status, key) = connection.get(&format!("/api/v1/idempotency/{reference}")).await.unwrap();
        assert_eq!((status, key["state"].as_str()), (200, Some("completed")), "{document:?}: {key}");
        assert_eq!(key["location"], format!("/api/v1/orders/{id}"));
    }
    let (status, proof) = connection.get("/api/v1/admin/invariants").await.unwrap();
    assert_eq!((status, &proof["sound"]), (200, &true.into()), "{proof}");
}
