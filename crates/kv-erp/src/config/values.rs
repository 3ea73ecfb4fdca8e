//! How one value is read. What is secret is never repeated in an error.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr as _;

use jiff::Timestamp;
use kv_coord::RedisSettings;
use kv_coord::queue::{LeaseTtl, Priority, QueueTag};
use kv_store::{BadServer, Server};
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use crate::credentials::platform::PlatformToken;
use crate::failure::chain;
use crate::worker::config::Schedule;

/// A whole number of this range.
pub fn whole<T>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |raw: &str| {
        let read = raw.trim().parse::<u64>().ok().filter(|number| range.contains(number));
        read.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let shown: String = raw.chars().take(40).collect();
            format!("must be a whole number from {} to {}, not {shown:?}", range.start(), range.end())
        })
    }
}

/// Where to listen.
///
/// # Errors
/// When it is no address with a port.
pub fn address(raw: &str) -> Result<SocketAddr, String> {
    raw.parse().map_err(|_| format!("must be ADDRESS:PORT with a numeric address, such as 0.0.0.0:8080, not {raw:?}"))
}

/// How long a job may be a worker's, in milliseconds.
pub const LEASE_MS: RangeInclusive<u64> = LeaseTtl::MIN_MS..=LeaseTtl::MAX_MS;

/// One of the three queues.
///
/// # Errors
/// When there is none of this name.
pub fn queue_name(raw: &str) -> Result<Priority, String> {
    Priority::from_name(raw.trim()).ok_or_else(|| format!("must be high, default or low, not {raw:?}"))
}

/// When a regular job is due; an empty text is none.
///
/// # Errors
/// When it cannot be read, or never comes.
pub fn schedule(raw: &str) -> Result<String, String> {
    if !raw.is_empty() {
        Schedule::parse(raw, Timestamp::now())?;
    }
    Ok(raw.to_owned())
}

/// The platform's token.
///
/// # Errors
/// When it could be guessed or not be sent.
pub fn platform_token(raw: &str) -> Result<SecretString, String> {
    PlatformToken::parse(raw).map(|_| SecretString::from(raw)).map_err(|error| error.to_string())
}

/// What to log.
///
/// # Errors
/// When the filter cannot be read.
pub fn log_filter(raw: &str) -> Result<String, String> {
    EnvFilter::try_new(raw)
        .map(|_| raw.to_owned())
        .map_err(|error| format!("must be a filter such as info or kv_erp=debug: {error}"))
}

/// Where something is that speaks HTTP.
///
/// # Errors
/// When it is no such URL.
pub fn http_url(raw: &str) -> Result<String, String> {
    let rest = raw.strip_prefix("http://").or_else(|| raw.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains('@') => Ok(raw.to_owned()),
        _ => Err("must be http://HOST:PORT or https://HOST, without a login".to_owned()),
    }
}

/// A part of a whole.
///
/// # Errors
/// When it is not from 0 to 1.
pub fn ratio(raw: &str) -> Result<f64, String> {
    let read = raw.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    read.ok_or_else(|| format!("must be a number from 0 to 1, not {raw:?}"))
}

/// A PostgreSQL to connect to.
///
/// # Errors
/// When it cannot be read or names no host or no database.
pub fn database_url(raw: &str) -> Result<SecretString, String> {
    read_database(raw).map(|_| SecretString::from(raw))
}

/// A connection URL as PostgreSQL's own programs write it.
pub(super) fn read_database(raw: &str) -> Result<Server, String> {
    let form = "must be postgresql://ROLE:PASSWORD@HOST[:PORT]/DATABASE";
    let server = Server::from_str(raw).map_err(|error| match error {
        BadServer::Unreadable => format!("{form}, and it cannot be read as one"),
        other => format!("cannot be used: {}", chain(&other)),
    })?;
    let config = server.config();
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(format!("{form}, and it names no host"));
    }
    if config.get_dbname().is_none() {
        return Err(format!("{form}, and it names no database"));
    }
    Ok(server)
}

/// A Redis to connect to.
///
/// # Errors
/// When it cannot be read.
pub fn redis_url(raw: &str) -> Result<SecretString, String> {
    match RedisSettings::parse(raw) {
        Ok(_) => Ok(SecretString::from(raw)),
        Err(error) => Err(format!("cannot be used: {}", chain(&error))),
    }
}

/// The word before the keys in Redis.
///
/// # Errors
/// When it holds what a key may not hold.
pub fn key_tag(raw: &str) -> Result<QueueTag, String> {
    QueueTag::parse(raw).map_err(|error| format!("cannot be used: {error}"))
}

/// A URL as it may be shown: with its password hidden. What is no URL is hidden altogether.
pub fn hidden(raw: &str) -> String {
    const HIDDEN: &str = "***";
    let Some((scheme, rest)) = raw.split_once("://") else { return HIDDEN.to_owned() };
    let is_plain =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    // A parameter may hold a password too.
    let (place, parameters) = rest.split_once('?').map_or((rest, None), |(place, rest)| (place, Some(rest)));
    if !is_plain {
        return HIDDEN.to_owned();
    }
    let (authority, path) = place.find('/').map_or((place, ""), |at| place.split_at(at));
    // A slash in a password is an error of whoever wrote it, and hides all behind the scheme.
    if path.contains('@') {
        return format!("{scheme}://{HIDDEN}");
    }
    let authority = match authority.rsplit_once('@') {
        None => authority.to_owned(),
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{login}@{host}"),
        },
    };
    let parameters = parameters.map(|all| {
        let each = all.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
            _ => pair.to_owned(),
        });
        format!("?{}", each.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{authority}{path}{}", parameters.unwrap_or_default())
}

fn is_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    ["pass", "secret", "token", "key"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (given, shown) in [
            ("postgresql://kv_app:hunter2@db:5432/kv", "postgresql://kv_app:***@db:5432/kv"),
            (
                "postgresql://kv_app@db/kv?password=hunter2&sslmode=require",
                "postgresql://kv_app@db/kv?password=***&sslmode=require",
            ),
            ("postgresql://a:p:hunter2@h1,h2/d", "postgresql://a:***@h1,h2/d"),
            ("redis://:hunter2@h", "redis://:***@h"),
            ("redis+unix:///run/r.sock?db=1&pass=hunter2", "redis+unix:///run/r.sock?db=1&pass=***"),
            ("redis://u:hunt/er2@h/0", "redis://***"),
            ("host=h password=hunter2", "***"),
            ("hunter2", "***"),
        ] {
            assert_eq!(hidden(given), shown);
        }
    }

    #[test]
    fn numbers_have_their_range() {
        assert_eq!(whole::<u32>(1..=5)("5"), Ok(5));
        for bad in ["0", "6", "-1", "x", "", "1.5", "99999999999999999999"] {
            assert!(whole::<u32>(1..=5)(bad).unwrap_err().contains("1 to 5"), "{bad}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for url in ["postgresql://u:hunter2@", "postgresql://u:hunter2@h:port/d", "hunter2", "postgresql://u:hunter2@h"]
        {
            assert!(!database_url(url).unwrap_err().contains("hunter2"));
        }
        assert!(!redis_url("redis://:hunter2@h:port").unwrap_err().contains("hunter2"));
        let good = database_url("postgresql://u:p@h/d").unwrap();
        assert_eq!(good.expose_secret(), "postgresql://u:p@h/d");
    }
}
