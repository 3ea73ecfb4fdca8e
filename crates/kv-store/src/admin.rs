//! What is done before the service serves: roles, migrations, and the proof that the service's own role is harmless.
//!
//! Three roles: `kv_owner` owns every table and may not log in; `kv_auth` owns the two look-ups of the login; `kv_app` is the
//! service, an ordinary role under forced row-level security.

use std::time::Duration;

use thiserror::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// A set-up that failed.
#[derive(Debug, Error)]
pub enum AdminError {
    /// PostgreSQL refused or was not reachable.
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// A migration failed or differs from the one that was applied.
    #[error("migration failed: {0}")]
    Migration(#[from] refinery::Error),
    /// An extension that the schema needs is not there and could not be made.
    #[error(
        "the extension \"{name}\" could not be made: {fault}; hint: install PostgreSQL's contributed modules, or have a superuser \
         run `create extension {name} with schema public` in this database"
    )]
    Extension {
        /// The extension's name.
        name: &'static str,
        /// PostgreSQL's own words.
        fault: String,
    },
    /// The service's role could get around row-level security.
    #[error("role \"{role}\" {fault}; hint: let the service log in as kv_app, and keep the other for `kv-erp migrate`")]
    UnsafeRole {
        /// The role of the session.
        role: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A table with tenants' rows is not under forced row-level security.
    #[error("table \"{table}\" holds tenants' rows but {fault}; hint: run `kv-erp migrate`")]
    UnsafeTable {
        /// The table's name.
        table: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A server that was given as a replica follows another primary.
    #[error(
        "the replica at {replica} is of another cluster than the primary: its system identifier is {found}, the primary's {expected}; \
         hint: name a server that follows this primary, or leave the replica out"
    )]
    OtherCluster {
        /// Where it is.
        replica: String,
        /// Its identifier.
        found: String,
        /// The primary's.
        expected: String,
    },
    /// Sessions behind a pooler by transaction run without the limits that the service relies on.
    #[error(
        "behind a pooler by transaction the role's own settings count, and there {settings}; hint: run `kv-erp migrate` on this \
         database, past the pooler"
    )]
    NoLimits {
        /// Those that are wrong, as `name = value`.
        settings: String,
    },
    /// The schema is older or newer than this program.
    #[error("the schema is at version {found}, this program needs {needed}; hint: run `kv-erp migrate`")]
    SchemaVersion {
        /// The version found, 0 for an empty database.
        found: i32,
        /// The version that this program was built with.
        needed: i32,
    },
}

/// A connection outside the pool. Its task ends with it.
pub async fn connect(config: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an administrative connection ended");
        }
    });
    Ok(client)
}

/// Tries at the roles, and the pause between them.
const ROLE_TRIES: u32 = 20;
const ROLE_PAUSE: Duration = Duration::from_millis(50);

/// What the indexes of searches are made with. Both are trusted: whoever may create in the database may make them.
const EXTENSIONS: [&str; 2] = ["pg_trgm", "btree_gin"];

/// Idempotent. Roles belong to the whole cluster, which no lock of one database covers.
const ROLES: &str = "
    begin;
    do $$ begin
        if not exists (select from pg_roles where rolname = 'kv_owner') then create role kv_owner nologin; end if;
        if not exists (select from pg_roles where rolname = 'kv_auth') then create role kv_auth nologin; end if;
        if not exists (select from pg_roles where rolname = 'kv_app') then create role kv_app login; end if;
        if not pg_has_role('kv_owner', 'kv_auth', 'member') then grant kv_auth to kv_owner; end if;
        if not pg_has_role(current_user, 'kv_owner', 'member') then execute format('grant kv_owner to %I', current_user); end if;
        execute format('grant create, connect, temporary on database %I to kv_owner', current_database());
        execute format('grant connect on database %I to kv_app', current_database());
        -- What the service's sessions run under where they cannot say it themselves: behind a pooler by transaction.
        execute format('alter role kv_app in database %I set statement_timeout = ''5s''', current_database());
        execute format('alter role kv_app in database %I set lock_timeout = ''2s''', current_database());
        execute format('alter role kv_app in database %I set idle_in_transaction_session_timeout = ''10s''', current_database());
        execute format('alter role kv_app in database %I set default_transaction_isolation = ''read committed''', current_database());
        execute format('alter role kv_app in database %I set synchronous_commit = on', current_database());
        execute format('alter role kv_app in database %I set jit = off', current_database());
        grant create on schema public to kv_owner;
        grant usage on schema public to kv_app, kv_auth;
    end $$;
    commit";

