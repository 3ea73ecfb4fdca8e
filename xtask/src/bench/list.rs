//! A page of 20 customers over HTTP, beside a bare axum handler that answers with the same bytes.

use anyhow::{Context, Result};
use sandbox::{ProcessSpec, Supervised, testing};
use serde_json::json;
use std::time::Duration;

use super::service::{Service, curl, load};
use super::{Bench, Figure};
use crate::say;

const CUSTOMERS: usize = 1_000;
pub(super) const PATH: &str = "/api/v1/customers";

pub(crate) async fn run(bench: &Bench) -> Result<()> {
    let service = Service::start(bench).await?;
    let page = fill(&service)?;
    let bare = Bare::start(bench, &service, &page).await?;
    let authorization = service.authorization();
    let (mut ours, mut reference): (Vec<Figure>, Vec<Figure>) = (Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        let theirs = load(bench, service.postgres.folder(), &["-H", &authorization, &bare.url])?;
        let mine = load(bench, service.postgres.folder(), &["-H", &authorization, &format!("{}{PATH}", service.url)])?;
        say(&format!("round {round}: {:.0} pages/s, bare axum {:.0}/s", mine.per_second, theirs.per_second))?;
        ours.push(mine);
        reference.push(theirs);
    }
    let name = format!("GET {PATH}, {} bytes", page.len());
    bench.report((&name, &ours), ("bare axum handler, the same bytes", &reference))
}

/// Makes the customers, and gives the bytes of their first page.
pub(super) fn fill(service: &Service) -> Result<Vec<u8>> {
    for number in 0..CUSTOMERS {
        let customer = json!({
            "code": format!("C-{number:05}"),
            "name": format!("Customer {number}"),
            "email": format!("customer{number}@example.com"),
            "phone": format!("+49 30 {number:07}"),
        });
        service.post(PATH, &customer)?;
    }
    service.get(PATH)
}

/// The reference server.
pub(super) struct Bare {
    pub(super) url: String,
    pub(super) process: Supervised,
}

impl Bare {
    pub(super) async fn start(bench: &Bench, service: &Service, page: &[u8]) -> Result<Self> {
        let bytes = service.postgres.folder().join("page.json");
        std::fs::write(&bytes, page).context("keep the page's bytes")?;
        let address = format!("127.0.0.1:{}", sandbox::free_port()?);
        let spec = ProcessSpec::new(bench.program("examples/bare_axum")).arg(&address).arg(bytes);
        let bare = Self { url: format!("http://{address}{PATH}"), process: Supervised::spawn(spec)? };
        testing::eventually(Duration::from_secs(10), async || curl(&["--fail", &bare.url]).map(drop)).await;
        Ok(bare)
    }
}
