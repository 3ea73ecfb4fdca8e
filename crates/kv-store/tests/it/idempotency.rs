//! Writes under a key: one effect, whoever repeats them and whenever, and the same answer to all.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kv_store::catalogue::customers;
use kv_store::idempotency::{Answer, Asked, Done, KeyFault, KeyRecord, Once};
use kv_store::stock::{Action, Command, Outcome, Refusal, StockError};
use kv_store::{Store, StoreConfig, StoreError};
use kv_types::catalogue::{Customer, NewCustomer};
use kv_types::stock::Reserve;
use kv_types::{CustomerId, IdempotencyKey, ProductId, WarehouseId};
use sandbox::testing::eventually;

use crate::isolation::order_of;
use crate::support::{Account, House, app_config, reserve};

const SOON: Duration = Duration::from_secs(20);

type Level = (ProductId, WarehouseId);

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

pub(crate) fn asked(text: &str, what: u8) -> Asked {
    Asked { key: key(text), fingerprint: [what; 32], line: format!("POST /{what}") }
}

/// As the HTTP face does it: an order that has no number yet leaves its place open.
fn encode(outcome: &Outcome) -> Answer {
    let (text, numbers_at) = match outcome {
        Outcome::Order(order) if order.order_number == 0 => (format!("{} number .", order.id), vec![44]),
        Outcome::Order(order) => (format!("{} number {}.", order.id, order.order_number), Vec::new()),
        other => (format!("{other:?}"), Vec::new()),
    };
    Answer { head: "201".to_owned(), body: text.into_bytes(), numbers_at }
}

fn text(done: Done<Outcome>) -> String {
    let answer = match done {
        Done::Now(outcome) => encode(&outcome),
        Done::Before(answer) => answer,
    };
    assert_eq!(answer.numbers_at, Vec::<usize>::new());
    String::from_utf8(answer.body).unwrap()
}

/// What is done, and under which key.
pub(crate) async fn run(
    store: &Store,
    account: Account,
    action: Action,
    asked: Asked,
) -> Result<Done<Outcome>, StockError> {
    let once = Some(store.once(account.tenant, asked, Arc::new(encode)));
    store
        .stock()
        .run(
            account.tenant,
            Command { actor: account.user, fence: None, once, expected: kv_types::Expected::Any, action },
        )
        .await
}

fn reserving(account: Account, level: Level, units: i64) -> Action {
    Action::reserve(account.tenant, reserve(&[(level, units)]))
}

/// A further service on the same database.
fn another(house: &House, adjust: impl FnOnce(&mut StoreConfig)) -> Store {
    let mut config = StoreConfig::new(app_config(&house.database));
    adjust(&mut config);
    Store::open(&config).unwrap()
}

/// One that waits for no lock for long.
fn impatient(house: &House) -> Store {
    another(house, |config| {
        config.connection.config_mut().options("-c lock_timeout=200ms");
    })
}

/// One that waits for a row until the test lets go of it.
fn patient(house: &House) -> Store {
    another(house, |config| {
        config.connection.config_mut().options("-c lock_timeout=7s -c statement_timeout=7s");
    })
}

async fn reserved(house: &House, level: Level) -> i64 {
    house.store.stock_level(house.one.tenant, level.0, level.1).await.unwrap().unwrap().reserved_quantity
}

