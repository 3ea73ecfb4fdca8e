//! What clients were told against what is in the database: nothing acknowledged is missing, nothing refused is there, nothing
//! happened twice, and the levels are the sums of what happened.

use std::collections::HashMap;

use serde_json::json;
use tokio_postgres::Row;
use uuid::Uuid;

use super::client::Connection;
use super::rig::{Level, Rig};
use super::told::{Attempt, End, Record, Told};

const RESERVATIONS: &str =
    "select id, coalesce(reference, '-'), product_id, quantity, status from reservations where tenant_id = $1";
/// A receipt or an adjustment without its movement shows as one of no product; a movement without it breaks the level's sum.
const RECEIPTS: &str = "select d.id, coalesce(d.reference, '-'), m.product_id, m.d_received, 'pending'
      from (select tenant_id, id, reference from receipts union all select tenant_id, id, reference from adjustments) d
      left join stock_movements m on m.tenant_id = d.tenant_id and coalesce(m.receipt_id, m.adjustment_id) = d.id
     where d.tenant_id = $1";
const LEVELS: &str = "select product_id, quantity, reserved_quantity, shipped_quantity, received_quantity
      from stock_levels where tenant_id = $1";

/// A reservation or a receipt as it is in the database.
struct Found {
    id: String,
    reference: String,
    product: Uuid,
    units: i64,
    status: String,
}

impl Found {
    fn read(row: &Row) -> Self {
        let id: Uuid = row.get(0);
        let units: Option<i64> = row.get(3);
        let product: Option<Uuid> = row.get(2);
        Self {
            id: id.to_string(),
            reference: row.get(1),
            product: product.unwrap_or_default(),
            units: units.unwrap_or_default(),
            status: row.get(4),
        }
    }
}

/// How many attempts were told what, and how many of the uncertain ones happened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) ended: u64,
    /// By code.
    pub(crate) untouched: HashMap<String, u64>,
    /// By code.
    pub(crate) uncertain: HashMap<String, u64>,
    pub(crate) uncertain_and_found: u64,
}

/// Everything that must hold.
pub(crate) async fn check(rig: &Rig, levels: &[Level], records: &[Record]) -> Tally {
    let faults = rig.store.audit_stock(rig.tenant).await.unwrap();
    assert_eq!(faults, vec![], "the ledger does not hold");
    rig.assert_chains_hold().await;
    let inside = rig.look_inside().await;
    inside.batch_execute("begin isolation level repeatable read read only").await.unwrap();
    let tenant = rig.tenant.get();
    let read = async |text: &str| inside.query(text, &[&tenant]).await.unwrap();
    let reservations: Vec<Found> = read(RESERVATIONS).await.iter().map(Found::read).collect();
    let receipts: Vec<Found> = read(RECEIPTS).await.iter().map(Found::read).collect();
    for row in read(LEVELS).await {
        check_sums(&row, &reservations, &receipts);
        let level = levels.iter().position(|level| level.product.uuid() == row.get::<_, Uuid>(0)).unwrap();
        let held: i64 = row.get::<_, i64>(2) + row.get::<_, i64>(3);
        check_bounds(level, held, records);
    }
    let mut tally = Tally::default();
    compare(levels, records.iter().flat_map(|record| &record.reservations), reservations, &mut tally);
    compare(levels, records.iter().flat_map(|record| &record.receipts), receipts, &mut tally);
    tally
}

/// A level is the sum of the reservations and receipts that are there.
fn check_sums(level: &Row, reservations: &[Found], receipts: &[Found]) {
    let product: Uuid = level.get(0);
    let sum = |found: &[Found], status: &str| -> i64 {
        found.iter().filter(|one| one.product == product && one.status == status).map(|one| one.units).sum()
    };
    let (reserved, shipped, received) =
        (sum(reservations, "pending"), sum(reservations, "fulfilled"), sum(receipts, "pending"));
    let expected = (received - reserved - shipped, reserved, shipped, received);
    let row: (i64, i64, i64, i64) = (level.get(1), level.get(2), level.get(3), level.get(4));
    assert_eq!(row, expected, "{product}: available, reserved, shipped and received");
}

