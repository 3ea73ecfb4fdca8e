//! How PostgreSQL is reached: a URL or key=value words as libpq reads them, and how the connection is encrypted.
//!
//! `sslmode` is `disable` (which is what nothing said means), `prefer`, `require`, `verify-ca` or `verify-full`, and what
//! `sslrootcert`, `sslcert` and `sslkey` name is read when the words are. As with libpq, `require` with `sslrootcert` checks the
//! certificate's authority too, and a Unix socket is never encrypted.
//!
//! Absent on purpose: files that are looked for in the user's home, and lists of revoked certificates.

mod advice;
mod tls;
mod verify;
mod words;

use std::fmt;
use std::io;
use std::str::FromStr;

use thiserror::Error;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Connection, Socket};

pub use advice::advice;
pub use tls::Encrypted;
pub(crate) use tls::Tls;
use words::Words;

/// Where PostgreSQL is, who logs in there, and how the connection is encrypted. Cheap to clone but for its texts.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: Tls,
}

/// Why words name no server. None of them repeats a password.
#[derive(Debug, Error)]
pub enum BadServer {
    /// They are no connection string.
    #[error("it cannot be read as a URL or as key=value words")]
    Unreadable,
    /// The word is none that is known.
    #[error("sslmode is {given:?}; use disable, prefer, require, verify-ca or verify-full")]
    Mode {
        /// What was given.
        given: String,
    },
    /// A file is named and nothing is encrypted.
    #[error("{word} is given, and without sslmode nothing is encrypted; add sslmode=verify-full")]
    Idle {
        /// The word that names the file.
        word: &'static str,
    },
    /// Everybody with a certificate of the web for any name would be believed.
    #[error(
        "without names being looked at, the authorities of the web vouch for nobody; name the authority's file as sslrootcert, or use \
         sslmode=verify-full"
    )]
    AnyName,
    /// One is of no use without the other.
    #[error("sslcert and sslkey belong together, and {missing} is missing")]
    Half {
        /// What is missing.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("{word} names {path:?}, which cannot be read: {source}")]
    File {
        /// The word that names it.
        word: &'static str,
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{word} names {path:?}, which holds no {what} in PEM")]
    Content {
        /// The word that names it.
        word: &'static str,
        /// Where it is.
        path: String,
        /// What should be in it.
        what: &'static str,
    },
    /// The library does not take them.
    #[error("the certificates cannot be used: {0}")]
    Unusable(String),
}

impl Server {
    /// The words without those on encryption.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The same, to be changed.
    pub const fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// How it is encrypted.
    pub(crate) const fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Whether connections over the network are encrypted.
    pub const fn is_encrypted(&self) -> bool {
        self.tls.is_on()
    }

    /// Connects.
    ///
    /// # Errors
    /// What stood in the way; [`advice`] says what to do about some of it.
    pub async fn connect(&self) -> Result<(Client, Connection<Socket, Encrypted>), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// Hosts and ports, as they were given.
    pub fn shown(&self) -> String {
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let ports = self.config.get_ports();
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        });
        hosts.collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("at", &self.shown()).field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl FromStr for Server {
    type Err = BadServer;

    fn from_str(raw: &str) -> Result<Self, BadServer> {
        let Words { others, ssl } = words::split(raw).ok_or(BadServer::Unreadable)?;
        let mut config = Config::from_str(&others).map_err(|_| BadServer::Unreadable)?;
        let is_network =
            !config.get_hostaddrs().is_empty() || config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        let (mode, tls) = ssl.read()?;
        let (mode, tls) = if is_network { (mode, tls) } else { (SslMode::Disable, Tls::OFF) };
        config.ssl_mode(mode);
        Ok(Self { config, tls })
    }
}

/// Settings that are in the program already, without encryption.
impl From<Config> for Server {
    fn from(mut config: Config) -> Self {
        config.ssl_mode(SslMode::Disable);
        Self { config, tls: Tls::OFF }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(raw: &str) -> String {
        raw.parse::<Server>().map(drop).unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_encrypted_unless_that_is_said() {
        for plain in ["postgresql://u:p@h/d", "postgresql://u:p@h/d?sslmode=disable", "host=h dbname=d sslmode=disable"]
        {
            let server: Server = plain.parse().unwrap();
            assert_eq!((server.is_encrypted(), server.config().get_ssl_mode()), (false, SslMode::Disable), "{plain}");
        }
        for (url, mode) in
            [("prefer", SslMode::Prefer), ("require", SslMode::Require), ("verify-full", SslMode::Require)]
        {
            let server: Server = format!("postgresql://u:p@h/d?application_name=x&sslmode={url}").parse().unwrap();
            assert_eq!((server.is_encrypted(), server.config().get_ssl_mode()), (true, mode), "{url}");
            assert_eq!(server.config().get_application_name(), Some("x"));
        }
        let socket: Server = "postgresql:///d?host=/run/postgresql&sslmode=verify-full".parse().unwrap();
        assert!(!socket.is_encrypted(), "a Unix socket is never encrypted");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_named() {
        let url = "postgresql://u:secret@h/d?";
        for (more, said) in [
            ("sslmode=on", "sslmode is \"on\"; use disable"),
            ("sslrootcert=/ca.pem", "sslrootcert is given, and without sslmode"),
            (
                "sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
                "sslrootcert names \"/nowhere/ca.pem\", which cannot be read",
            ),
            ("sslmode=verify-full&sslrootcert=/dev/null", "holds no certificate"),
            ("sslmode=require&sslcert=/c.pem", "sslkey is missing"),
        ] {
            let error = refused(&format!("{url}{more}"));
            assert!(error.contains(said) && !error.contains("secret"), "{more}: {error}");
        }
        assert!(refused("what=is this").contains("cannot be read"));
    }

    #[test]
    fn a_password_is_not_shown() {
        let server: Server = "postgresql://u:secret@h:5433,[::1]/d".parse().unwrap();
        assert!(!format!("{server:?}").contains("secret"));
        assert!(server.shown().starts_with("h:5433,"));
    }
}