#[tokio::test]
async fn a_repeat_is_told_the_same_and_has_no_effect() {
    let house = House::new().await;
    let level = house.stocked(house.one, "a", 10).await;
    let first = run(&house.store, house.one, reserving(house.one, level, 2), asked("k", 1)).await.unwrap();
    let Done::Now(Outcome::Reservation(held)) = &first else { panic!("{first:?}") };
    let held = held.clone();
    let again = run(&house.store, house.one, reserving(house.one, level, 2), asked("k", 1)).await.unwrap();
    assert!(matches!(again, Done::Before(_)), "{again:?}");
    assert_eq!(text(first), text(again));
    assert_eq!(reserved(&house, level).await, 2);

    // An end, and the same end once more: no change, but an answer to keep.
    for name in ["end", "end-once-more"] {
        let done = run(&house.store, house.one, Action::Release(held.id), asked(name, 2)).await.unwrap();
        let again = run(&house.store, house.one, Action::Release(held.id), asked(name, 2)).await.unwrap();
        assert!(matches!((&done, &again), (Done::Now(_), Done::Before(_))), "{done:?} {again:?}");
        assert_eq!(text(done), text(again));
    }
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_new_order_s_number_is_in_the_kept_answer() {
    let house = House::new().await;
    let level = house.stocked(house.one, "a", 10).await;
    let customer = customers::creation(house.one.tenant, &somebody("c"));
    let Some(Done::Now(customer)) = house.store.apply(customer, None).await.unwrap() else { panic!("it is made") };
    let order = || Action::place_order(house.one.tenant, order_of(customer.id, level.0, 1));
    let first = run(&house.store, house.one, order(), asked("k", 1)).await.unwrap();
    let Done::Now(Outcome::Order(placed)) = &first else { panic!("{first:?}") };
    assert!(placed.order_number > 100_000);
    let (confirm, number) = (Action::ConfirmOrder(placed.id), placed.order_number.to_string());
    let again = run(&house.store, house.one, order(), asked("k", 1)).await.unwrap();
    assert!(matches!(again, Done::Before(_)));
    let again = text(again);
    assert_eq!(text(first), again);
    assert!(again.contains(&number), "{again}");
    let confirmed = run(&house.store, house.one, confirm.clone(), asked("confirm", 1)).await.unwrap();
    assert_eq!(text(confirmed), text(run(&house.store, house.one, confirm, asked("confirm", 1)).await.unwrap()));
    assert_eq!(house.store.orders(house.one.tenant, None, 10).await.unwrap().rows.len(), 1);
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_tenant() {
    let house = House::new().await;
    let level = house.stocked(house.one, "a", 10).await;
    let other = house.stocked(house.two, "a", 10).await;
    run(&house.store, house.one, reserving(house.one, level, 1), asked("k", 1)).await.unwrap();
    let refused = run(&house.store, house.one, reserving(house.one, level, 2), asked("k", 2)).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::Key(KeyFault::Reused)))), "{refused:?}");
    let refused = make(&house.store, house.one, "c", asked("k", 3)).await;
    assert!(matches!(refused, Err(StoreError::Key(KeyFault::Reused))), "{refused:?}");
    assert!(house.store.customers(house.one.tenant, None, 1).await.unwrap().rows.is_empty());
    let done = run(&house.store, house.two, reserving(house.two, other, 2), asked("k", 2)).await.unwrap();
    assert!(matches!(done, Done::Now(_)));
    assert_eq!(reserved(&house, level).await, 1);
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let house = House::new().await;
    let level = house.stocked(house.one, "a", 1).await;
    let refused = run(&house.store, house.one, reserving(house.one, level, 5), asked("k", 1)).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::Short(_)))), "{refused:?}");
    assert_eq!(house.store.key(house.one.tenant, &key("k")).await.unwrap(), None);
    house.receive(house.one, level, 10).await;
    let done = run(&house.store, house.one, reserving(house.one, level, 5), asked("k", 1)).await.unwrap();
    assert!(matches!(done, Done::Now(_)));
    let record = house.store.key(house.one.tenant, &key("k")).await.unwrap();
    let Some(KeyRecord::Completed { line, head, .. }) = record else { panic!("{record:?}") };
    assert_eq!((line.as_str(), head.as_str()), ("POST /1", "201"));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_through_two_services_at_once_have_one_effect() {
    let house = House::with(|config| config.stock_writers = 4).await;
    let second = another(&house, |_| {});
    let level = house.stocked(house.one, "a", 1_000).await;
    for round in 0..10 {
        let name = format!("k-{round}");
        let repeats = (0..64).map(|number| {
            let store = if number % 2 == 0 { house.store.clone() } else { second.clone() };
            let (account, asked) = (house.one, asked(&name, 1));
            tokio::spawn(async move { run(&store, account, reserving(account, level, 3), asked).await.unwrap() })
        });
        let outcomes: Vec<Done<Outcome>> = join_all(repeats).await.into_iter().map(Result::unwrap).collect();
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Done::Now(_))).count();
        let answers: HashSet<String> = outcomes.into_iter().map(text).collect();
        assert_eq!((done, answers.len()), (1, 1));
        assert_eq!(reserved(&house, level).await, 3 * (round + 1));
    }
    house.assert_ledger_holds().await;
}