/// What a level holds and has shipped, against what its clients were told alone.
fn check_bounds(level: usize, held: i64, records: &[Record]) {
    let (mut least, mut most) = (0, 0);
    let attempts = records.iter().flat_map(|record| &record.reservations);
    for attempt in attempts.filter(|attempt| attempt.level == level) {
        let (is_sure, is_possible) = match (&attempt.told, attempt.end) {
            (Told::No(_), _) | (_, End::Is("released")) => (false, false),
            (Told::Perhaps(_), _) | (_, End::Perhaps("released")) => (false, true),
            (Told::Yes(_), _) => (true, true),
        };
        least += if is_sure { attempt.units } else { 0 };
        most += if is_possible { attempt.units } else { 0 };
    }
    assert!((least..=most).contains(&held), "level {level}: {held} reserved and shipped, told {least} to {most}");
}

/// Each attempt against what bears its reference, and the other way round.
fn compare<'a>(levels: &[Level], attempts: impl Iterator<Item = &'a Attempt>, found: Vec<Found>, tally: &mut Tally) {
    let mut by_reference: HashMap<String, Found> = HashMap::new();
    for one in found {
        if let Some(other) = by_reference.insert(one.reference.clone(), one) {
            panic!("{} was asked for once and happened twice", other.reference);
        }
    }
    for attempt in attempts {
        let found = by_reference.remove(&attempt.reference);
        if let Some(found) = &found {
            assert_eq!(
                (found.product, found.units),
                (levels[attempt.level].product.uuid(), attempt.units),
                "{attempt:?}"
            );
            check_end(attempt, found);
        }
        match (&attempt.told, found) {
            (Told::Yes(id), Some(found)) => {
                assert_eq!(*id, found.id, "{attempt:?}");
                tally.acknowledged += 1;
                tally.ended += u64::from(matches!(attempt.end, End::Is(_)));
            }
            (Told::Yes(_), None) => panic!("{attempt:?} was acknowledged and is gone"),
            (Told::No(_), Some(_)) => panic!("{attempt:?} was refused and happened"),
            (Told::No(code), None) => *tally.untouched.entry(code.clone()).or_default() += 1,
            (Told::Perhaps(code), found) => {
                *tally.uncertain.entry(code.clone()).or_default() += 1;
                tally.uncertain_and_found += u64::from(found.is_some());
            }
        }
    }
    let strangers: Vec<&String> = by_reference.keys().collect();
    assert!(strangers.is_empty(), "nobody asked for {strangers:?}");
}

fn check_end(attempt: &Attempt, found: &Found) {
    let is_as_told = match attempt.end {
        End::Pending => found.status == "pending",
        End::Is(state) => found.status == state,
        End::Perhaps(state) => found.status == "pending" || found.status == state,
    };
    assert!(is_as_told, "{attempt:?} is {}", found.status);
}

/// The service itself shows each client's last reservation as it was told, and works on.
pub(crate) async fn ask_again(rig: &Rig, levels: &[Level], records: &[Record]) {
    let mut connection = Connection::open(&rig.door()).await.unwrap();
    let mut shown = 0;
    let told = |attempt: &&Attempt| matches!(attempt.told, Told::Yes(_)) && !matches!(attempt.end, End::Perhaps(_));
    for attempt in records.iter().filter_map(|record| record.reservations.iter().rev().find(told)) {
        let Told::Yes(id) = &attempt.told else { unreachable!("only acknowledged ones are left") };
        let (status, answer) = connection.get(&format!("/api/v1/reservations/{id}")).await.unwrap();
        let state = if let End::Is(state) = attempt.end { state } else { "pending" };
        assert_eq!(
            (status, answer["status"].as_str(), answer["reference"].as_str()),
            (200, Some(state), Some(attempt.reference.as_str())),
            "{answer}"
        );
        shown += 1;
    }
    assert!(shown > 0, "nobody has a reservation to ask for");
    for level in levels {
        for what in ["stock-receipts", "reservations"] {
            let body = json!({"items": [level.line(1)], "reference": "again"});
            let (status, answer) = connection.post(&format!("/api/v1/{what}"), &body).await.unwrap();
            assert_eq!(status, 201, "{what}: {answer}");
        }
    }
    assert_eq!(rig.store.audit_stock(rig.tenant).await.unwrap(), vec![]);
}
