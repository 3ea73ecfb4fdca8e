//! The connections on which pages are read: a few, each shared by many requests at a time.
//!
//! A page is one statement that binds its own tenant and is a transaction by itself, so nothing of it is left on the connection for
//! the one behind it. Requests therefore need not borrow a connection each: their messages follow one another down the same line,
//! several in one packet, and PostgreSQL answers them in order.
//!
//! Invariants: only statements of [`PAGES`] run here; a place is given back when PostgreSQL has answered, not when the caller has
//! lost interest, so that at most [`MAX_IN_FLIGHT`] pages are on their way whatever clients do; a line that broke or whose plans no
//! longer fit the schema is replaced by one request while the others wait for it; a line on which one page met a lock for too long
//! is given up with all that stand behind it, as each of them would meet the same lock after the one before.
//!
//! The plan of a page is the walk along the primary key, always: the sessions are told not to consider another. A table that was
//! filled a moment ago has no statistics yet, and without them PostgreSQL reads and sorts all rows of the tenant for each page.
//!
//! Absent on purpose: writes and transactions of several messages, which would meet their neighbours'; a repetition of reads that
//! were on a line as it broke, because callers are told that the database was away, as everywhere else.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Row};

use crate::conflict::{ConflictStats, Retries};
use crate::server::Server;
use crate::session::Params;
use crate::spent::{asked, queued};
use crate::statement::Statement;
use crate::{StoreConfig, StoreError};

/// The statements that may run on a line.
pub const PAGES: [&Statement; 3] = [
    &crate::catalogue::customers::LIST_CUSTOMERS,
    &crate::catalogue::products::LIST_PRODUCTS,
    &crate::catalogue::warehouses::LIST_WAREHOUSES,
];

/// Connections of a store for pages. One keeps one of the server's cores busy; the second serves while the first is replaced, and
/// takes over when a large page holds the first one up.
pub const PAGE_READERS: usize = 2;

/// Pages that may be on their way at a time, over all lines; one more waits. Enough that a line never runs dry between two packets,
/// and few enough that the last of them waits for milliseconds.
const MAX_IN_FLIGHT: usize = 64;

/// A line is given up on which only the pages of callers who have gone are left, this much later than a session waits for a lock.
const HELD_UP_MARGIN: Duration = Duration::from_secs(1);

/// Pages write nothing.
const READ_ONLY: &str = "-c default_transaction_read_only=on";

/// What the sessions of the lines run under, besides what all do.
pub const PAGE_OPTIONS: &str = "-c plan_cache_mode=force_generic_plan \
    -c enable_sort=off -c enable_seqscan=off -c enable_bitmapscan=off";

/// The lines. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Readers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    server: Server,
    held_up: Duration,
    patience: Duration,
    conflicts: Arc<ConflictStats>,
    places: Arc<Semaphore>,
    slots: Vec<Arc<Slot>>,
}

/// A line's place: the line of the moment, or none yet.
#[derive(Debug, Default)]
struct Slot {
    line: Mutex<Option<Arc<Line>>>,
    /// Held by the one request that connects.
    connecting: tokio::sync::Mutex<()>,
    in_flight: AtomicUsize,
}

/// A connection.
#[derive(Debug)]
struct Line {
    client: Client,
    /// In the order of [`PAGES`], each prepared when it is first asked for: preparing waits for the table's lock too, and a page of
    /// one table should not wait for another's.
    prepared: [OnceCell<tokio_postgres::Statement>; PAGES.len()],
    /// The task that reads and writes.
    connection: AbortHandle,
    given_up: AtomicBool,
    /// How long it may say nothing to anybody.
    held_up: Duration,
}

impl Readers {
    /// Connects when the first page is asked for.
    pub(crate) fn new(config: &StoreConfig, conflicts: Arc<ConflictStats>) -> Self {
        // A session that must be able to write is asked whether it can, and would be refused for what it is told here.
        let mut session = if config.wants_primary() {
            config.session_with(PAGE_OPTIONS)
        } else {
            config.session_with(&format!("{READ_ONLY} {PAGE_OPTIONS}"))
        };
        session.config_mut().application_name("kv-erp pages");
        Self(Arc::new(Shared {
            server: session,
            held_up: config.row_lock_timeout + HELD_UP_MARGIN,
            patience: config.pool_wait,
            conflicts,
            places: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            slots: std::iter::repeat_with(Arc::default).take(PAGE_READERS).collect(),
        }))
    }

