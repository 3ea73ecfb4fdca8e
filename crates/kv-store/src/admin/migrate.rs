//! Roles and migrations.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::{AdminError, connect};
use crate::server::Server;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The version that this program needs.
pub(super) fn needed_version() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0)
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
pub async fn migrate(server: &Server, app_password: Option<&str>) -> Result<(), AdminError> {
    let mut client = connect(server).await?;
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
