//! The service's settings, checked as a whole before anything is started: all faults are named at once.
//!
//! Command line over environment over file over defaults ([`resolve`]); each value by itself ([`values`]), then what they are to one
//! another ([`pairs`]). What only a server can tell is checked when the service has reached it.

mod faults;
mod file;
mod nearest;
pub mod origin;
mod pairs;
pub mod reference;
pub mod resolve;
mod setting;
pub mod show;
mod unknown;
pub mod values;
mod work;

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use kv_coord::RedisSettings;
use kv_coord::lock::Ttl;
use kv_store::admin::{ConnectionRoom, LimitedBy};
use kv_store::readers::PAGE_READERS;
use kv_store::{Pooler, Server, StoreConfig};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::HttpSettings;
use crate::cli::{Cli, ConfigArgs, ConfigFormat, ServiceArgs};
use crate::credentials::platform::PlatformToken;
use crate::failure::{Failure, chain};
use faults::Fault;
use origin::Places;
use resolve::Variables;
pub use work::{work, worker};

/// What `up` and `api` run with.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Redis, when there is one.
    pub redis: Option<RedisSettings>,
    /// A Redis for the job queue alone, when it has one.
    pub queue_redis: Option<RedisSettings>,
    /// Read replicas of the database.
    pub read_replicas: Vec<Server>,
    /// What stands before the database.
    pub pooler: Pooler,
    /// How far behind one may be that answers.
    pub replica_max_lag: Duration,
    /// How many replicas share it.
    pub replicas: NonZeroU32,
    /// Pooled connections.
    pub pool_size: usize,
    /// How long a request waits for one.
    pub pool_wait: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a row.
    pub row_lock_timeout: Duration,
    /// Tasks that write stock.
    pub stock_writers: usize,
    /// Where each setting comes from.
    pub places: Places,
    /// How long to go on accepting after the stop signal.
    pub drain_delay: Duration,
    /// The HTTP face.
    pub http: HttpSettings,
}

impl ServiceConfig {
    /// Checks all settings.
    ///
    /// # Errors
    /// One failure that names every fault.
    pub fn check(args: &ServiceArgs) -> Result<Self, Failure> {
        let mut faults = pairs::faults(args);
        let redis = args.redis_url.as_ref().and_then(|url| read_redis("redis_url", url, args, &mut faults));
        let queue_redis =
            args.queue_redis_url.as_ref().and_then(|url| read_redis("queue_redis_url", url, args, &mut faults));
        let replicas = NonZeroU32::new(args.replicas).unwrap_or(NonZeroU32::MIN);
        let lock_ttl = Ttl::from_millis(args.lock_ttl_ms).unwrap_or(Ttl::DEFAULT);
        let read_replicas =
            args.replica_url.iter().filter_map(|url| match values::read_database(url.expose_secret()) {
                Ok(config) => Some(config),
                Err(what) => {
                    faults.push(Fault::at(
                        args.places.of("replica_url"),
                        what,
                        "name a server that follows the primary",
                    ));
                    None
                }
            });
        let read_replicas = read_replicas.collect();
        let platform_token = args.platform_token.as_ref().map(|token| PlatformToken::parse(token.expose_secret()));
        let platform_token =
            platform_token.transpose().map_err(|error| Failure::usage(format!("--platform-token: {error}")))?;
        faults::refuse(&faults)?;
        for warning in pairs::warnings(args) {
            tracing::warn!("{warning}");
        }
        Ok(Self {
            listen: args.listen,
            redis,
            queue_redis,
            read_replicas,
            replica_max_lag: Duration::from_millis(args.replica_max_lag_ms),
            pooler: if args.transaction_pooler { Pooler::Transaction } else { Pooler::None },
            replicas,
            pool_size: args.pool_size,
            pool_wait: Duration::from_millis(args.pool_wait_ms),
            statement_timeout: Duration::from_millis(args.statement_timeout_ms),
            row_lock_timeout: Duration::from_millis(args.row_lock_timeout_ms),
            stock_writers: args.stock_writers,
            drain_delay: Duration::from_millis(args.drain_delay_ms),
            places: args.places.clone(),
            http: HttpSettings {
                rate_limit_per_minute: args.rate_limit_per_minute,
                tenant_rate_limit_per_minute: args.tenant_rate_limit_per_minute,
                trusted_proxies: args.trusted_proxies,
                request_timeout: Duration::from_millis(args.request_timeout_ms),
                lock_ttl,
                platform_token,
                ..HttpSettings::default()
            },
        })
    }

    /// The Redis of the job queue.
    pub fn queue_redis(&self) -> Option<&RedisSettings> {
        self.queue_redis.as_ref().or(self.redis.as_ref())
    }

