//! `kv-erp migrate` and `kv-erp admin`: what an administrator does to the database. Each prints the one thing it made.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, ProvisionError, Provisioner};
use kv_store::access::tenants::{Tenant, TenantStatus};
use kv_store::stock::{BrokenChain, Verified, verify_chains};
use kv_store::{Server, Store, StoreConfig, admin};

use crate::cli::{AdminCommand, AdminConnection, MigrateArgs, TenantCommand};
use crate::config;
use crate::credentials::password;
use crate::credentials::token::{Token, TokenKind};
use crate::demo;
use crate::failure::Failure;

mod queue;

const FLAG: &str = "--database-url";

/// Brings roles and schema up to date.
///
/// # Errors
/// A failure that says what PostgreSQL refused.
pub async fn migrate(args: &MigrateArgs) -> Result<(), Failure> {
    let config = config::database(FLAG, &args.connection.database_url)?;
    let password = args.app_password_file.as_deref().map(first_line).transpose()?;
    admin::migrate(&config, password.as_deref()).await.map_err(|error| reached(&error, "migrating the schema"))?;
    tracing::info!(version = %admin::migrations_fingerprint(), "the schema is up to date");
    match password {
        Some(password) if args.demo => fill(&config, &password).await,
        _ => Ok(()),
    }
}

/// Fills an empty database with the demonstration's data; says nothing of it, because its passwords are no secret.
async fn fill(superuser: &Server, app_password: &str) -> Result<(), Failure> {
    let mut provisioner = Provisioner::connect(superuser).await.map_err(|error| refused(&error))?;
    let mut service = superuser.clone();
    service.config_mut().user(crate::up::APP_ROLE).password(app_password);
    let store = Store::open(&StoreConfig::new(service)).map_err(|error| Failure::of(&error))?;
    demo::seed(&mut provisioner, &store).await.map_err(|error| Failure::of(&error))?;
    Ok(())
}

/// Makes or changes a tenant, an account or a token.
///
/// # Errors
/// A failure that names what exists already or is missing.
pub async fn run(command: &AdminCommand) -> Result<(), Failure> {
    match command {
        AdminCommand::Tenant(command) => tenant(command).await,
        AdminCommand::CreateTenant { connection, slug, name } => create_tenant(connection, slug, name).await,
        AdminCommand::CreateUser { connection, tenant, email, role, password_file, rate_limit_per_minute } => {
            let limits = (*role, *rate_limit_per_minute);
            create_user(connection, (tenant, email), password_file.as_deref(), limits).await
        }
        AdminCommand::SetRateLimit { connection, email, per_minute } => {
            connect(connection).await?.set_rate_limit(email, *per_minute).await.map_err(|error| refused(&error))
        }
        AdminCommand::Queue(command) => queue::run(command).await,
        AdminCommand::Deliveries { connection, tenant, state, limit } => {
            deliveries(connection, tenant.as_deref(), (state.as_deref(), *limit)).await
        }
        AdminCommand::Verify { connection, tenant } => verify(connection, tenant.as_deref()).await,
        AdminCommand::CreateToken { connection, email, days } => {
            let token = Token::generate(TokenKind::Api);
            let expires_at = Timestamp::now() + SignedDuration::from_hours(24 * i64::from(*days));
            let made = connect(connection).await?.create_token(email, &token.hash(), expires_at).await;
            made.map_err(|error| refused(&error))?;
            print(token.reveal())
        }
    }
}

async fn tenant(command: &TenantCommand) -> Result<(), Failure> {
    match command {
        TenantCommand::Create { connection, slug, name } => create_tenant(connection, slug, name).await,
        TenantCommand::List { connection } => {
            let tenants = connect(connection).await?.tenants().await.map_err(|error| refused(&error))?;
            tenants.iter().try_for_each(print_tenant)
        }
        TenantCommand::Suspend { connection, slug } => set_status(connection, slug, TenantStatus::Suspended).await,
        TenantCommand::Resume { connection, slug } => set_status(connection, slug, TenantStatus::Active).await,
    }
}

async fn create_tenant(connection: &AdminConnection, slug: &str, name: &str) -> Result<(), Failure> {
    checked_words(&[("--slug", slug), ("--name", name)])?;
    let tenant = connect(connection).await?.create_tenant(slug, name).await.map_err(|error| refused(&error))?;
    print(&tenant.to_string())
}

async fn set_status(connection: &AdminConnection, slug: &str, status: TenantStatus) -> Result<(), Failure> {
    let tenant = connect(connection).await?.set_tenant_status(slug, status).await.map_err(|error| refused(&error))?;
    print_tenant(&tenant)
}

fn print_tenant(tenant: &Tenant) -> Result<(), Failure> {
    let Tenant { id, slug, name, status, .. } = tenant;
    print(&format!("{id} {slug} {} {name}", status.as_str()))
}

