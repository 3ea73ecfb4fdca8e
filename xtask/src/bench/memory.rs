//! Memory of the service: idle, and at its highest under load, beside a bare axum handler under the same load.

use anyhow::{Context, Result};
use sandbox::Supervised;
use serde_json::json;

use super::list::{Bare, PATH, fill};
use super::reserve::stock;
use super::service::{Service, load};
use super::{Bench, Figure};
use crate::say;

pub(crate) async fn run(bench: &Bench) -> Result<()> {
    let service = Service::start(bench).await?;
    let idle = Memory::of(&service.process)?;
    say(&format!("kv-erp api, ready and idle                    {:>6.1} MiB", idle.now_mib))?;
    let page = fill(&service)?;
    let (product, warehouse) = stock(&service)?;
    let bare = Bare::start(bench, &service, &page).await?;
    let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1});
    let customers: serde_json::Value = serde_json::from_slice(&page)?;
    let customer = &customers["data"][0]["id"];
    let reservation = json!({"items": [line]}).to_string();
    let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 1}]}).to_string();
    let authorization = service.authorization();
    let folder = service.postgres.folder();
    let read = |url: &str| load(bench, folder, &["-H", &authorization, url]);
    let write = |path: &str, body: &str| {
        let url = format!("{}{path}", service.url);
        load(bench, folder, &["-m", "POST", "--body", body, "-T", "application/json", "-H", &authorization, &url])
    };
    for _ in 0..bench.rounds {
        let done = read(&format!("{}{PATH}", service.url))?;
        tell(&format!("GET {PATH}"), &service.process, done)?;
        tell("POST /api/v1/reservations", &service.process, write("/api/v1/reservations", &reservation)?)?;
        tell("POST /api/v1/orders", &service.process, write("/api/v1/orders", &order)?)?;
        tell("bare axum handler", &bare.process, read(&bare.url)?)?;
    }
    Ok(())
}

fn tell(name: &str, process: &Supervised, load: Figure) -> Result<()> {
    let Memory { now_mib, highest_mib } = Memory::of(process)?;
    say(&format!("{name:<28} {:>8.0}/s: {now_mib:>6.1} MiB, highest so far {highest_mib:.1} MiB", load.per_second))
}

/// What a process holds in memory, as Linux counts it (`proc_pid_status(5)`).
struct Memory {
    now_mib: f64,
    highest_mib: f64,
}

impl Memory {
    fn of(process: &Supervised) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).context("read /proc")?;
        let mib = |name| mib(&status, name).with_context(|| format!("no {name} in /proc"));
        Ok(Self { now_mib: mib("VmRSS:")?, highest_mib: mib("VmHWM:")? })
    }
}

/// A line such as `VmRSS:     12345 kB`.
fn mib(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mib() {
        assert_eq!(mib("VmHWM:\t    2048 kB\nVmRSS:\t    1536 kB\n", "VmRSS:"), Some(1.5));
        assert_eq!(mib("VmHWM:\t 2048 kB\n", "VmRSS:"), None);
    }
}
