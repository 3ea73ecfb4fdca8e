//! The proof that the service's own role, its tables and its server are what it relies on.

use tokio_postgres::Client;

use super::migrate::needed_version;
use super::{AdminError, connect, look_as_service};
use crate::server::Server;
use crate::{Pooler, StoreConfig};

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
pub async fn weak_settings(server: &Server) -> Result<Vec<String>, AdminError> {
    read_weak_settings(&connect_as_service(server).await?).await
}

async fn read_weak_settings(client: &Client) -> Result<Vec<String>, AdminError> {
    let rows = client.query(WEAK_SETTINGS, &[]).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// A session with the options that the pool's have, so that what is seen is what they will run under.
async fn connect_as_service(server: &Server) -> Result<Client, tokio_postgres::Error> {
    connect(&StoreConfig::new(server.clone()).session()).await
}

/// Refuses a role or a schema with which row-level security would not hold, and logs a warning with the [`weak_settings`], which
/// a server for tests has on purpose.
///
/// # Errors
/// [`AdminError::UnsafeRole`] for a superuser, BYPASSRLS, an owner, or who may become one of these or `kv_auth`;
/// [`AdminError::UnsafeTable`] for a tenant's table without forced security; [`AdminError::SchemaVersion`] when migrations are
/// missing.
pub async fn check_role(server: &Server) -> Result<(), AdminError> {
    check_service(&StoreConfig::new(server.clone())).await
}

/// The same with all that a service is configured with.
///
/// # Errors
/// As for [`check_role`], and [`AdminError::NoLimits`] behind a pooler by transaction whose sessions have no limits.
pub async fn check_service(config: &StoreConfig) -> Result<(), AdminError> {
    let client = look_as_service(config).await?;
    if config.pooler == Pooler::Transaction {
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
pub async fn check_replicas(config: &StoreConfig) -> Result<(), AdminError> {
    if config.replicas.is_empty() {
        return Ok(());
    }
    let expected = cluster_of(config).await?;
    for replica in &config.replicas {
        let shown = replica.shown();
        match cluster_of(&StoreConfig { connection: replica.clone(), ..config.clone() }).await {
            Ok(found) if found == expected => {}
            Ok(found) => return Err(AdminError::OtherCluster { replica: shown, found, expected }),
            Err(error) => {
                tracing::warn!(replica = shown, %error, "a replica does not answer; the primary is read until it does");
            }
        }
    }
    Ok(())
}

async fn cluster_of(config: &StoreConfig) -> Result<String, tokio_postgres::Error> {
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

async fn check_version(client: &Client) -> Result<(), AdminError> {
    let needed = needed_version();
    let known = client.query_one("select to_regclass('public.refinery_schema_history') is not null", &[]).await?;
    let found = if known.get(0) {
        client.query_one("select coalesce(max(version), 0)::int from refinery_schema_history", &[]).await?.get(0)
    } else {
        0
    };
    // Migrations only add: while a new version is rolled out, one of the old may have to start again.
    if found > needed {
        tracing::warn!(found, needed, "the schema is newer than this program");
    }
    if found >= needed { Ok(()) } else { Err(AdminError::SchemaVersion { found, needed }) }
}