    /// Refuses more connections than PostgreSQL allows. `each` is what one replica makes.
    ///
    /// # Errors
    /// A failure that names the settings and the limit.
    pub fn fit_connections(&self, each: usize, room: ConnectionRoom) -> Result<(), Failure> {
        let replicas = self.replicas.get() as usize;
        let needed = each * replicas;
        let (limit, raise) = match room.limited_by {
            LimitedBy::Server => ("PostgreSQL's max_connections less what it reserves", "raise max_connections"),
            LimitedBy::Role => ("the role's CONNECTION LIMIT", "raise it with ALTER ROLE"),
            LimitedBy::Database => ("the database's CONNECTION LIMIT", "raise it with ALTER DATABASE"),
        };
        if needed > room.connections {
            let [pool, writers, count] = ["pool_size", "stock_writers", "replicas"].map(|key| self.places.of(key));
            return Err(Failure::failed(format!(
                "{pool} {}, {writers} {} and {PAGE_READERS} for pages are {each} connections, times {count} {replicas} they are \
                 {needed}, and {limit} allows {}",
                self.pool_size, self.stock_writers, room.connections
            ))
            .hint(format!("lower {pool}, or {raise}")));
        }
        if needed + each > room.connections {
            tracing::warn!(
                needed,
                allowed = room.connections,
                "no room for one replica more, as while a new version replaces an old one"
            );
        }
        Ok(())
    }

    /// The store's settings for a connection.
    pub fn store(&self, connection: Server) -> StoreConfig {
        let mut config = StoreConfig::new(connection);
        config.pool_size = self.pool_size;
        config.pool_wait = self.pool_wait;
        config.stock_writers = self.stock_writers;
        config.statement_timeout = self.statement_timeout;
        config.row_lock_timeout = self.row_lock_timeout;
        config.replicas.clone_from(&self.read_replicas);
        config.replica_max_lag = self.replica_max_lag;
        config.pooler = self.pooler;
        config
    }
}

/// Reads a database's URL. Nothing of it is repeated in the error, because it may hold a password.
///
/// # Errors
/// A usage failure.
pub fn database(flag: &str, url: &SecretString) -> Result<Server, Failure> {
    values::read_database(url.expose_secret()).map_err(|what| {
        Failure::usage(format!("{flag} {what}")).hint("a password with odd characters must be percent-encoded")
    })
}

fn read_redis(
    key: &'static str,
    url: &SecretString,
    args: &ServiceArgs,
    faults: &mut Vec<Fault>,
) -> Option<RedisSettings> {
    match RedisSettings::parse(url.expose_secret()) {
        Ok(mut settings) => {
            settings.key_tag.clone_from(&args.redis_key_tag);
            with_authorities(settings, args, faults)
        }
        Err(error) => {
            let what = format!("cannot be used: {}", chain(&error));
            faults.push(Fault::at(args.places.of(key), what, "use redis://USER:PASSWORD@HOST:PORT").about(&[key]));
            None
        }
    }
}

/// Adds the authorities of the file to a connection that is encrypted.
fn with_authorities(settings: RedisSettings, args: &ServiceArgs, faults: &mut Vec<Fault>) -> Option<RedisSettings> {
    let Some(file) = args.redis_ca_file.as_ref().filter(|_| settings.is_encrypted()) else { return Some(settings) };
    match std::fs::read(file) {
        Ok(pem) => Some(settings.with_authorities(pem)),
        Err(error) => {
            let what = format!("names {}, which cannot be read: {error}", file.display());
            faults.push(Fault::at(args.places.of("redis_ca_file"), what, "name a file of certificates in PEM"));
            None
        }
    }
}

/// `kv-erp config`: prints what the command behind it would run with.
///
/// # Errors
/// What is wrong with it, after it was printed.
pub fn print(args: &ConfigArgs, outer: &Cli, variables: &Variables) -> Result<(), Failure> {
    if args.format == ConfigFormat::Reference {
        return write_out(&reference::markdown());
    }
    let mut line: Vec<OsString> = vec!["kv-erp".into()];
    if let Some(file) = &outer.config {
        line.extend(["--config".into(), file.clone().into_os_string()]);
    }
    if args.of.first().is_none_or(|word| word.to_string_lossy().starts_with('-')) {
        line.push("api".into());
    }
    line.extend(args.of.iter().cloned());
    let resolved = resolve::resolve(&line, variables).map_err(|error| {
        let words = error.to_string();
        let first = words.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Failure::usage(first).hint("write the command and its flags behind `kv-erp config`")
    })?;
    write_out(&match args.format {
        ConfigFormat::Json => show::json(&resolved),
        _ => show::toml(&resolved),
    })?;
    let cli = resolved.cli?;
    let mut command = cli.command;
    if let Some(service) = command.service_mut() {
        for warning in pairs::warnings(service) {
            tracing::warn!("{warning}");
        }
    }
    Ok(())
}

pub(crate) fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::while_doing("writing to stdout", &error))
}

#[cfg(test)]
mod tests;
