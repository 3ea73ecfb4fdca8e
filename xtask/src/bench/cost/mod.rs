//! CPU time per request of each part (service, PostgreSQL, Redis, load generator), with one, two and three replicas, and the rate that
//! follows from the cost with one beside the rate that was measured.
//!
//! On one machine all parts share the cores, so the rate is cores by the sum of the costs; the parts' own columns say which of them
//! would need machines of its own first. `docs/scaling.md` reckons with these figures.
//! Absent on purpose: waiting. What a part waits for (a disk, a lock) shows as a measured rate below the reckoned one.

mod cpu;
mod fleet;

use std::thread;

use anyhow::{Context, Result};
use serde_json::json;

use super::Bench;
use crate::say;
use cpu::{Spent, spent};
use fleet::Fleet;

/// Replicas that are measured.
const REPLICAS: [usize; 3] = [1, 2, 3];
const CUSTOMERS: usize = 200;

/// One operation: its name, and what follows the URL in `stampede load`.
struct Operation {
    name: &'static str,
    path: &'static str,
    body: Option<String>,
}

/// What one request costs, microseconds of CPU.
#[derive(Clone, Copy, Debug)]
struct Cost {
    api_us: f64,
    postgres_us: f64,
    redis_us: f64,
    generator_us: f64,
    per_second: f64,
}

impl Cost {
    fn of(spent: Spent, requests: u64, per_second: f64) -> Self {
        let each = |seconds: f64| seconds * 1e6 / requests.max(1) as f64;
        Self {
            api_us: each(spent.api_s),
            postgres_us: each(spent.postgres_s),
            redis_us: each(spent.redis_s),
            generator_us: each(spent.generator_s),
            per_second,
        }
    }

    fn sum_us(&self) -> f64 {
        self.api_us + self.postgres_us + self.redis_us + self.generator_us
    }

    /// Requests a second that so many cores can pay for.
    fn affordable_per_s(&self, cores: f64) -> f64 {
        cores * 1e6 / self.sum_us()
    }
}

pub(crate) async fn run(bench: &Bench) -> Result<()> {
    let cores = thread::available_parallelism().context("count the cores")?.get() as f64;
    say(&format!(
        "{} s each, {} connections in all, {cores} cores shared by all parts, programs of {}",
        bench.seconds,
        bench.connections,
        bench.programs.display()
    ))?;
    let most = REPLICAS.into_iter().max().unwrap_or(1);
    let mut costs: Vec<Vec<Cost>> = Vec::new();
    let mut names = Vec::new();
    let fleet = Fleet::start(bench, most).await?;
    let operations = prepare(&fleet)?;
    for replicas in REPLICAS {
        let mut of_size = Vec::new();
        for operation in &operations {
            let cost = measure(bench, (&fleet, replicas), operation)?;
            say(&format!(
                "{} replicas, {}: {:.0}/s, {:.0} µs",
                replicas,
                operation.name,
                cost.per_second,
                cost.sum_us()
            ))?;
            of_size.push(cost);
        }
        costs.push(of_size);
    }
    names.extend(operations.iter().map(|operation| operation.name));
    for (place, name) in names.into_iter().enumerate() {
        let column: Vec<Cost> = costs.iter().map(|of_size| of_size[place]).collect();
        say(&format!("\n{}", table(name, &column, cores)))?;
    }
    Ok(())
}

/// What is needed for the operations, and the operations.
fn prepare(fleet: &Fleet) -> Result<Vec<Operation>> {
    let id = |path: &str, body: &serde_json::Value| -> Result<String> {
        fleet.service.post(path, body)?["id"].as_str().map(str::to_owned).context("an answer without an id")
    };
    let mut customer = String::new();
    for number in 0..CUSTOMERS {
        let body = json!({ "code": format!("C-{number:05}"), "name": format!("Customer {number}") });
        customer = id("/api/v1/customers", &body)?;
    }
    let product = json!({ "sku": "HOT", "name": "Hot", "price_minor": 100, "currency": "EUR" });
    let product = id("/api/v1/products", &product)?;
    let warehouse = id("/api/v1/warehouses", &json!({ "code": "W", "name": "W" }))?;
    let line = json!({ "product_id": product, "warehouse_id": warehouse, "quantity": 1_000_000 });
    for _ in 0..10 {
        fleet.service.post("/api/v1/stock-receipts", &json!({ "items": [line] }))?;
    }
    let reservation = json!({ "items": [{ "product_id": product, "warehouse_id": warehouse, "quantity": 1 }] });
    let order = json!({ "customer_id": customer, "items": [{ "product_id": product, "quantity": 1 }] });
    Ok(vec![
        Operation { name: "list: GET /api/v1/customers, 20 rows", path: "/api/v1/customers", body: None },
        Operation {
            name: "reserve: POST /api/v1/reservations",
            path: "/api/v1/reservations",
            body: Some(reservation.to_string()),
        },
        Operation { name: "order: POST /api/v1/orders", path: "/api/v1/orders", body: Some(order.to_string()) },
    ])
}

/// Loads the first `replicas` of the fleet at once, after a second of warming up.
fn measure(bench: &Bench, (fleet, replicas): (&Fleet, usize), operation: &Operation) -> Result<Cost> {
    fleet.load((bench, replicas, 1), operation.path, operation.body.as_deref())?;
    let before = spent(fleet)?;
    let loaded = fleet.load((bench, replicas, bench.seconds), operation.path, operation.body.as_deref())?;
    let after = spent(fleet)?;
    let mut spent = after.less(before);
    spent.generator_s = loaded.generator_s;
    Ok(Cost::of(spent, loaded.requests, loaded.per_second))
}

/// A Markdown table, as it goes into the document.
fn table(name: &str, costs: &[Cost], cores: f64) -> String {
    let mut lines = vec![
        format!("{name}\n"),
        "| replicas | service µs | PostgreSQL µs | Redis µs | generator µs | sum µs | reckoned /s | measured /s |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let reckoned = costs.first().map_or(0.0, |one| one.affordable_per_s(cores));
    for (cost, replicas) in costs.iter().zip(REPLICAS) {
        lines.push(format!(
            "| {replicas} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {reckoned:.0} | {:.0} |",
            cost.api_us,
            cost.postgres_us,
            cost.redis_us,
            cost.generator_us,
            cost.sum_us(),
            cost.per_second
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reckoned_rate_is_what_the_cores_can_pay_for() {
        let spent = Spent { api_s: 4.0, postgres_s: 3.0, redis_s: 1.0, generator_s: 2.0 };
        let cost = Cost::of(spent, 100_000, 19_000.0);
        assert!((cost.sum_us() - 100.0).abs() < 1e-9, "{cost:?}");
        assert!((cost.affordable_per_s(2.0) - 20_000.0).abs() < 1e-6);
        let shown = table("list", &[cost, cost], 2.0);
        assert!(shown.contains("| 1 | 40.0 | 30.0 | 10.0 | 20.0 | 100.0 | 20000 | 19000 |"), "{shown}");
    }
}