/// Creates the roles, brings the schema up to date, and sets the password of `kv_app` when one is given.
///
/// Needs a role that may create roles (a superuser, or CREATEROLE on a managed server). Several processes may do it at once.
pub async fn migrate(config: &tokio_postgres::Config, app_password: Option<&str>) -> Result<(), AdminError> {
    let mut client = connect(config).await?;
    for tries_left in (0..ROLE_TRIES).rev() {
        match prepare_roles(&client, app_password).await {
            // Somebody prepares another database of this cluster at this moment.
            Err(error) if tries_left > 0 && is_role_race(&error) => {
                client.batch_execute("rollback").await?;
                tokio::time::sleep(ROLE_PAUSE).await;
            }
            done => {
                done?;
                break;
            }
        }
    }
    client.batch_execute("select pg_advisory_lock(hashtext('kv-erp migrations')); set role kv_owner").await?;
    make_extensions(&client).await?;
    embedded::migrations::runner().run_async(&mut client).await?;
    client.batch_execute("grant select on refinery_schema_history to kv_app; reset role").await?;
    #[cfg(feature = "wrong-strategies")]
    if crate::wrong::is(crate::wrong::Strategy::NoTenantPredicate) {
        client.batch_execute(crate::wrong::NO_ROW_SECURITY).await?;
    }
    client.batch_execute("select pg_advisory_unlock(hashtext('kv-erp migrations'))").await?;
    Ok(())
}

/// The migrations name them too. Here their absence gets a word of its own.
async fn make_extensions(client: &Client) -> Result<(), AdminError> {
    for name in EXTENSIONS {
        client.batch_execute(&format!("create extension if not exists {name}")).await.map_err(|error| {
            error
                .as_db_error()
                .map(|refusal| refusal.message().to_owned())
                .map_or_else(|| AdminError::Postgres(error), |fault| AdminError::Extension { name, fault })
        })?;
        let place = "select n.nspname::text from pg_extension e join pg_namespace n on n.oid = e.extnamespace
             where e.extname = $1 and n.nspname <> all (current_schemas(true))";
        if let Some(row) = client.query_opt(place, &[&name]).await? {
            let fault = format!("it is in the schema {}, where nothing of it is found", row.get::<_, &str>(0));
            return Err(AdminError::Extension { name, fault });
        }
    }
    Ok(())
}

async fn prepare_roles(client: &Client, app_password: Option<&str>) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(ROLES).await?;
    let Some(password) = app_password else { return Ok(()) };
    // ALTER ROLE takes no parameters, so the server quotes the literal itself.
    let row = client.query_one("select format('alter role kv_app password %L', $1::text)", &[&password]).await?;
    client.batch_execute(row.get(0)).await
}

/// Two sessions that change the same row of the role catalogue: PostgreSQL refuses the later one instead of letting it wait.
fn is_role_race(error: &tokio_postgres::Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::UNIQUE_VIOLATION)
        || code == Some(&SqlState::DUPLICATE_OBJECT)
        || (code == Some(&SqlState::INTERNAL_ERROR)
            && error.as_db_error().is_some_and(|refusal| refusal.message().contains("concurrently")))
}

/// A word that changes when any migration changes: the name of a template database.
pub fn migrations_fingerprint() -> String {
    use sha2::{Digest as _, Sha256};
    let mut digest = Sha256::new();
    for migration in embedded::migrations::runner().get_migrations() {
        digest.update(migration.to_string());
        digest.update(migration.sql().unwrap_or_default());
    }
    digest.finalize().iter().take(6).fold(String::new(), |word, byte| format!("{word}{byte:02x}"))
}

