//! Reservations of one product a second over HTTP, beside the guide's transaction in pgbench.
//!
//! Ours carries authentication, rate limit, tenancy and ledger; the reference is the bare transaction over a local socket.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::pgbench::Guide;
use super::service::{Service, load};
use super::{Bench, Figure};
use crate::say;

pub(crate) async fn run(bench: &Bench) -> Result<()> {
    let service = Service::start(bench).await?;
    let (product, warehouse) = stock(&service)?;
    let guide = Guide::prepare(&service.postgres).await?;
    let body = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1}]}).to_string();
    let url = format!("{}/api/v1/reservations", service.url);
    let authorization = service.authorization();
    let (mut ours, mut reference): (Vec<Figure>, Vec<Figure>) = (Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        let theirs = guide.measure(bench)?;
        let args = ["-m", "POST", "--body", &body, "-T", "application/json", "-H", &authorization, &url];
        let mine = load(bench, service.postgres.folder(), &args)?;
        say(&format!("round {round}: {:.0} reservations/s, pgbench {:.0} tps", mine.per_second, theirs.per_second))?;
        ours.push(mine);
        reference.push(theirs);
    }
    check(&service, (&product, &warehouse))?;
    bench.report(("POST /api/v1/reservations, one product", &ours), ("pgbench, the guide's transaction", &reference))
}

/// A product with enough units in one warehouse for every round.
pub(super) fn stock(service: &Service) -> Result<(String, String)> {
    let id = |answer: Value| answer["id"].as_str().map(str::to_owned).context("an answer without an id");
    let product = json!({"sku": "HOT", "name": "Hot", "price_minor": 100, "currency": "EUR"});
    let product = id(service.post("/api/v1/products", &product)?)?;
    let warehouse = id(service.post("/api/v1/warehouses", &json!({"code": "W", "name": "W"}))?)?;
    let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1_000_000});
    for _ in 0..10 {
        service.post("/api/v1/stock-receipts", &json!({"items": [line]}))?;
    }
    Ok((product, warehouse))
}

/// Fast and wrong would be worth nothing.
fn check(service: &Service, (product, warehouse): (&str, &str)) -> Result<()> {
    let level: Value = serde_json::from_slice(&service.get(&format!("/api/v1/stock-levels/{product}/{warehouse}"))?)?;
    let units = |name: &str| level[name].as_i64().with_context(|| format!("a level without {name}"));
    let (quantity, reserved, received) = (units("quantity")?, units("reserved_quantity")?, units("received_quantity")?);
    anyhow::ensure!(quantity + reserved == received, "units were not conserved: {level}");
    say(&format!("afterwards: {quantity} available + {reserved} reserved = {received} received"))
}
