//! Where PostgreSQL is, for our own session and for the environment of libpq programs.

use std::str::FromStr;
use std::time::Duration;

use stampede_model::stress::redact;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};

use crate::stress::StressError;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A checked URL.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    shown: String,
}

/// One session; its connection ends with it.
#[derive(Debug)]
pub(crate) struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

impl Address {
    /// Reads a URL, or a libpq connection string.
    pub(crate) fn parse(url: &str) -> Result<Self, StressError> {
        let bad = |reason: &str| StressError::Url { what: "PostgreSQL", reason: reason.to_owned() };
        // The parser's own words may repeat what it could not read, and with it the password.
        let form = "write it as postgres://user:password@host:5432/database";
        let config = Config::from_str(url).map_err(|_| bad(form))?;
        if config.get_hosts().len() != 1 {
            return Err(bad("it must name exactly one host"));
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(bad("it names no user"));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(bad("TLS is not supported: give the address behind it, with sslmode=disable"));
        }
        Ok(Self { config, shown: redact::url(url) })
    }

    /// The URL without its password.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The database's name; libpq's habit is the user's.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or_default()
    }

    pub(super) fn password(&self) -> Option<String> {
        self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned())
    }

    /// What a libpq program must find in its environment to get there.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(folder)) => folder.to_string_lossy().into_owned(),
            None => String::new(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let mut env = vec![
            ("PGHOST".to_owned(), host),
            ("PGPORT".to_owned(), port.to_string()),
            ("PGUSER".to_owned(), self.config.get_user().unwrap_or_default().to_owned()),
        ];
        if let Some(password) = self.password() {
            env.push(("PGPASSWORD".to_owned(), password));
        }
        if self.config.get_ssl_mode() == SslMode::Disable {
            env.push(("PGSSLMODE".to_owned(), "disable".to_owned()));
        }
        env
    }

    /// Opens a session under `name`.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub(crate) async fn connect(&self, name: &str) -> Result<Session, StressError> {
        self.try_connect(name).await.map_err(self.refused("connect"))
    }

    /// As [`Address::connect`], with PostgreSQL's own answer.
    pub(crate) async fn try_connect(&self, name: &str) -> Result<Session, tokio_postgres::Error> {
        let mut config = self.config.clone();
        config.application_name(name).connect_timeout(CONNECT_WITHIN);
        let (client, connection) = config.connect(NoTls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a session of the bench ended");
            }
        });
        Ok(Session { client, driver })
    }

    /// Makes an error of PostgreSQL's answer.
    pub(crate) fn refused(&self, action: &str) -> impl FnOnce(tokio_postgres::Error) -> StressError {
        let (address, action) = (self.shown.clone(), action.to_owned());
        move |source| StressError::Postgres { address, action, source }
    }
}

impl std::ops::Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpq_programs_find_their_way_without_an_argument() {
        let address = Address::parse("postgres://me:s%40cret@db.test:6543/shop?sslmode=disable").unwrap();
        let env: Vec<String> = address.environment().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = ["PGHOST=db.test", "PGPORT=6543", "PGUSER=me", "PGPASSWORD=s@cret", "PGSSLMODE=disable"];
        assert_eq!(env, expected);
        assert_eq!(
            (address.database(), address.shown()),
            ("shop", "postgres://me:***@db.test:6543/shop?sslmode=disable")
        );
        let socket = Address::parse("postgresql://me@/shop?host=/run/x&port=1").unwrap();
        assert_eq!(socket.environment()[0].1, "/run/x");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_its_password() {
        for url in [
            "postgres://:geheim@h/d",
            "postgres://me:geheim@h/d?sslmode=require",
            "mysql://me:geheim@h/d",
            "",
            "geheim",
        ] {
            let error = Address::parse(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("cannot be used") && !error.contains("geheim"), "{url}: {error}");
        }
    }
}
