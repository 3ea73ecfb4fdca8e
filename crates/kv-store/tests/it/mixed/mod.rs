//! Three tenants over a pool of two connections: whatever they do at the same time, and wherever their futures are dropped, nobody
//! sees another's row, nothing stays open, and every ledger holds.
//!
//! What is done and where it is cut comes from one seed, which is printed; `KV_TEST_SEED` has it used again.

mod belongs;
mod doing;
mod many;

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::stock::verify_chains;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::testing::eventually;
use tokio_postgres::Client;

use crate::support::{Account, House};
use belongs::Owners;
use doing::{Known, Step};

const ROUNDS: usize = 12;
/// Steps of a round, all at the same time: many more than there are connections.
const STEPS: usize = 60;
const POOL: usize = 2;
const QUIET_WITHIN: Duration = Duration::from_secs(20);
/// Awaits after which a step may be dropped; most have fewer.
const MOST_POLLS: u32 = 12;

/// Where a step is dropped.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Never,
    /// After so many polls.
    Polls(u32),
    /// After one poll and so many turns of everybody else.
    Turns(u32),
}

impl Cut {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..4) {
            0 => Self::Polls(rng.random_range(0..MOST_POLLS)),
            1 => Self::Turns(rng.random_range(0..200)),
            _ => Self::Never,
        }
    }

    /// What came of a future, unless it was dropped before.
    async fn apply<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let polls = match self {
            Self::Never => return Some(future.await),
            Self::Polls(polls) => polls,
            Self::Turns(_) => 1,
        };
        let mut left = polls;
        let polled = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        let done = polled.await;
        if let (None, Self::Turns(turns)) = (&done, self) {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        }
        done
    }
}

/// Stands in for the look-up of logins: it tells on which connection it ran, and what tenant that was left with.
const SPY: &str = "create or replace function app.find_login(wanted text)
    returns table (tenant_id bigint, user_id uuid, email text, role text, password_hash text, rate_limit_per_minute integer,
                   is_suspended boolean)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select 1::bigint, gen_random_uuid(), pg_backend_pid() || ':' || coalesce(current_setting('app.tenant_id', true), ''),
                 'owner', '', null::integer, false $$";

/// Both pooled connections serve, and neither has a tenant left on it. What was cut may still run in a task of its own, which has not
/// begun its transaction or ends it only now, and then gives its connection back.
async fn assert_pool_is_whole(house: &House) {
    eventually(QUIET_WITHIN, async || {
        let mut serving = BTreeSet::new();
        for login in join_all((0..4 * POOL).map(|_| house.store.find_login("spy"))).await {
            let email = login.unwrap().unwrap().account.email;
            let (session, tenant) = email.split_once(':').unwrap();
            assert!(tenant.is_empty(), "{tenant} outlived its transaction");
            serving.insert(session.to_owned());
        }
        let status = house.store.pool_status();
        serving.len() == POOL && (status.size, status.available, status.waiting) == (POOL, POOL, 0)
    })
    .await;
}

/// Whatever was cut is over: every session of the service is idle, and none in a transaction.
async fn await_quiet(superuser: &Client) {
    let busy = "select count(*) from pg_stat_activity
        where datname = current_database() and usename = 'kv_app' and state is distinct from 'idle'";
    eventually(QUIET_WITHIN, async || superuser.query_one(busy, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}

async fn assert_ledgers_hold(house: &House, accounts: &[Account]) {
    for account in accounts {
        assert_eq!(house.store.audit_stock(account.tenant).await.unwrap(), vec![]);
    }
    let mut broken = Vec::new();
    let config = house.database.url().parse().unwrap();
    let verified = verify_chains(&config, None, |each| broken.push(each)).await.unwrap().unwrap();
    assert!(broken.is_empty() && verified.unhashed == 0, "{verified:?} {broken:?}");
}

async fn third(house: &House) -> Account {
    let mut provisioner = Provisioner::connect(&house.database.url().parse().unwrap()).await.unwrap();
    let tenant = provisioner.create_tenant("three", "three").await.unwrap();
    let new = NewUser {
        tenant: "three",
        email: "clerk@three.example",
        password_hash: "-",
        role: Role::Clerk,
        rate_limit_per_minute: None,
    };
    Account { tenant, user: provisioner.create_user(&new).await.unwrap() }
}

fn seed() -> u64 {
    std::env::var("KV_TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap())
}

#[tokio::test]
async fn whatever_three_tenants_do_at_once_and_wherever_it_is_cut_nobody_sees_another() {
    let seed = seed();
    println!("KV_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let house = House::with(|config| (config.pool_size, config.pool_wait) = (POOL, QUIET_WITHIN)).await;
    let accounts = [house.one, house.two, third(&house).await];
    let superuser = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    superuser.batch_execute(SPY).await.unwrap();
    let mut known = Known::new(&house, &accounts).await;
    let mut owners = Owners::default();
    owners.learn(&superuser).await;
    let (mut answered, mut cut, mut refused) = (0, 0, 0);
    for round in 0..ROUNDS {
        let steps: Vec<(Step, Cut)> = (0..STEPS).map(|_| (Step::draw(&mut rng, &known), Cut::draw(&mut rng))).collect();
        let told = join_all(steps.iter().map(|(step, cut)| cut.apply(step.run(&house.store)))).await;
        await_quiet(&superuser).await;
        assert_pool_is_whole(&house).await;
        await_quiet(&superuser).await;
        owners.learn(&superuser).await;
        for ((step, _), told) in steps.iter().zip(told) {
            let Some(told) = told else {
                cut += 1;
                continue;
            };
            owners.assert_own(step.account().tenant, &told.text, step);
            step.assert_expected(&told);
            answered += usize::from(told.is_done);
            refused += usize::from(!told.is_done);
        }
        assert_ledgers_hold(&house, &accounts).await;
        known.learn(&superuser).await;
        println!("round {round}: {answered} answered, {refused} refused, {cut} cut");
    }
    assert!(answered > 5 * ROUNDS && cut > 5 * ROUNDS && refused > ROUNDS, "too little happened");
}
