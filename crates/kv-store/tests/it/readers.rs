//! Pages that share a connection: nobody sees, breaks or holds up a neighbour.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kv_store::StoreError;
use kv_store::readers::{PAGE_OPTIONS, PAGE_READERS, PAGES};
use kv_types::catalogue::NewCustomer;
use sandbox::testing::eventually;
use tokio_postgres::Client;

use crate::statements::generic_plan;
use crate::support::{Account, House, app_config};

/// More than may be under way at a time.
const CROWD: usize = 200;
const SOON: Duration = Duration::from_secs(20);

/// A house whose two tenants have different numbers of customers.
async fn house(pool_wait: Duration) -> House {
    let house = House::with(|config| config.pool_wait = pool_wait).await;
    for (account, count) in [(house.one, 3), (house.two, 5)] {
        let new: Vec<_> = (0..count).map(|n| customer(&format!("{}-{n}", account.tenant))).collect();
        assert_eq!(house.store.create_customers(account.tenant, &new).await.unwrap(), count);
    }
    house
}

fn customer(code: &str) -> NewCustomer {
    NewCustomer { code: code.to_owned(), name: "N".to_owned(), email: None, phone: None }
}

async fn assert_own_page(house: &House, account: Account) {
    let page = house.store.customers(account.tenant, None, 100).await.unwrap();
    let own = format!("{}-", account.tenant);
    assert!(page.rows.iter().all(|row| row.code.starts_with(&own)), "{page:?}");
    assert_eq!(page.rows.len(), if account.tenant == house.one.tenant { 3 } else { 5 });
}

/// Polls so many times and drops the future right after the last.
async fn cut_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How many connections for pages PostgreSQL knows.
async fn lines(superuser: &Client) -> i64 {
    let asked = "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'kv-erp pages'";
    superuser.query_one(asked, &[]).await.unwrap().get(0)
}

async fn superuser(house: &House) -> Client {
    kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn tenants_that_share_a_line_see_their_own_rows() {
    let house = house(SOON).await;
    let accounts = [house.one, house.two];
    join_all((0..CROWD).map(|n| assert_own_page(&house, accounts[n % 2]))).await;
    assert_eq!(lines(&superuser(&house).await).await, PAGE_READERS as i64);
}

/// Every other reader is dropped, after each number of polls from cold to done.
#[tokio::test]
async fn dropped_pages_leave_their_neighbours_alone() {
    let house = house(SOON).await;
    let mut cut = 0;
    for polls in 0..12 {
        let dropped = (0..20).map(|_| cut_after(polls, house.store.customers(house.one.tenant, None, 100)));
        let kept = (0..20).map(|_| assert_own_page(&house, house.two));
        let (done, _) = tokio::join!(join_all(dropped), join_all(kept));
        cut += done.iter().filter(|done| !**done).count();
    }
    assert!(cut > 20, "{cut} pages were dropped under way");
    assert_own_page(&house, house.one).await;
}

#[tokio::test]
async fn a_broken_line_is_replaced() {
    let house = house(SOON).await;
    let superuser = superuser(&house).await;
    assert_own_page(&house, house.one).await;
    let ended = superuser
        .query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'kv-erp pages'", &[])
        .await
        .unwrap();
    assert!(!ended.is_empty());
    // Whoever comes before the end is noticed is told that the database is away.
    eventually(SOON, async || match house.store.customers(house.one.tenant, None, 100).await {
        Err(error) => {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            false
        }
        Ok(_) => true,
    })
    .await;
    join_all((0..CROWD).map(|_| assert_own_page(&house, house.one))).await;
    eventually(SOON, async || lines(&superuser).await == PAGE_READERS as i64).await;
}

/// A migration changes a table under prepared statements.
#[tokio::test]
async fn a_changed_table_is_prepared_anew() {
    let house = house(SOON).await;
    join_all((0..CROWD).map(|_| assert_own_page(&house, house.one))).await;
    superuser(&house).await.batch_execute("alter table customers alter column phone type varchar(99)").await.unwrap();
    join_all((0..CROWD).map(|_| assert_own_page(&house, house.one))).await;
}

/// All that stand on a line are answered when the first has waited long enough for a lock, not one after the other.
#[tokio::test]
async fn a_lock_holds_pages_up_once() {
    let house = house(SOON).await;
    join_all((0..CROWD).map(|_| assert_own_page(&house, house.one))).await;
    let superuser = superuser(&house).await;
    superuser.batch_execute("begin; lock table customers in access exclusive mode").await.unwrap();
    let begun = Instant::now();
    for answer in join_all((0..20).map(|_| house.store.customers(house.one.tenant, None, 100))).await {
        assert!(matches!(answer, Err(StoreError::LockTimeout)), "{answer:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?} for twenty pages of two seconds", begun.elapsed());
    assert!(house.store.products(house.one.tenant, None, 100).await.unwrap().rows.is_empty(), "other pages are free");
    superuser.batch_execute("rollback").await.unwrap();
    assert_own_page(&house, house.one).await;
}

/// Clients that come, ask and go do not fill the line without end: their pages count until they are answered.
#[tokio::test]
async fn a_dropped_page_keeps_its_place_until_it_is_answered() {
    let house = house(Duration::from_millis(300)).await;
    let warm = async || {
        let pages = (0..20).map(|_| house.store.products(house.one.tenant, None, 100));
        join_all(pages).await.iter().all(Result::is_ok)
    };
    eventually(SOON, warm).await;
    let superuser = superuser(&house).await;
    superuser.batch_execute("begin; lock table customers in access exclusive mode").await.unwrap();
    for _ in 0..CROWD {
        assert!(!cut_after(1, house.store.customers(house.one.tenant, None, 100)).await);
    }
    let refused = house.store.products(house.one.tenant, None, 100).await;
    assert!(matches!(refused, Err(StoreError::Overloaded)), "{refused:?}");
    // Without anybody to see the lock's end, the lines are given up and everything is free again.
    eventually(SOON, async || house.store.products(house.one.tenant, None, 100).await.is_ok()).await;
    superuser.batch_execute("rollback").await.unwrap();
    eventually(SOON, async || house.store.customers(house.one.tenant, None, 100).await.is_ok()).await;
    eventually(SOON, async || lines(&superuser).await <= PAGE_READERS as i64).await;
}

/// A page walks along the key from its first row to its last, also on a table of which PostgreSQL has no statistics yet.
#[tokio::test]
async fn a_page_of_a_new_table_is_not_sorted() {
    let house = house(SOON).await;
    let many: Vec<_> = (0..2_000).map(|n| customer(&format!("many-{n}"))).collect();
    assert_eq!(house.store.create_customers(house.one.tenant, &many).await.unwrap(), many.len());
    let mut config = app_config(&house.database);
    config.config_mut().options(PAGE_OPTIONS);
    let client = kv_store::admin::connect(&config).await.unwrap();
    for page in PAGES {
        let plan = generic_plan(&client, page).await.unwrap();
        assert!(plan.contains("_pkey on ") && !plan.contains("Sort"), "{}: {plan}", page.name);
    }
}