/// What a role is and what it may become with SET ROLE. Of a superuser and of an owner everything behind it is true as well.
const ROLE_FAULTS: &str = "
    select current_user::text, r.rolsuper, r.rolbypassrls,
           exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = 'public' and c.relkind in ('r', 'p') and pg_has_role(current_user, c.relowner, 'member')),
           exists (select from pg_roles a where a.rolname = 'kv_auth' and pg_has_role(current_user, a.oid, 'member')),
           exists (select from pg_roles a
                    where (a.rolsuper or a.rolbypassrls) and pg_has_role(current_user, a.oid, 'member'))
      from pg_roles r where r.rolname = current_user";

/// What a session's role is not to be, by the column of `ROLE_FAULTS`.
const ROLE_FAULT_WORDS: [(usize, &str); 5] = [
    (1, "is a superuser"),
    (2, "has BYPASSRLS"),
    (3, "owns the tables"),
    (4, "may act as kv_auth, which reads the logins of all tenants"),
    (5, "may act as a role that security does not bind"),
];

const TABLE_FAULTS: &str = "
    select c.relname::text, c.relrowsecurity, c.relforcerowsecurity,
           exists (select from pg_policy p where p.polrelid = c.oid)
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'public' and c.relkind in ('r', 'p')
       and (c.relname = 'tenants' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
     order by 1";

/// Settings with which a crash of PostgreSQL may take back what it has committed. `local` waits for the disk, but no standby.
const WEAK_SETTINGS: &str = "
    select name || ' = ' || setting from pg_settings
     where (name in ('fsync', 'full_page_writes') and setting = 'off')
        or (name = 'synchronous_commit' and setting in ('off', 'local'))
     order by name";

/// The settings of the service's own sessions with which a crash of PostgreSQL may lose an order that was acknowledged, each as
/// `name = value`; none on a server that keeps what it commits.
pub async fn weak_settings(config: &tokio_postgres::Config) -> Result<Vec<String>, AdminError> {
    read_weak_settings(&connect_as_service(config).await?).await
}

async fn read_weak_settings(client: &Client) -> Result<Vec<String>, AdminError> {
    let rows = client.query(WEAK_SETTINGS, &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// A session with the options that the pool's have, so that what is seen is what they will run under.
async fn connect_as_service(config: &tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    connect(&crate::StoreConfig::new(config.clone()).session()).await
}

/// The same behind whatever pooler there is, in a transaction that is never committed: what is prepared in it stays on one
/// connection of the server.
async fn look_as_service(config: &crate::StoreConfig) -> Result<Client, tokio_postgres::Error> {
    let client = connect(&config.session()).await?;
    client.batch_execute("begin").await?;
    Ok(client)
}

/// Refuses a role or a schema with which row-level security would not hold, and logs a warning with the [`weak_settings`], which
/// a server for tests has on purpose.
///
/// # Errors
/// [`AdminError::UnsafeRole`] for a superuser, BYPASSRLS, an owner, or who may become one of these or `kv_auth`;
/// [`AdminError::UnsafeTable`] for a tenant's table without forced security; [`AdminError::SchemaVersion`] when migrations are
/// missing.
pub async fn check_role(config: &tokio_postgres::Config) -> Result<(), AdminError> {
    check_service(&crate::StoreConfig::new(config.clone())).await
}

/// The same with all that a service is configured with.
///
/// # Errors
/// As for [`check_role`], and [`AdminError::NoLimits`] behind a pooler by transaction whose sessions have no limits.
pub async fn check_service(config: &crate::StoreConfig) -> Result<(), AdminError> {
    let client = look_as_service(config).await?;
    if config.pooler == crate::Pooler::Transaction {
        check_limits(&client).await?;
    }
    let row = client.query_one(ROLE_FAULTS, &[]).await?;
    let role: String = row.get(0);
    for (column, fault) in ROLE_FAULT_WORDS {
        if row.get(column) {
            return Err(AdminError::UnsafeRole { role, fault });
        }
    }
    check_version(&client).await?;
    for row in client.query(TABLE_FAULTS, &[]).await? {
        #[cfg(feature = "wrong-strategies")]
        if crate::wrong::is(crate::wrong::Strategy::NoTenantPredicate) {
            break;
        }
        let table: String = row.get(0);
        let faults = [(1, "row-level security is off"), (2, "its security is not forced"), (3, "it has no policy")];
        for (column, fault) in faults {
            if !row.get::<_, bool>(column) {
                return Err(AdminError::UnsafeTable { table, fault });
            }
        }
    }
    let weak = read_weak_settings(&client).await?;
    if !weak.is_empty() {
        tracing::warn!(settings = %weak.join(", "), "a crash of PostgreSQL may lose what was acknowledged");
    }
    Ok(())
}

/// Refuses replicas of another cluster; what does not answer is warned of, as it may come back.
///
/// # Errors
/// [`AdminError::OtherCluster`], or when the primary does not answer.
pub async fn check_replicas(config: &crate::StoreConfig) -> Result<(), AdminError> {
    if config.replicas.is_empty() {
        return Ok(());
    }
    let expected = cluster_of(config).await?;
    for replica in &config.replicas {
        let shown = hosts(replica);
        match cluster_of(&crate::StoreConfig { connection: replica.clone(), ..config.clone() }).await {
            Ok(found) if found == expected => {}
            Ok(found) => return Err(AdminError::OtherCluster { replica: shown, found, expected }),
            Err(error) => {
                tracing::warn!(replica = shown, %error, "a replica does not answer; the primary is read until it does");
            }
        }
    }
    Ok(())
}

async fn cluster_of(config: &crate::StoreConfig) -> Result<String, tokio_postgres::Error> {
    let client = look_as_service(config).await?;
    client.query_one(crate::replicas::PRIMARY_CLUSTER.sql(), &[]).await?.try_get(0)
}

/// Limits without which a statement may hang for ever, and isolation that the statements rely on.
const LIMITS: &str = "
    select name || ' = ' || setting from pg_settings
     where (name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') and setting = '0')
        or (name = 'default_transaction_isolation' and setting <> 'read committed')
     order by name";

async fn check_limits(client: &Client) -> Result<(), AdminError> {
    let rows = client.query(LIMITS, &[]).await?;
    let missing: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if missing.is_empty() { Ok(()) } else { Err(AdminError::NoLimits { settings: missing.join(", ") }) }
}

/// Hosts and ports, as they were given.
fn hosts(config: &tokio_postgres::Config) -> String {
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = config.get_ports().get(at).or(config.get_ports().first()).copied().unwrap_or(5432);
        match host {
            tokio_postgres::config::Host::Tcp(name) => format!("{name}:{port}"),
            tokio_postgres::config::Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    hosts.collect::<Vec<_>>().join(",")
}

/// How many connections the service's role may have on this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRoom {
    /// As many.
    pub connections: usize,
    /// What sets the limit.
    pub limited_by: LimitedBy,
}

/// What sets a limit on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The server's `max_connections`, less what is kept for superusers.
    Server,
    /// `ALTER ROLE .. CONNECTION LIMIT`.
    Role,
    /// `ALTER DATABASE .. CONNECTION LIMIT`.
    Database,
}

/// The server's limit without what is reserved, the role's and the database's; -1 is none. What newer servers reserve besides is
/// missing on older ones.
const CONNECTION_ROOM: &str = "
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0),
           r.rolconnlimit, d.datconnlimit
      from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()";

/// Asks how many connections there can be.
pub async fn connection_room(config: &crate::StoreConfig) -> Result<ConnectionRoom, AdminError> {
    let client = look_as_service(config).await?;
    let row = client.query_one(CONNECTION_ROOM, &[]).await?;
    let limits = [(0, LimitedBy::Server), (1, LimitedBy::Role), (2, LimitedBy::Database)];
    let rooms = limits.into_iter().filter_map(|(column, limited_by)| {
        let connections = usize::try_from(row.get::<_, i32>(column)).ok()?;
        Some(ConnectionRoom { connections, limited_by })
    });
    let least = rooms.min_by_key(|room| room.connections);
    Ok(least.unwrap_or(ConnectionRoom { connections: usize::MAX, limited_by: LimitedBy::Server }))
}

async fn check_version(client: &Client) -> Result<(), AdminError> {
    let needed =
        embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    let known = client.query_one("select to_regclass('public.refinery_schema_history') is not null", &[]).await?;
    let found = if known.get(0) {
        client.query_one("select coalesce(max(version), 0)::int from refinery_schema_history", &[]).await?.get(0)
    } else {
        0
    };
    if found == needed { Ok(()) } else { Err(AdminError::SchemaVersion { found, needed }) }
}
