//! Many clients that reserve, receive, release and confirm on the same few levels, each on a connection of its own and each
//! writing down what it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::client::{Connection, Gone};
use super::rig::{Door, Level};
use super::told::{Attempt, End, OUTCOME_UNKNOWN, Record, Told};

/// How long a client waits for a service that says it cannot serve.
const READY_WITHIN: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(50);
const UNITS_RECEIVED: i64 = 2;

/// How far the crowd is.
#[derive(Debug, Default)]
struct Progress {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    is_over: AtomicBool,
}

pub(crate) struct Crowd {
    progress: Arc<Progress>,
    clients: Vec<JoinHandle<Record>>,
}

impl Crowd {
    pub(crate) fn start(clients: u64, door: &Door, levels: &[Level]) -> Self {
        let progress = Arc::new(Progress::default());
        let levels: Arc<[Level]> = levels.into();
        let start = |seed| {
            let (door, levels, progress) = (door.clone(), Arc::clone(&levels), Arc::clone(&progress));
            tokio::spawn(async move {
                let connection = Connection::open(&door).await.expect("the service listens");
                let rng = StdRng::seed_from_u64(seed);
                let (record, open) = (Record::default(), Vec::new());
                Client { connection, levels, progress, rng, seed, record, open }.hammer().await
            })
        };
        Self { clients: (0..clients).map(start).collect(), progress }
    }

    /// Writes that were answered with success.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::Relaxed)
    }

    /// Writes of which the service said that it could not learn what became of them. A request whose time was over is none of them: it
    /// is told so while the service still asks.
    pub(crate) fn unknown(&self) -> u64 {
        self.progress.unknown.load(Ordering::Relaxed)
    }

    /// What everybody was told, when each has finished what it is in, or has lost its connection.
    pub(crate) async fn end(self) -> Vec<Record> {
        self.progress.is_over.store(true, Ordering::Relaxed);
        self.records().await
    }

    /// What everybody was told, when each has lost its connection.
    pub(crate) async fn records(self) -> Vec<Record> {
        let mut records = Vec::new();
        for client in self.clients {
            records.push(client.await.unwrap());
        }
        records
    }
}

struct Client {
    connection: Connection,
    levels: Arc<[Level]>,
    progress: Arc<Progress>,
    rng: StdRng,
    seed: u64,
    record: Record,
    /// Reservations that can still be ended.
    open: Vec<usize>,
}

impl Client {
    async fn hammer(mut self) -> Record {
        while !self.progress.is_over.load(Ordering::Relaxed) {
            let went_on = match self.rng.random_range(0..10) {
                0 if self.rng.random_bool(0.5) => self.receive().await,
                0 => self.count().await,
                1 | 2 if !self.open.is_empty() => self.finish("release", "released").await,
                3 | 4 if !self.open.is_empty() => self.finish("confirm", "fulfilled").await,
                _ => self.reserve().await,
            };
            if went_on.is_err() {
                break;
            }
        }
        self.record
    }

    async fn reserve(&mut self) -> Result<(), Gone> {
        let units = self.rng.random_range(1..4);
        let number = self.record.reservations.len();
        let reference = format!("reservation-{}-{number}", self.seed);
        let attempt = self.attempt("reservations", reference, units).await;
        let told = attempt.told.clone();
        if matches!(told, Told::Yes(_)) {
            self.open.push(number);
        }
        self.record.reservations.push(attempt);
        self.go_on(&told).await
    }

    async fn receive(&mut self) -> Result<(), Gone> {
        let reference = format!("receipt-{}-{}", self.seed, self.record.receipts.len());
        let attempt = self.attempt("stock-receipts", reference, UNITS_RECEIVED).await;
        let told = attempt.told.clone();
        self.record.receipts.push(attempt);
        self.go_on(&told).await
    }

    /// An adjustment adds to a level as a receipt does.
    async fn count(&mut self) -> Result<(), Gone> {
        let reference = format!("adjustment-{}-{}", self.seed, self.record.receipts.len());
        let level = self.rng.random_range(0..self.levels.len());
        let body =
            json!({"items": [self.levels[level].more(UNITS_RECEIVED)], "reason": "counted", "reference": reference});
        let attempt = self.attempt_at(level, ("stock-adjustments", body), (reference, UNITS_RECEIVED)).await;
        let told = attempt.told.clone();
        self.record.receipts.push(attempt);
        self.go_on(&told).await
    }

    async fn attempt(&mut self, what: &str, reference: String, units: i64) -> Attempt {
        let level = self.rng.random_range(0..self.levels.len());
        let body = json!({"items": [self.levels[level].line(units)], "reference": reference});
        self.attempt_at(level, (what, body), (reference, units)).await
    }

    async fn attempt_at(
        &mut self,
        level: usize,
        (what, body): (&str, Value),
        (reference, units): (String, i64),
    ) -> Attempt {
        let answer = self.connection.post(&format!("/api/v1/{what}"), &body).await;
        Attempt { reference, level, units, told: Told::by(&answer), end: End::Pending }
    }

    async fn finish(&mut self, transition: &str, state: &'static str) -> Result<(), Gone> {
        let place = self.rng.random_range(0..self.open.len());
        let reservation = &mut self.record.reservations[self.open[place]];
        let Told::Yes(id) = &reservation.told else { unreachable!("only an acknowledged reservation is open") };
        let path = format!("/api/v1/reservations/{id}/{transition}");
        let answer = self.connection.post(&path, &Value::Null).await;
        if let Ok((404, _)) = answer {
            panic!("{reservation:?} was acknowledged and is gone");
        }
        let told = Told::by(&answer);
        reservation.end = match &told {
            Told::Yes(_) => End::Is(state),
            Told::Perhaps(_) => End::Perhaps(state),
            Told::No(_) => End::Pending,
        };
        if reservation.end != End::Pending {
            self.open.swap_remove(place);
        }
        self.go_on(&told).await
    }

    /// Counts what was told; after a failure waits until the service says that it can serve.
    async fn go_on(&mut self, told: &Told) -> Result<(), Gone> {
        match told {
            Told::Yes(_) => {
                self.progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Told::No(code) if code == "insufficient_stock" => return Ok(()),
            Told::Perhaps(code) if code == OUTCOME_UNKNOWN => {
                self.progress.unknown.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        let deadline = Instant::now() + READY_WITHIN;
        let mut asks = interval(ASK_EVERY);
        while self.connection.get("/readyz").await?.0 != 200 {
            assert!(Instant::now() < deadline, "the service does not serve again");
            asks.tick().await;
        }
        Ok(())
    }
}
