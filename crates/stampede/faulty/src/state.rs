//! What all areas share: the flaw, the pauses, names, the clock and the budget of rows.
//!
//! Everything runs on one thread. A cell is never borrowed across an await, so what happens between two awaits is one
//! atomic step, and a pause is exactly where two requests can meet.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::bugs::Flaw;
use crate::config::Config;
use crate::face::Reply;
use crate::idempotency::Keys;
use crate::jobs::Queue;
use crate::limits::Limits;
use crate::locks::{Guarded, Locks};
use crate::orders::Orders;
use crate::products::Products;
use crate::registers::Registers;
use crate::rows::RowLocks;
use crate::stock::Stock;

/// Changes a server takes in its life. Each leaves a few rows of at most a few KiB, so this is what bounds its memory.
const CHANGES_MAX: u64 = 500_000;
/// A pause shorter than this only lets others go first: the timer has whole milliseconds.
const YIELD_BELOW: Duration = Duration::from_micros(400);

/// The whole server.
pub(crate) struct State {
    flaw: Option<Flaw>,
    pub(crate) config: Config,
    pauses: Rc<Pauses>,
    made: RefCell<HashMap<String, u64>>,
    changes: Cell<u64>,
    started: (Instant, SystemTime),
    pub(crate) rows: RowLocks,
    pub(crate) keys: RefCell<Keys>,
    pub(crate) queue: Queue,
    pub(crate) limits: RefCell<Limits>,
    pub(crate) locks: Locks,
    pub(crate) guarded: RefCell<Guarded>,
    pub(crate) orders: RefCell<Orders>,
    pub(crate) products: RefCell<Products>,
    pub(crate) registers: RefCell<Registers>,
    pub(crate) stock: RefCell<Stock>,
}

impl State {
    pub(crate) fn new(flaw: Option<Flaw>, seed: u64, config: Config) -> Self {
        let random = RefCell::new(SmallRng::seed_from_u64(seed));
        let pauses = Rc::new(Pauses { longest: config.longest_pause, random });
        Self {
            flaw,
            config,
            rows: RowLocks::new(Rc::clone(&pauses)),
            pauses,
            made: RefCell::default(),
            changes: Cell::new(0),
            started: (Instant::now(), SystemTime::now()),
            keys: RefCell::default(),
            queue: Queue::default(),
            limits: RefCell::default(),
            locks: Locks::default(),
            guarded: RefCell::default(),
            orders: RefCell::default(),
            products: RefCell::default(),
            registers: RefCell::default(),
            stock: RefCell::default(),
        }
    }

    /// Whether this is the bug of this server. Each is asked for at one place.
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// A round trip to a database that is not there.
    pub(crate) async fn pause(&self) {
        self.pauses.pause().await;
    }

    /// A name nobody had before. It depends on what this tenant did and on nobody else.
    pub(crate) fn new_id(&self, kind: &str, tenant: &str) -> String {
        let mut made = self.made.borrow_mut();
        let number = made.entry(tenant.to_owned()).or_insert(0);
        *number += 1;
        format!("{kind}-{:016x}-{number}", fnv_1a(tenant))
    }

    /// Takes one change from the budget.
    pub(crate) fn spend(&self) -> Result<(), Reply> {
        if self.changes.get() >= CHANGES_MAX {
            return Err(Reply::code(StatusCode::INSUFFICIENT_STORAGE, "full"));
        }
        self.changes.set(self.changes.get() + 1);
        Ok(())
    }

    /// Microseconds since 1970; it does not jump when the machine's clock is set.
    pub(crate) fn unix_us(&self, at: Instant) -> u64 {
        let (begun, told) = self.started;
        let told = told.duration_since(UNIX_EPOCH).unwrap_or_default();
        (told + at.saturating_duration_since(begun)).as_micros() as u64
    }
}

/// FNV-1a: tenants get different prefixes, and the same one in every run.
fn fnv_1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Pauses drawn from a seed.
pub(crate) struct Pauses {
    longest: Duration,
    random: RefCell<SmallRng>,
}

impl Pauses {
    pub(crate) async fn pause(&self) {
        let longest = self.longest.as_micros() as u64;
        let time = Duration::from_micros(self.random.borrow_mut().random_range(0..=longest));
        if time < YIELD_BELOW {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(time).await;
        }
    }
}
