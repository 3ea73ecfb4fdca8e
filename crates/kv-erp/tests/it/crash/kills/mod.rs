//! The service, its database and its worker are killed again and again under clients that repeat each write under its key until they are told what became of it.
//! In the end nothing is uncertain: what is in the database is exactly the sum of what the clients were told.
//!
//! The moments of the kills and what the clients do come from one seed, which is printed; `KV_TEST_SEED` has it used again.

mod insistent;
mod neighbours;
mod settled;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::PostgresOptions;
use tokio::time::{Instant, timeout};

use super::rig::Rig;
use insistent::Crowd;
use neighbours::Neighbours;

const CLIENTS: u64 = 12;
const PRODUCTS: usize = 4;
/// Few enough that some attempts find nothing left.
const FIRST_UNITS: i64 = 60;
/// Writes that are answered between a restart and the next kill, at most.
const MOST_ANSWERS: u64 = 40;
const ANSWERED_WITHIN: Duration = Duration::from_mins(1);

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Service,
    /// Under a service that lives on.
    Database,
    Both,
}

impl Victim {
    fn of(round: u32) -> Self {
        match round % 10 {
            0 => Self::Both,
            5 => Self::Database,
            _ => Self::Service,
        }
    }

    async fn die_and_return(self, rig: &mut Rig, neighbours: &mut Neighbours) {
        let kills_worker = self != Self::Database;
        if kills_worker {
            neighbours.kill().await;
        }
        match self {
            Self::Service => rig.kill_service().await,
            Self::Database => rig.kill_postgres().await,
            Self::Both => rig.kill().await,
        }
        if self != Self::Service {
            rig.restart_postgres().await;
        }
        if self != Self::Database {
            rig.restart_service().await;
        }
        if kills_worker {
            neighbours.restart(rig).await;
        }
    }
}

fn seed() -> u64 {
    std::env::var("KV_TEST_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap())
}

#[expect(clippy::print_stdout, reason = "what a failed test is to be repeated with")]
async fn survive(kills: u32) {
    let seed = seed();
    println!("KV_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let options = PostgresOptions::default().setting("log_line_prefix", "%m [%p] %e ");
    let mut rig = Rig::start_with(options).await;
    let (levels, _) = rig.stock(PRODUCTS, FIRST_UNITS).await;
    let mut neighbours = Neighbours::start(&rig, seed).await;
    let begun = Instant::now();
    let mut crowd = Crowd::start(CLIENTS, seed, &rig.door(), &levels).await;
    for round in 1..=kills {
        let answers = rng.random_range(1..=MOST_ANSWERS);
        let waited = timeout(ANSWERED_WITHIN, crowd.answers(answers)).await;
        assert!(waited.is_ok(), "{answers} more writes were not answered before kill {round}");
        Victim::of(round).die_and_return(&mut rig, &mut neighbours).await;
    }
    rig.assert_serving();
    let answered = timeout(ANSWERED_WITHIN, crowd.answers(MOST_ANSWERS)).await;
    assert!(answered.is_ok(), "the service did not work on after the last kill");
    let documents = crowd.end().await;
    let hammered = begun.elapsed();
    neighbours.check(&rig, &documents).await;
    let tally = settled::check(&rig, &levels, FIRST_UNITS, &documents).await;
    println!("{kills} kills in {hammered:?}, proof at {:?}: {tally:?}", begun.elapsed());
    tally.assert_enough_happened(kills);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_fifty_kills_every_order_is_there_once_and_every_unit_is_accounted_for() {
    survive(50).await;
}