    /// Reads one page. Plans that no longer fit the schema are made anew, once.
    ///
    /// # Errors
    /// Any; nothing was written.
    /// # Cancel safety
    /// A dropped future's page is still read and then thrown away; its neighbours on the line do not notice.
    pub(crate) async fn read(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let mut retries = Retries::new(&self.0.conflicts);
        let mut is_planned_anew = false;
        loop {
            match self.try_read(statement, params).await {
                Err(error) if error.is_stale_plan() && !is_planned_anew => is_planned_anew = true,
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    /// Whether a line is answered; the first that is will do, for another may wait for a lock.
    ///
    /// # Errors
    /// The last line's.
    /// # Cancel safety
    /// Nothing is written.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        let asks = self.0.slots.iter().map(|slot| {
            Box::pin(async {
                let line = slot.line(&self.0).await?;
                line.client.check_connection().await.map_err(StoreError::from)
            })
        });
        select_ok(asks).await.map(drop)
    }

    async fn try_read(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let mut place = queued(self.place()).await?;
        let line = queued(place.held.slot.line(&self.0)).await?;
        place.asked = Some(Arc::clone(&line));
        let answer = asked(line.ask(statement, params)).await.map_err(StoreError::from);
        place.asked = None;
        answer.map_err(|error| match error {
            StoreError::LockTimeout => {
                line.give_up();
                StoreError::LockTimeout
            }
            // Its neighbour met the lock.
            StoreError::Unavailable(_) if line.is_given_up() => StoreError::LockTimeout,
            error => {
                if error.is_stale_plan() {
                    place.held.slot.discard(&line);
                }
                error
            }
        })
    }

    /// A place on the line with the fewest pages under way.
    async fn place(&self) -> Result<Place, StoreError> {
        let Shared { places, patience, slots, .. } = &*self.0;
        let permit = match Arc::clone(places).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_full) => {
                let wait = timeout(*patience, Arc::clone(places).acquire_owned());
                wait.await.ok().and_then(Result::ok).ok_or(StoreError::Overloaded)?
            }
        };
        let slot = slots.iter().min_by_key(|slot| slot.in_flight.load(Ordering::Relaxed));
        let slot = Arc::clone(slot.expect("there is at least one slot"));
        slot.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Place { held: Arc::new(Held { slot, _permit: permit }), asked: None })
    }
}

impl Slot {
    /// The line, connected if need be, by one request at a time.
    async fn line(&self, shared: &Shared) -> Result<Arc<Line>, StoreError> {
        if let Some(line) = self.usable() {
            return Ok(line);
        }
        let connect = async {
            let _one_at_a_time = self.connecting.lock().await;
            if let Some(line) = self.usable() {
                return Ok(line);
            }
            let line = Arc::new(Line::open(&shared.server, shared.held_up).await?);
            *self.current() = Some(Arc::clone(&line));
            Ok(line)
        };
        timeout(shared.patience, connect).await.unwrap_or(Err(StoreError::Unavailable(None)))
    }

    fn usable(&self) -> Option<Arc<Line>> {
        self.current().as_ref().filter(|line| !line.client.is_closed()).cloned()
    }

    /// Has the next request connect anew, unless another one has already. What is under way on the line is still answered.
    fn discard(&self, line: &Arc<Line>) {
        self.current().take_if(|current| Arc::ptr_eq(current, line));
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Line>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    async fn open(server: &Server, held_up: Duration) -> Result<Self, StoreError> {
        let (client, connection) = server.connect().await.map_err(StoreError::of_connecting)?;
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection for pages ended");
            }
        });
        let prepared = Default::default();
        Ok(Self { client, prepared, connection: connection.abort_handle(), given_up: AtomicBool::new(false), held_up })
    }

    async fn ask(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        let place = PAGES.iter().position(|page| page.name == statement.name);
        let prepared = &self.prepared[place.expect("every page's statement is one of PAGES")];
        let prepared = prepared.get_or_try_init(|| self.client.prepare(statement.sql())).await?;
        self.client.query(prepared, params).await
    }

    /// Ends the connection: whoever waits on it is answered at once, and the next request connects anew. PostgreSQL ends its side
    /// when it next has something to say, after one more lock's time at the latest.
    fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
        self.connection.abort();
    }

    fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }
}

/// A place among [`MAX_IN_FLIGHT`], given back when it is dropped, or when the page that was asked for has come.
struct Place {
    held: Arc<Held>,
    /// The line on which an answer is awaited.
    asked: Option<Arc<Line>>,
}

/// What a place counts.
struct Held {
    slot: Arc<Slot>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.slot.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(line) = self.asked.take() else { return };
        let held = Arc::clone(&self.held);
        // The caller has gone and its page is still on its way. Outside a runtime the line has ended with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            // The answer to this comes behind the page's. Nobody is there to see that the page met a lock, so the time tells.
            if timeout(line.held_up, line.client.check_connection()).await.is_err() {
                line.give_up();
            }
            drop(held);
        });
    }
}
