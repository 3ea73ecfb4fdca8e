//! The service's settings, checked as a whole before anything is started: all faults are named at once.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use kv_coord::RedisSettings;
use kv_store::StoreConfig;
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::HttpSettings;
use crate::cli::ServiceArgs;
use crate::failure::{Failure, chain};

/// Most connections of one process.
const MAX_CONNECTIONS: usize = 1_000;
/// Most tasks that write stock.
const MAX_STOCK_WRITERS: usize = 64;
/// A statement's own limit and the wait for a connection must fit into a request's time, with something to spare.
const MIN_REQUEST_TIMEOUT_MS: u64 = 8_000;
const MAX_REQUEST_TIMEOUT_MS: u64 = 300_000;
const MAX_DRAIN_DELAY_MS: u64 = 60_000;

/// What `up` and `api` run with.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Redis, when there is one.
    pub redis: Option<RedisSettings>,
    /// How many replicas share it.
    pub replicas: NonZeroU32,
    /// Pooled connections.
    pub pool_size: usize,
    /// Tasks that write stock.
    pub stock_writers: usize,
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
        let mut faults = Faults::default();
        faults.range("--pool-size", args.pool_size as u64, 1, MAX_CONNECTIONS as u64);
        faults.range("--stock-writers", args.stock_writers as u64, 1, MAX_STOCK_WRITERS as u64);
        faults.range("--rate-limit-per-minute", u64::from(args.rate_limit_per_minute), 1, u64::from(u32::MAX));
        faults.range("--request-timeout-ms", args.request_timeout_ms, MIN_REQUEST_TIMEOUT_MS, MAX_REQUEST_TIMEOUT_MS);
        faults.range("--drain-delay-ms", args.drain_delay_ms, 0, MAX_DRAIN_DELAY_MS);
        faults.range("--trusted-proxies", u64::from(args.trusted_proxies), 0, 16);
        if let Some(limit) = args.tenant_rate_limit_per_minute
            && limit < args.rate_limit_per_minute
        {
            let user = args.rate_limit_per_minute;
            faults.add(format!("--tenant-rate-limit-per-minute {limit} is below --rate-limit-per-minute {user}, so no user could reach its own"));
        }
        let replicas = NonZeroU32::new(args.replicas).unwrap_or_else(|| {
            faults.add("--replicas must be 1 or more, not 0".to_owned());
            NonZeroU32::MIN
        });
        let redis = args.redis_url.as_ref().and_then(|url| faults.redis(url));
        let config = Self {
            listen: args.listen,
            redis,
            replicas,
            pool_size: args.pool_size,
            stock_writers: args.stock_writers,
            drain_delay: Duration::from_millis(args.drain_delay_ms),
            http: HttpSettings {
                rate_limit_per_minute: args.rate_limit_per_minute,
                tenant_rate_limit_per_minute: args.tenant_rate_limit_per_minute,
                trusted_proxies: args.trusted_proxies,
                request_timeout: Duration::from_millis(args.request_timeout_ms),
                ..HttpSettings::default()
            },
        };
        faults.finish(config)
    }

    /// The store's settings for a connection.
    pub fn store(&self, connection: tokio_postgres::Config) -> StoreConfig {
        let mut config = StoreConfig::new(connection);
        config.pool_size = self.pool_size;
        config.stock_writers = self.stock_writers;
        config
    }
}

/// Reads a database's URL. Nothing of it is repeated in the error, because it may hold a password.
///
/// # Errors
/// A usage failure.
pub fn database(flag: &str, url: &SecretString) -> Result<tokio_postgres::Config, Failure> {
    let refused = |reason: String| {
        Failure::usage(format!("{flag} cannot be read: {reason}"))
            .hint("use postgresql://ROLE:PASSWORD@HOST[:PORT]/DATABASE")
    };
    let config: tokio_postgres::Config =
        url.expose_secret().parse().map_err(|_| refused("it is no connection URL".to_owned()))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(refused("it names no host".to_owned()));
    }
    if config.get_dbname().is_none() {
        return Err(refused("it names no database".to_owned()));
    }
    Ok(config)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: String) {
        self.0.push(fault);
    }

    fn range(&mut self, flag: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.add(format!("{flag} must be {least} to {most}, not {value}"));
        }
    }

    fn redis(&mut self, url: &SecretString) -> Option<RedisSettings> {
        match RedisSettings::parse(url.expose_secret()) {
            Ok(settings) => Some(settings),
            Err(error) => {
                self.add(format!("--redis-url: {}", chain(&error)));
                None
            }
        }
    }

    fn finish<T>(self, checked: T) -> Result<T, Failure> {
        if self.0.is_empty() {
            return Ok(checked);
        }
        Err(Failure::usage(self.0.join("; ")).hint("each flag is explained by --help"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn check(extra: &[&str]) -> Result<ServiceConfig, String> {
        let args = [&["kv-erp", "up"], extra].concat();
        let Command::Up(up) = Cli::try_parse_from(args).unwrap().command else { unreachable!("up was asked for") };
        ServiceConfig::check(&up.service).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_defaults_are_good() {
        let config = check(&[]).unwrap();
        assert_eq!(config.http.rate_limit_per_minute, 60);
        assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let error =
            check(&["--pool-size=0", "--replicas=0", "--request-timeout-ms=1", "--redis-url=nonsense"]).unwrap_err();
        for part in
            ["--pool-size must be 1 to 1000, not 0", "--replicas", "--request-timeout-ms", "--redis-url", "hint: "]
        {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert_eq!(error.lines().count(), 2, "{error}");
    }

    #[test]
    fn a_tenant_gets_no_less_than_a_user() {
        assert!(
            check(&["--tenant-rate-limit-per-minute=59"]).unwrap_err().contains("--tenant-rate-limit-per-minute 59")
        );
        assert!(check(&["--tenant-rate-limit-per-minute=60"]).is_ok());
    }

    #[test]
    fn a_password_is_not_repeated() {
        for url in ["postgresql://u:hunter2@", "postgresql://u:hunter2@h:port/d", "hunter2", "postgresql://u:hunter2@h"]
        {
            let error = database("--database-url", &SecretString::from(url)).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
            assert_eq!(error.exit.code(), 2);
        }
        assert!(database("--database-url", &SecretString::from("postgresql://u:p@h/d")).is_ok());
    }

    #[test]
    fn a_redis_password_is_not_repeated() {
        let error = check(&["--redis-url=redis://:hunter2@h:port"]).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
