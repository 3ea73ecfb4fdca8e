//! Two hundred clients hammer five products; then the service and PostgreSQL are killed; then both come back, and every unit and
//! every acknowledged reservation must be accounted for.

mod client;
mod rig;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use client::Connection;
use rig::Rig;

const CLIENTS: u64 = 200;
const PRODUCTS: usize = 5;
const HAMMERING: Duration = Duration::from_secs(20);
/// Few enough that many attempts find nothing left.
const FIRST_UNITS: i64 = 100;

/// What a client was told.
#[derive(Debug, Default)]
struct Told {
    /// Reservations that were answered with 201, and how they were told to have ended.
    reservations: Vec<(String, Option<&'static str>)>,
    /// Units that a 201 said were received, by product.
    received: Vec<(usize, i64)>,
    refused: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_and_database_lose_nothing_that_was_acknowledged() {
    let mut rig = Rig::start().await;
    let levels = rig.stock(PRODUCTS, FIRST_UNITS).await;
    let clients: Vec<_> = (0..CLIENTS).map(|seed| tokio::spawn(hammer(rig.door(), levels.clone(), seed))).collect();
    // Killed while every client is in the middle of something.
    let end = Instant::now() + HAMMERING;
    tokio::time::sleep_until(end).await;
    rig.kill().await;
    let mut told = Vec::new();
    for client in clients {
        told.push(client.await.unwrap());
    }
    rig.restart().await;
    println!("{}", check(&rig, &levels, &told).await);
}

/// One client on one connection until that breaks, which is when the service dies.
async fn hammer(door: rig::Door, levels: Vec<rig::Level>, seed: u64) -> Told {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut told = Told::default();
    let Ok(mut connection) = Connection::open(&door).await else { return told };
    loop {
        let index = rng.random_range(0..levels.len());
        let open: Vec<usize> =
            (0..told.reservations.len()).filter(|&number| told.reservations[number].1.is_none()).collect();
        let went_on = match rng.random_range(0..10) {
            0 => receive(&mut connection, (index, &levels[index]), &mut told).await,
            choice @ 1..=4 if !open.is_empty() => {
                let number = *open.choose(&mut rng).unwrap();
                let transition = if choice < 3 { "release" } else { "confirm" };
                finish(&mut connection, number, transition, &mut told).await
            }
            _ => reserve(&mut connection, &levels[index], rng.random_range(1..4), &mut told).await,
        };
        if went_on.is_err() {
            return told;
        }
    }
}

async fn reserve(
    connection: &mut Connection,
    level: &rig::Level,
    units: i64,
    told: &mut Told,
) -> Result<(), client::Gone> {
    let body = json!({"items": [level.line(units)]});
    let (status, answer) = connection.post("/api/v1/reservations", &body).await?;
    match status {
        201 => told.reservations.push((answer["id"].as_str().unwrap().to_owned(), None)),
        409 => {
            assert_eq!(answer["code"], "insufficient_stock", "{answer}");
            told.refused += 1;
        }
        // The service or its database is going down.
        503 => {}
        _ => panic!("POST reservations: {status} {answer}"),
    }
    Ok(())
}

async fn receive(
    connection: &mut Connection,
    (index, level): (usize, &rig::Level),
    told: &mut Told,
) -> Result<(), client::Gone> {
    let (status, answer) = connection.post("/api/v1/stock-receipts", &json!({"items": [level.line(2)]})).await?;
    match status {
        201 => told.received.push((index, 2)),
        503 => {}
        _ => panic!("POST stock-receipts: {status} {answer}"),
    }
    Ok(())
}

async fn finish(
    connection: &mut Connection,
    number: usize,
    transition: &'static str,
    told: &mut Told,
) -> Result<(), client::Gone> {
    let path = format!("/api/v1/reservations/{}/{transition}", told.reservations[number].0);
    let (status, answer) = match connection.post(&path, &Value::Null).await {
        Ok(answer) => answer,
        Err(gone) => {
            // Not answered: it may have happened or not, so nothing is claimed of this one's state.
            told.reservations[number].1 = Some("either");
            return Err(gone);
        }
    };
    told.reservations[number].1 = Some(match (status, transition) {
        (200, "release") => "released",
        (200, _) => "fulfilled",
        (503, _) => "either",
        _ => panic!("POST {path}: {status} {answer}"),
    });
    Ok(())
}

async fn check(rig: &Rig, levels: &[rig::Level], told: &[Told]) -> String {
    let faults = rig.store.audit_stock(rig.tenant).await.unwrap();
    assert_eq!(faults, vec![], "the ledger does not hold");
    for (index, level) in levels.iter().enumerate() {
        let row = rig.store.stock_level(rig.tenant, level.product, level.warehouse).await.unwrap().unwrap();
        assert_eq!(row.quantity + row.reserved_quantity + row.shipped_quantity, row.received_quantity);
        let acknowledged: i64 =
            told.iter().flat_map(|told| &told.received).filter(|(of, _)| *of == index).map(|(_, units)| units).sum();
        // A receipt whose answer was lost may have happened too.
        assert!(row.received_quantity >= FIRST_UNITS + acknowledged, "{row:?}, acknowledged {acknowledged}");
        assert!(row.received_quantity <= FIRST_UNITS + acknowledged + 2 * i64::try_from(CLIENTS).unwrap());
    }
    let (mut seen, mut ended) = (0_u64, 0_u64);
    for (id, end) in told.iter().flat_map(|told| &told.reservations) {
        let reservation = rig.store.reservation(rig.tenant, id.parse().unwrap()).await.unwrap();
        let reservation = reservation.unwrap_or_else(|| panic!("reservation {id} was answered 201 and is gone"));
        let expected = end.unwrap_or("pending");
        assert!(expected == "either" || reservation.status.as_str() == expected, "{reservation:?} was told {expected}");
        seen += 1;
        ended += u64::from(end.is_some());
    }
    let refused: u64 = told.iter().map(|told| told.refused).sum();
    assert!(
        seen > CLIENTS && ended > 0 && refused > 0,
        "too little happened to prove anything: {seen} {ended} {refused}"
    );
    assert!(told.iter().all(|told| !told.reservations.is_empty() || told.refused > 0), "a client did nothing");
    format!("{seen} reservations acknowledged and found, {ended} ended, {refused} attempts refused for want of stock")
}
