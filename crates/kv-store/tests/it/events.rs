//! Events have places in an order in which nothing comes late.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use kv_store::webhooks::{Attempt, NewEndpoint, redelivery};
use kv_types::catalogue::NewCustomer;
use kv_types::events::Event;
use kv_types::jobs::JobState;
use kv_types::webhooks::DeliveryState;

use crate::isolation::order_of;
use crate::support::{Account, House};

/// All events behind a place, page by page.
async fn read_on(house: &House, account: Account, after: &mut i64, seen: &mut Vec<Event>) {
    loop {
        let page = house.store.events(account.tenant, *after, None, 7).await.unwrap();
        if let Some(last) = page.rows.last() {
            *after = last.position;
        }
        let is_last = !page.has_more;
        seen.extend(page.rows);
        if is_last {
            return;
        }
    }
}

/// A transaction that wrote first and commits last: its event comes behind those that others read meanwhile.
#[tokio::test]
async fn an_event_that_is_committed_late_is_not_skipped() {
    let house = House::new().await;
    let tenant = house.one.tenant.get();
    let superuser = || async { kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap() };
    let (slow, quick) = (superuser().await, superuser().await);
    let write = "insert into events (tenant_id, id, type, data) values ($1, gen_random_uuid(), 'order.created', '{}') returning id";
    slow.batch_execute("begin").await.unwrap();
    let late: uuid::Uuid = slow.query_one(write, &[&tenant]).await.unwrap().get(0);
    let early: uuid::Uuid = quick.query_one(write, &[&tenant]).await.unwrap().get(0);
    assert_eq!(house.store.place_events(100).await.unwrap(), 1);
    let (mut after, mut seen) = (0, Vec::new());
    read_on(&house, house.one, &mut after, &mut seen).await;
    assert_eq!(seen.iter().map(|event| event.id.uuid()).collect::<Vec<_>>(), [early]);
    slow.batch_execute("commit").await.unwrap();
    assert_eq!(house.store.place_events(100).await.unwrap(), 1);
    read_on(&house, house.one, &mut after, &mut seen).await;
    assert_eq!(seen.iter().map(|event| event.id.uuid()).collect::<Vec<_>>(), [early, late]);
}

/// A job that dies with its workers takes its delivery along, which would be on its way for ever.
#[tokio::test]
async fn a_delivery_whose_job_is_given_up_has_failed_and_can_be_sent_again() {
    let house = House::new().await;
    let (store, tenant) = (&house.store, house.one.tenant);
    let new = NewEndpoint { url: "https://a.example".to_owned(), description: None, event_types: Vec::new() };
    let endpoint = store.create_webhook_endpoint(tenant, &new, &[1; 32]).await.unwrap().unwrap().id;
    let client = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    let write = "insert into events (tenant_id, id, type, data) values ($1, gen_random_uuid(), 'order.created', '{}')";
    client.execute(write, &[&tenant.get()]).await.unwrap();
    assert_eq!(store.place_events(100).await.unwrap(), 1);
    let delivery = async || store.webhook_deliveries((tenant, endpoint), None, None, 9).await.unwrap().rows.remove(0);
    let job = async || {
        let jobs = store.jobs(tenant, Some(JobState::Open), None, 50).await.unwrap().rows;
        jobs.into_iter().find(|job| job.kind == "deliver_webhook").map(|job| job.id)
    };
    let pending = delivery().await;
    assert_eq!(pending.state, DeliveryState::Pending);
    assert!(store.bury_job(tenant, (job().await.unwrap(), 0), ("its workers ended", 0)).await.unwrap());
    let failed = delivery().await;
    assert_eq!((failed.state, failed.last_error.as_deref()), (DeliveryState::Failed, Some("its workers ended")));
    assert!(store.apply(redelivery(tenant, endpoint, pending.id), None).await.is_ok());
    assert_eq!(delivery().await.state, DeliveryState::Pending);
    // What has come is not taken back by its job's death.
    let attempt = Attempt {
        delivery: pending.id,
        endpoint,
        status: Some(200),
        error: None,
        answer: None,
        state: DeliveryState::Succeeded,
        was_sent: true,
        disables: None,
    };
    store.note_webhook_attempt(tenant, &attempt).await.unwrap();
    assert!(store.bury_job(tenant, (job().await.unwrap(), 0), ("its workers ended", 0)).await.unwrap());
    assert_eq!(delivery().await.state, DeliveryState::Succeeded);
}

/// A session that gives places and has not committed keeps others from giving any, or theirs would be seen before its own.
#[tokio::test]
async fn places_are_given_by_one_session_at_a_time() {
    let house = House::new().await;
    let client = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    let write = "insert into events (tenant_id, id, type, data)
        select $1, gen_random_uuid(), 'order.created', '{}' from generate_series(1, 3)";
    client.execute(write, &[&house.one.tenant.get()]).await.unwrap();
    client.batch_execute("begin").await.unwrap();
    let placed: i64 = client.query_one("select app.place_events(2)", &[]).await.unwrap().get(0);
    assert_eq!((placed, house.store.place_events(100).await.unwrap()), (2, 0));
    client.batch_execute("commit").await.unwrap();
    assert_eq!(house.store.place_events(100).await.unwrap(), 1);
    let (mut after, mut seen) = (0, Vec::new());
    read_on(&house, house.one, &mut after, &mut seen).await;
    assert!(seen.len() == 3 && seen.is_sorted_by(|a, b| a.position < b.position));
}

#[tokio::test]
async fn a_reader_among_many_writers_and_placers_sees_each_event_once_and_in_order() {
    let house = House::new().await;
    let account = house.one;
    let key = house.stocked(account, "p", 1_000).await;
    let new = NewCustomer { code: "c".to_owned(), name: "C".to_owned(), email: None, phone: None };
    let customer = house.store.create_customer(account.tenant, &new).await.unwrap().id;
    let writing = async {
        for _ in 0..20 {
            let place =
                |_| house.store.stock().place_order(account.tenant, account.user, order_of(customer, key.0, 1), None);
            join_all((0..10).map(place)).await.into_iter().for_each(|placed| drop(placed.unwrap()));
        }
    };
    let (mut after, mut seen) = (0, Vec::new());
    let reading = async {
        while seen.len() < 200 {
            for placed in join_all((0..3).map(|_| house.store.place_events(5))).await {
                placed.unwrap();
            }
            read_on(&house, account, &mut after, &mut seen).await;
        }
    };
    tokio::join!(writing, reading);
    assert!(seen.is_sorted_by(|a, b| a.position < b.position));
    let orders: BTreeSet<String> = seen.iter().map(|event| event.data["order_id"].to_string()).collect();
    assert_eq!((seen.len(), orders.len()), (200, 200));
}