async fn create_user(
    connection: &AdminConnection,
    (tenant, email): (&str, &str),
    password_file: Option<&Path>,
    (role, rate_limit_per_minute): (Option<Role>, Option<u32>),
) -> Result<(), Failure> {
    checked_words(&[("--tenant", tenant), ("--email", email)])?;
    if !email.contains('@') {
        return Err(Failure::usage(format!("--email {email} is no e-mail address")));
    }
    let given = password_file.map(first_line).transpose()?;
    let password = given.clone().unwrap_or_else(|| URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>()));
    let password_hash = password::hash(&password).map_err(|error| Failure::of(&error))?;
    let mut provisioner = connect(connection).await?;
    let role = match role {
        Some(role) => role,
        // Somebody has to manage the accounts.
        None if provisioner.has_owner(tenant).await.map_err(|error| refused(&error))? => Role::Clerk,
        None => Role::Owner,
    };
    let new = NewUser { tenant, email, password_hash: &password_hash, role, rate_limit_per_minute };
    provisioner.create_user(&new).await.map_err(|error| refused(&error))?;
    if given.is_none() {
        return print(&password);
    }
    Ok(())
}

/// Prints each level whose chain is broken, and how much was read.
async fn verify(connection: &AdminConnection, tenant: Option<&str>) -> Result<(), Failure> {
    let config = config::database(FLAG, &connection.database_url)?;
    let mut lines = Vec::new();
    let verified = verify_chains(&config, tenant, |broken| {
        let BrokenChain { tenant, product, warehouse, version, fault } = broken;
        lines.push(format!("{tenant} product {product} warehouse {warehouse} version {version}: {fault}"));
    });
    let verified = verified.await.map_err(|error| reached(&error, "reading the chains"))?;
    let Some(Verified { levels, movements, unhashed, broken }) = verified else {
        let name = tenant.unwrap_or_default();
        return Err(Failure::failed(format!("there is no tenant \"{name}\"")).hint("see --tenant"));
    };
    lines.iter().try_for_each(|line| print(line))?;
    print(&format!(
        "{levels} levels, {movements} movements, {unhashed} of them older than the chain, {broken} broken"
    ))?;
    if broken == 0 {
        return Ok(());
    }
    let failure = Failure::failed(format!("the chains of {broken} levels are broken"));
    Err(failure.hint("compare these levels with a backup; what was changed begins at the versions named"))
}

/// Prints a line for each delivery, the newest first.
async fn deliveries(
    connection: &AdminConnection,
    tenant: Option<&str>,
    (state, limit): (Option<&str>, i64),
) -> Result<(), Failure> {
    let lines = connect(connection).await?.deliveries(tenant, state, limit).await.map_err(|error| refused(&error))?;
    lines.iter().try_for_each(|line| {
        let answer = line.last_status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let error = line.last_error.as_deref().unwrap_or("-").replace(char::is_control, " ");
        print(&format!(
            "{:.0} {} {} {} {} attempts={} status={answer} {error}",
            line.created_at, line.tenant, line.event_id, line.url, line.state, line.attempts
        ))
    })
}

async fn connect(connection: &AdminConnection) -> Result<Provisioner, Failure> {
    let config = config::database(FLAG, &connection.database_url)?;
    Provisioner::connect(&config).await.map_err(|error| reached(&error, "connecting to the database"))
}

fn reached(error: &(dyn std::error::Error + 'static), action: &str) -> Failure {
    let failure = Failure::while_doing(action, error);
    if failure.has_hint() {
        failure
    } else {
        failure.hint("is the server up, and may this role create roles and act as kv_owner?")
    }
}

fn refused(error: &ProvisionError) -> Failure {
    let failure = Failure::of(error);
    match error {
        ProvisionError::Exists { .. } => failure,
        ProvisionError::Missing { what: "tenant", .. } => failure.hint("make it with kv-erp admin create-tenant"),
        ProvisionError::Missing { .. } => failure.hint("make it with kv-erp admin create-user"),
        ProvisionError::Postgres(_) if failure.has_hint() => failure,
        ProvisionError::Postgres(_) => failure.hint("was the database migrated, and may this role act as kv_owner?"),
    }
}

fn checked_words(words: &[(&str, &str)]) -> Result<(), Failure> {
    let bad =
        words.iter().find(|(_, word)| word.trim().is_empty() || word.len() > 320 || word.chars().any(char::is_control));
    match bad {
        Some((flag, _)) => Err(Failure::usage(format!("{flag} must have 1 to 320 printable characters"))),
        None => Ok(()),
    }
}

fn first_line(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::while_doing(&format!("reading {}", file.display()), &error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::failed(format!("the first line of {} is empty", file.display()))),
    }
}

fn print(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| Failure::while_doing("writing to stdout", &error))
}
