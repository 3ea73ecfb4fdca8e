//! A primary that dies under load, and the standby that takes its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kv_store::StoreConfig;
use kv_store::replicas::Lsn;
use sandbox::Postgres;
use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::{PASSWORD, PATIENCE, Service, ask, login, primary, run};
use crate::world::Caller;

const BUYERS: usize = 8;

/// What somebody was told was done.
#[derive(Debug)]
struct Acknowledged {
    id: String,
    /// Where the log was afterwards, when that could be asked.
    token: Option<Lsn>,
}

/// What buyers met.
#[derive(Debug, Default)]
struct Met {
    acknowledged: Vec<Acknowledged>,
    /// Answers of 503 by their codes.
    turned_away: Vec<String>,
}

/// The crowd, and how many of it have bought since the counter was put to nought.
struct Crowd {
    stop: Arc<AtomicBool>,
    bought: Arc<AtomicUsize>,
    buyers: Vec<tokio::task::JoinHandle<Met>>,
}

impl Crowd {
    fn begin(caller: &Caller, product: &str, warehouse: &str) -> Self {
        let (stop, bought) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let body = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1}]});
        let each = |_| tokio::spawn(buy(caller.clone(), body.clone(), (Arc::clone(&stop), Arc::clone(&bought))));
        Self { buyers: (0..BUYERS).map(each).collect(), stop, bought }
    }

    /// Waits until this many more have bought.
    async fn buys(&self, more: usize) {
        let before = self.bought.load(Ordering::Relaxed);
        eventually(PATIENCE, async || self.bought.load(Ordering::Relaxed) >= before + more).await;
    }

    async fn end(self) -> Met {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Met::default();
        for buyer in self.buyers {
            let met = buyer.await.unwrap();
            all.acknowledged.extend(met.acknowledged);
            all.turned_away.extend(met.turned_away);
        }
        all
    }
}

async fn buy(caller: Caller, body: Value, (stop, bought): (Arc<AtomicBool>, Arc<AtomicUsize>)) -> Met {
    let mut met = Met::default();
    while !stop.load(Ordering::Relaxed) {
        let answer = caller.post("/reservations", &body).await;
        let token = answer.headers.get("x-read-your-writes").and_then(|token| token.to_str().ok()?.parse().ok());
        match answer.status {
            201 => {
                met.acknowledged.push(Acknowledged { id: answer.made(), token });
                bought.fetch_add(1, Ordering::Relaxed);
            }
            503 => {
                met.turned_away.push(answer.body["code"].as_str().unwrap().to_owned());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            _ => panic!("neither done nor turned away: {answer:?}"),
        }
    }
    met
}

/// The two servers by one URL, as an operator writes it.
fn either(primary: &Postgres, standby: &Postgres) -> StoreConfig {
    let (first, second) = (primary.port(), standby.port());
    let url = format!(
        "postgresql://kv_app:{PASSWORD}@127.0.0.1:{first},127.0.0.1:{second}/postgres?target_session_attrs=read-write"
    );
    let mut config = StoreConfig::new(url.parse().unwrap());
    config.replicas = vec![login(standby)];
    config
}

async fn missing(caller: &Caller, acknowledged: &[Acknowledged]) -> Vec<Option<Lsn>> {
    let mut lost = Vec::new();
    for one in acknowledged {
        match caller.get(&format!("/reservations/{}", one.id)).await.status {
            200 => {}
            404 => lost.push(one.token),
            other => panic!("{other} for {}", one.id),
        }
    }
    lost
}

#[tokio::test]
async fn with_synchronous_replication_no_acknowledged_write_is_lost() {
    let primary = primary().await;
    let standby = primary.standby().await.unwrap();
    run(&primary, "alter system set synchronous_standby_names = '*'").await;
    run(&primary, "select pg_reload_conf()").await;
    eventually(PATIENCE, async || ask(&primary, "select sync_state from pg_stat_replication").await == "sync").await;
    let service = Service::on(&either(&primary, &standby)).await;
    let caller = service.caller(&primary).await;
    let (product, warehouse) = caller.stocked("SKU", 1_000_000).await;
    let crowd = Crowd::begin(&caller, &product, &warehouse);
    crowd.buys(100).await;
    primary.kill().await;
    // A promotion may be quicker than anybody notices. This buys nothing, whoever answers it.
    let of_nothing = json!({"items": [{"product_id": uuid::Uuid::nil(), "quantity": 1}]});
    eventually(PATIENCE, async || caller.post("/reservations", &of_nothing).await.status == 503).await;
    standby.promote().await.unwrap();
    crowd.buys(100).await;
    let met = crowd.end().await;
    let known = ["unavailable", "outcome_unknown", "overloaded", "timeout"];
    assert!(met.turned_away.iter().all(|code| known.contains(&code.as_str())), "{:?}", met.turned_away);
    // Those who came while the primary went ask it for a second or two more.
    let read = eventually(PATIENCE, async || {
        let level = caller.get(&format!("/stock-levels/{product}/{warehouse}")).await;
        if level.status == 200 { Ok(level.body) } else { Err(level.status) }
    })
    .await;
    assert_eq!(missing(&caller, &met.acknowledged).await, []);
    let reserved = usize::try_from(read["reserved_quantity"].as_i64().unwrap()).unwrap();
    assert!(reserved >= met.acknowledged.len(), "{reserved} of {}", met.acknowledged.len());
    let unknown = met.turned_away.iter().filter(|code| *code != "unavailable").count();
    assert!(reserved <= met.acknowledged.len() + unknown, "nobody bought who was told that nothing was written");
    assert_eq!(service.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn without_it_only_what_the_standby_had_not_received_is_lost() {
    let primary = primary().await;
    let standby = primary.standby().await.unwrap();
    let service = Service::on(&either(&primary, &standby)).await;
    let caller = service.caller(&primary).await;
    let (product, warehouse) = caller.stocked("SKU", 1_000_000).await;
    let crowd = Crowd::begin(&caller, &product, &warehouse);
    crowd.buys(100).await;
    // The standby hears no more; the primary acknowledges on.
    run(&standby, "alter system set primary_conninfo = 'host=/nonexistent'").await;
    run(&standby, "select pg_reload_conf()").await;
    eventually(PATIENCE, async || ask(&standby, "select count(*) from pg_stat_wal_receiver").await == "0").await;
    crowd.buys(100).await;
    primary.kill().await;
    let received: Lsn = ask(&standby, "pg_last_wal_receive_lsn()").await.parse().unwrap();
    standby.promote().await.unwrap();
    crowd.buys(50).await;
    let met = crowd.end().await;
    let lost = missing(&caller, &met.acknowledged).await;
    assert!(!lost.is_empty(), "the test must have lost something to be one");
    let bound = lost.iter().flatten().min().unwrap();
    assert!(*bound > received, "{bound} was received, and the standby had {received}");
    assert_eq!(service.store.audit_stock(caller.tenant).await.unwrap(), vec![], "what is left is whole");
}