/// Different requests lock different levels, so nothing but the key stands between them.
#[tokio::test(flavor = "multi_thread")]
async fn of_different_requests_with_one_key_one_has_its_effect() {
    let house = House::with(|config| config.stock_writers = 4).await;
    let second = another(&house, |_| {});
    let mut levels = Vec::new();
    for sku in ["a", "b", "c", "d"] {
        levels.push(house.stocked(house.one, sku, 1_000).await);
    }
    let mut done = 0;
    for round in 0..40 {
        let name = format!("k-{round}");
        let requests = (0..8_u8).map(|number| {
            let store = if number < 4 { house.store.clone() } else { second.clone() };
            let (account, asked, level) = (house.one, asked(&name, number % 4), levels[usize::from(number % 4)]);
            tokio::spawn(async move { run(&store, account, reserving(account, level, 1), asked).await })
        });
        for outcome in join_all(requests).await {
            match outcome.unwrap() {
                Ok(Done::Now(_)) => done += 1,
                Ok(Done::Before(_)) | Err(StockError::Refused(Refusal::Key(KeyFault::Reused))) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(done, round + 1);
    }
    let mut held = 0;
    for level in levels {
        held += reserved(&house, level).await;
    }
    assert_eq!(held, done);
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_request_that_is_late_loses_against_a_key_made_void() {
    let house = House::new().await;
    let level = house.stocked(house.one, "a", 10).await;
    let (store, one) = (patient(&house), house.one);
    // A transaction keeps its first look at who waits, so another session looks.
    let (holder, watcher) = (house.database.connect().await.unwrap(), house.database.connect().await.unwrap());
    holder.batch_execute("begin; select from stock_levels for update").await.unwrap();
    let late = {
        let store = store.clone();
        tokio::spawn(async move { run(&store, one, reserving(one, level, 1), asked("k", 1)).await })
    };
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    eventually(SOON, async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    assert_eq!(store.key(one.tenant, &key("k")).await.unwrap(), Some(KeyRecord::InFlight));
    // Another process knows nothing of it.
    assert_eq!(house.store.key(one.tenant, &key("k")).await.unwrap(), None);
    let record = house.store.void_key(one.tenant, &key("k")).await.unwrap();
    assert!(matches!(record, KeyRecord::Void { .. }), "{record:?}");
    holder.batch_execute("commit").await.unwrap();
    let refused = late.await.unwrap();
    assert!(matches!(refused, Err(StockError::Refused(Refusal::Key(KeyFault::Void)))), "{refused:?}");
    assert_eq!(reserved(&house, level).await, 0);
    let refused = make(&house.store, one, "c", asked("k", 1)).await;
    assert!(matches!(refused, Err(StoreError::Key(KeyFault::Void))), "{refused:?}");
    assert_eq!(house.store.void_key(one.tenant, &key("k")).await.unwrap(), record, "once more is no change");
    // What was done stays done.
    run(&house.store, one, reserving(one, level, 1), asked("done", 1)).await.unwrap();
    let record = house.store.void_key(one.tenant, &key("done")).await.unwrap();
    assert!(matches!(record, KeyRecord::Completed { .. }), "{record:?}");
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_request_whose_caller_has_gone_is_under_way_until_it_ends() {
    let house = House::new().await;
    let level = house.stocked(house.one, "a", 10).await;
    let (one, tenant) = (house.one, house.one.tenant);
    // A transaction keeps its first look at who waits, so another session looks.
    let (holder, watcher) = (house.database.connect().await.unwrap(), house.database.connect().await.unwrap());
    holder.batch_execute("begin; select from stock_levels for update; lock table customers").await.unwrap();
    let patient = patient(&house);
    let (store, other) = (patient.clone(), patient.clone());
    let callers = [
        tokio::spawn(async move { run(&store, one, reserving(one, level, 1), asked("stock", 1)).await.is_ok() }),
        tokio::spawn(async move { make(&other, one, "c", asked("customer", 1)).await.is_ok() }),
    ];
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'kv_app'
        and wait_event_type = 'Lock'";
    eventually(SOON, async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 2).await;
    for caller in callers {
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    for name in ["stock", "customer"] {
        assert_eq!(patient.key(tenant, &key(name)).await.unwrap(), Some(KeyRecord::InFlight), "{name}");
    }
    holder.batch_execute("commit").await.unwrap();
    for name in ["stock", "customer"] {
        eventually(SOON, async || match patient.key(tenant, &key(name)).await.unwrap() {
            Some(KeyRecord::InFlight) => false,
            Some(KeyRecord::Completed { .. }) => true,
            other => panic!("{name}: {other:?}"),
        })
        .await;
    }
    assert_eq!(reserved(&house, level).await, 1);
    assert_eq!(house.store.customers(tenant, None, 10).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_key_that_somebody_else_is_committing_is_waited_for_and_then_told() {
    let house = House::new().await;
    let (store, one) = (impatient(&house), house.one);
    let level = house.stocked(one, "a", 10).await;
    let holder = house.database.connect().await.unwrap();
    let insert = "begin; insert into idempotency_keys (tenant_id, key) values (1, 'k')";
    holder.batch_execute(insert).await.unwrap();
    let busy = run(&store, one, reserving(one, level, 1), asked("k", 1)).await;
    assert!(matches!(busy, Err(StockError::Store(StoreError::Key(KeyFault::InFlight)))), "{busy:?}");
    let busy = make(&store, one, "c", asked("k", 1)).await;
    assert!(matches!(busy, Err(StoreError::Key(KeyFault::InFlight))), "{busy:?}");
    let busy = store.void_key(one.tenant, &key("k")).await;
    assert!(matches!(busy, Err(StoreError::Key(KeyFault::InFlight))), "{busy:?}");
    // Others in the same batch are served all the same.
    let (busy, served) = tokio::join!(
        run(&store, one, reserving(one, level, 1), asked("k", 1)),
        run(&store, one, reserving(one, level, 1), asked("free", 1)),
    );
    assert!(matches!(busy, Err(StockError::Store(StoreError::Key(KeyFault::InFlight)))), "{busy:?}");
    assert!(matches!(served, Ok(Done::Now(_))), "{served:?}");
    holder.batch_execute("rollback").await.unwrap();
    assert!(matches!(make(&store, one, "c", asked("k", 1)).await, Ok(Done::Now(_))));
    assert_eq!(reserved(&house, level).await, 1);
}

#[tokio::test]
async fn an_expired_key_is_new_again_and_forgotten() {
    let house = House::new().await;
    let (store, one) = (&house.store, house.one);
    let level = house.stocked(one, "a", 10).await;
    let superuser = house.database.connect().await.unwrap();
    for name in ["stock", "void"] {
        run(store, one, reserving(one, level, 1), asked(name, 1)).await.unwrap();
    }
    make(store, one, "c", asked("customer", 1)).await.unwrap();
    let expire = "update idempotency_keys set expires_at = now() where key <> 'fresh'";
    superuser.execute(expire, &[]).await.unwrap();
    assert_eq!(store.key(one.tenant, &key("stock")).await.unwrap(), None);
    let done = run(store, one, reserving(one, level, 2), asked("stock", 2)).await.unwrap();
    assert!(matches!(done, Done::Now(_)));
    let again = run(store, one, reserving(one, level, 2), asked("stock", 2)).await.unwrap();
    assert!(matches!(again, Done::Before(_)));
    assert!(matches!(make(store, one, "d", asked("customer", 2)).await, Ok(Done::Now(_))));
    assert!(matches!(store.void_key(one.tenant, &key("void")).await, Ok(KeyRecord::Void { .. })));

    store.void_key(house.two.tenant, &key("of-the-other")).await.unwrap();
    superuser.execute(expire, &[]).await.unwrap();
    store.void_key(one.tenant, &key("fresh")).await.unwrap();
    assert_eq!(store.forget_expired_keys(3).await.unwrap(), 3, "no more than asked for");
    assert_eq!(store.forget_expired_keys(3).await.unwrap(), 1, "of all tenants");
    assert_eq!(store.forget_expired_keys(3).await.unwrap(), 0);
    assert!(store.key(one.tenant, &key("fresh")).await.unwrap().is_some());
}

/// Whatever the service's statements were, a kept answer is out of its reach until it expires.
#[tokio::test]
async fn the_service_cannot_delete_a_key_before_its_time() {
    let house = House::new().await;
    house.store.void_key(house.one.tenant, &key("k")).await.unwrap();
    let service = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    let delete = "begin; set local app.tenant_id = '1'; delete from idempotency_keys; commit";
    service.batch_execute(delete).await.unwrap();
    assert!(house.store.key(house.one.tenant, &key("k")).await.unwrap().is_some());
}

fn somebody(code: &str) -> NewCustomer {
    NewCustomer { code: code.to_owned(), name: "N".to_owned(), email: None, phone: None }
}

fn show(customer: &Customer) -> Answer {
    Answer { head: "201".to_owned(), body: customer.id.to_string().into_bytes(), numbers_at: Vec::new() }
}

async fn make(store: &Store, account: Account, code: &str, asked: Asked) -> Result<Done<Customer>, StoreError> {
    let once: Once<Customer> = store.once(account.tenant, asked, Arc::new(show));
    store.apply(customers::creation(account.tenant, &somebody(code)), Some(once)).await.map(Option::unwrap)
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_in_the_catalogue_have_one_effect() {
    let house = House::new().await;
    let second = another(&house, |_| {});
    for round in 0..10 {
        let name = format!("k-{round}");
        let repeats = (0..16).map(|number| {
            let store = if number % 2 == 0 { house.store.clone() } else { second.clone() };
            let (account, asked, name) = (house.one, asked(&name, 1), name.clone());
            tokio::spawn(async move { make(&store, account, &name, asked).await.unwrap() })
        });
        let (mut done, mut answers) = (0, HashSet::new());
        for outcome in join_all(repeats).await {
            answers.insert(match outcome.unwrap() {
                Done::Now(customer) => {
                    done += 1;
                    show(&customer).body
                }
                Done::Before(answer) => answer.body,
            });
        }
        assert_eq!((done, answers.len()), (1, 1), "a code that this very request has taken is no duplicate");
    }
    assert_eq!(house.store.customers(house.one.tenant, None, 100).await.unwrap().rows.len(), 10);
    // A code that another request has taken is one, and the refusal is not kept.
    let taken = make(&house.store, house.one, "k-0", asked("other", 1)).await;
    assert!(
        matches!(&taken, Err(StoreError::Constraint { constraint }) if constraint == "customers_code"),
        "{taken:?}"
    );
    assert!(matches!(make(&house.store, house.one, "free", asked("other", 2)).await, Ok(Done::Now(_))));
}

#[tokio::test]
async fn the_end_of_a_thing_is_told_again() {
    let house = House::new().await;
    let (store, tenant) = (&house.store, house.one.tenant);
    let Done::Now(customer) = make(store, house.one, "c", asked("make", 1)).await.unwrap() else { panic!("now") };
    let delete = async |name: &str| {
        let encode = |_: &CustomerId| Answer { head: "204".to_owned(), body: Vec::new(), numbers_at: Vec::new() };
        let once = store.once(tenant, asked(name, 2), Arc::new(encode));
        store.apply(customers::deletion(tenant, customer.id, &kv_types::Expected::Any), Some(once)).await.unwrap()
    };
    assert!(matches!(delete("end").await, Some(Done::Now(_))));
    assert!(matches!(delete("end").await, Some(Done::Before(answer)) if answer.head == "204"));
    assert!(delete("another").await.is_none());
    assert_eq!(store.key(tenant, &key("another")).await.unwrap(), None, "there was nothing to do");
}

/// A future that is dropped at any await: the write happens wholly or not, and its key says which.
#[tokio::test]
async fn dropped_writes_and_their_keys_agree() {
    let house = House::new().await;
    let tenant = house.one.tenant;
    let level = house.stocked(house.one, "a", 1_000).await;
    let named = |name: &str| Reserve { reference: Some(name.to_owned()), ..reserve(&[(level, 1)]) };
    for round in 0..60_u32 {
        let name = format!("cut-{round}");
        let stock = Action::reserve(tenant, named(&name));
        let (reserving, making) = (
            run(&house.store, house.one, stock, asked(&format!("stock-{name}"), 1)),
            make(&house.store, house.one, &name, asked(&name, 1)),
        );
        let both = futures_util::future::join(reserving, making);
        // Dropped after some turns of the others.
        tokio::select! {
            biased;
            _ = both => {}
            () = async { for _ in 0..round { tokio::task::yield_now().await } } => {}
        }
    }
    let superuser = house.database.connect().await.unwrap();
    let pairs = "select count(*) filter (where k.key is null), count(*) filter (where c.code is null), count(*)
          from (select key from idempotency_keys where key like 'cut-%') k full join customers c on c.code = k.key";
    let held = "select count(*) filter (where k.key is null), count(*) filter (where r.reference is null), count(*)
          from (select key from idempotency_keys where key like 'stock-%') k
          full join (select reference from reservations) r on 'stock-' || r.reference = k.key";
    let under_way = async || {
        for round in 0..60 {
            for name in [format!("cut-{round}"), format!("stock-cut-{round}")] {
                if house.store.key(tenant, &key(&name)).await.unwrap() == Some(KeyRecord::InFlight) {
                    return true;
                }
            }
        }
        false
    };
    eventually(SOON, async || !under_way().await).await;
    for query in [pairs, held] {
        let row = superuser.query_one(query, &[]).await.unwrap();
        let (without_key, without_effect, all): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!((without_key, without_effect), (0, 0), "an effect and its key are one");
        assert!(all > 0, "every write was dropped before it began");
    }
    house.assert_ledger_holds().await;
}
