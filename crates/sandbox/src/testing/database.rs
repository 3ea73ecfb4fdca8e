//! Databases for tests: migrated once into a template, then copied in a fraction of a second, one for each test.
//!
//! Invariants: a template takes connections only while it is being made, so a finished one is always clean and can always be copied;
//! templates are made one at a time on a server, since migrations may create roles, which all databases share.

use std::fmt::Write;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::TestPostgres;
use crate::error::SandboxError;
use crate::postgres::{Login, PostgresAddress, Session};

/// The advisory lock around the making of templates; any number that nobody else uses.
const TEMPLATE_LOCK: i64 = 0x5a4d_b0c5;
/// The longest name PostgreSQL does not cut.
const NAME_MAX_BYTES: usize = 63;
/// How long the end of a test waits for its database to go. PostgreSQL asks every session to take note, also one that is just logging
/// in; when that one's client is on the very thread that waits here, neither would ever get on.
const WAIT_FOR_DROP: Duration = Duration::from_secs(3);

/// A migrated database that is only ever copied.
#[derive(Clone, Debug)]
pub struct Template {
    address: PostgresAddress,
    name: String,
}

/// A database of one test; dropping it drops the database, with whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    address: PostgresAddress,
    name: String,
}

impl TestPostgres {
    /// A template made by `migrate`, which gets the superuser's URL of an empty database; made once per server however many
    /// processes ask for it at the same time.
    ///
    /// `name` and `fingerprint` together name it: a fingerprint of the migrations keeps an old template from being taken for a new one.
    /// # Errors
    /// [`SandboxError::Migrations`] with the caller's own error, and then the next caller tries again.
    /// # Cancel safety
    /// Dropping the future leaves an unfinished template, which the next caller replaces.
    pub async fn template<M, Fut, E>(&self, name: &str, fingerprint: &str, migrate: M) -> Result<Template, SandboxError>
    where
        M: FnOnce(String) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let template = format!("template_{name}_{fingerprint}");
        if template.len() > NAME_MAX_BYTES {
            let reason = format!("the name would be longer than {NAME_MAX_BYTES} bytes");
            return Err(SandboxError::Unusable { what: format!("the template name {template}"), reason });
        }
        let address = self.address().clone();
        let session = admin(&address).await?;
        let lock = session.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]);
        lock.await.map_err(SandboxError::query("lock the making of templates"))?;
        // The lock goes with the session, so no way out of here can keep it.
        if !is_finished(&session, &template).await? {
            recreate(&session, &template).await?;
            let url = address.url_for(&template, Login::Superuser);
            migrate(url)
                .await
                .map_err(|error| SandboxError::Migrations { template: template.clone(), source: error.into() })?;
            close(&session, &template).await?;
        }
        Ok(Template { address, name: template })
    }

    /// An empty database.
    pub async fn empty_database(&self) -> Result<TestDatabase, SandboxError> {
        TestDatabase::create(self.address(), "template0").await
    }
}

impl Template {
    /// A fresh copy.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a database that goes with the server.
    pub async fn clone_database(&self) -> Result<TestDatabase, SandboxError> {
        TestDatabase::create(&self.address, &self.name).await
    }

    /// The template's name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl TestDatabase {
    async fn create(address: &PostgresAddress, template: &str) -> Result<Self, SandboxError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Process ids are used again during a long run; writing to a String cannot fail.
        write!(name, "_{:08x}", rand::random::<u32>()).ok();
        let session = admin(address).await?;
        let copy = format!("CREATE DATABASE {} TEMPLATE {}", quoted(&name), quoted(template));
        session.batch_execute(&copy).await.map_err(SandboxError::query(format!("copy {template}")))?;
        Ok(Self { address: address.clone(), name })
    }

    /// The superuser's URL.
    pub fn url(&self) -> String {
        self.url_for(Login::Superuser)
    }

    /// The URL for the superuser or for a role.
    pub fn url_for(&self, login: Login<'_>) -> String {
        self.address.url_for(&self.name, login)
    }

    /// The database's name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects as superuser.
    pub async fn connect(&self) -> Result<Session, SandboxError> {
        Session::connect(&self.url()).await.map_err(SandboxError::query(format!("connect to database {}", self.name)))
    }
}

impl TestDatabase {
    /// Says that this test is about deadlocks: those of this database are not counted against the run.
    pub async fn expect_deadlocks(&self) -> Result<(), SandboxError> {
        let told = self.connect().await?.batch_execute(crate::deadlocks::EXPECT_DEADLOCKS).await;
        told.map_err(SandboxError::query("tell the server's log of deadlocks to come"))
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A drop may happen inside a runtime, where blocking on another is not allowed; a thread of its own is always free to.
        let (address, name) = (self.address.clone(), self.name.clone());
        let (done, outcome) = mpsc::channel();
        std::thread::spawn(move || {
            // Nobody listens any more when the wait below was given up.
            done.send(drop_database(&address, &name)).ok();
        });
        match outcome.recv_timeout(WAIT_FOR_DROP) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, database = self.name, "a test's database stays"),
            Err(_late) => tracing::debug!(database = self.name, "a test's database goes later, or with the server"),
        }
    }
}

fn drop_database(address: &PostgresAddress, name: &str) -> Result<(), SandboxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(SandboxError::io("make a runtime"))?.block_on(async {
        let session = admin(address).await?;
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        session.batch_execute(&statement).await.map_err(SandboxError::query(format!("drop {name}")))
    })
}

async fn admin(address: &PostgresAddress) -> Result<Session, SandboxError> {
    let url = address.url_for("postgres", Login::Superuser);
    Session::connect(&url).await.map_err(SandboxError::query("connect to the tests' PostgreSQL"))
}

/// A finished template is one that takes no connections.
async fn is_finished(session: &Session, template: &str) -> Result<bool, SandboxError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND NOT datallowconn)";
    let row = session.query_one(sql, &[&template]).await.map_err(SandboxError::query("look for a template"))?;
    Ok(row.get(0))
}

async fn recreate(session: &Session, template: &str) -> Result<(), SandboxError> {
    let name = quoted(template);
    for sql in
        [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name} TEMPLATE template0")]
    {
        session.batch_execute(&sql).await.map_err(SandboxError::query(format!("make {template}")))?;
    }
    Ok(())
}

/// Ends the connections that the migrations left open and lets nobody in from here on.
async fn close(session: &Session, template: &str) -> Result<(), SandboxError> {
    let name = quoted(template);
    let shut = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    session.batch_execute(&shut).await.map_err(SandboxError::query(format!("close {template}")))?;
    let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1";
    session.query_one(end, &[&template]).await.map_err(SandboxError::query(format!("close {template}")))?;
    Ok(())
}

/// Quotes a name for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
