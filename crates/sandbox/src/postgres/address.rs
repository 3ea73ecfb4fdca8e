//! Where a PostgreSQL is and who may enter, as one URL that tokio-postgres, psql, pgbench and other libpq programs all read.

use std::fmt;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::config::Host;

use crate::error::SandboxError;

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login<'a> {
    /// The server's own superuser.
    Superuser,
    /// A role with a password.
    Role {
        /// The role's name.
        name: &'a str,
        /// Its password.
        password: &'a str,
    },
}

/// A server's place, and its superuser with the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    place: Place,
    port: u16,
    user: String,
    password: String,
}

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    SocketFolder(PathBuf),
    Tcp(String),
}

impl PostgresAddress {
    pub(crate) const fn new(place: Place, port: u16, user: String, password: String) -> Self {
        Self { place, port, user, password }
    }

    /// The URL of one database, `postgresql://user:password@/database?host=/socket/folder&port=5432` or its TCP form.
    pub fn url_for(&self, database: &str, login: Login<'_>) -> String {
        let (user, password) = match login {
            Login::Superuser => (self.user.as_str(), self.password.as_str()),
            Login::Role { name, password } => (name, password),
        };
        let (user, password, database) = (encode(user), encode(password), encode(database));
        let port = self.port;
        match &self.place {
            Place::SocketFolder(folder) => {
                let folder = encode(&folder.to_string_lossy());
                format!("postgresql://{user}:{password}@/{database}?host={folder}&port={port}")
            }
            Place::Tcp(host) => format!("postgresql://{user}:{password}@{host}:{port}/{database}"),
        }
    }

    /// The port: of 127.0.0.1, or the one in the socket's name.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the socket, if that is how the server is reached.
    pub fn socket_dir(&self) -> Option<&Path> {
        match &self.place {
            Place::SocketFolder(folder) => Some(folder),
            Place::Tcp(_) => None,
        }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAddress")
            .field("place", &self.place)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Reads a superuser's URL, as `SANDBOX_POSTGRES` carries it.
impl FromStr for PostgresAddress {
    type Err = SandboxError;

    fn from_str(url: &str) -> Result<Self, SandboxError> {
        let unusable = |reason: String| SandboxError::Unusable { what: "the PostgreSQL URL".into(), reason };
        let config = tokio_postgres::Config::from_str(url).map_err(|error| unusable(error.to_string()))?;
        let place = match config.get_hosts() {
            [Host::Unix(folder)] => Place::SocketFolder(folder.clone()),
            [Host::Tcp(host)] => Place::Tcp(host.clone()),
            _ => return Err(unusable("it must name exactly one host".into())),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let user = config.get_user().ok_or_else(|| unusable("it names no user".into()))?.to_owned();
        let password = String::from_utf8_lossy(config.get_password().unwrap_or_default()).into_owned();
        Ok(Self { place, port, user, password })
    }
}

/// Percent-encodes everything but letters, digits and `-._~/`: a slash is plain in a query and in no name of ours.
fn encode(raw: &str) -> String {
    let mut encoded = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_back_as_they_were_written() {
        for place in [Place::SocketFolder("/tmp/a b/run".into()), Place::Tcp("127.0.0.1".into())] {
            let address = PostgresAddress::new(place, 6543, "postgres".into(), "p@ss:w%rd".into());
            let url = address.url_for("shop", Login::Superuser);
            assert_eq!(url.parse::<PostgresAddress>().unwrap(), address, "{url}");
        }
    }

    #[test]
    fn a_role_and_an_odd_database_are_encoded() {
        let address = PostgresAddress::new(Place::SocketFolder("/s".into()), 1, "postgres".into(), "x".into());
        let url = address.url_for("my shop?", Login::Role { name: "app", password: "a&b" });
        assert_eq!(url, "postgresql://app:a%26b@/my%20shop%3F?host=/s&port=1");
        let config = tokio_postgres::Config::from_str(&url).unwrap();
        assert_eq!(config.get_dbname(), Some("my shop?"));
        assert_eq!(config.get_password(), Some(b"a&b".as_slice()));
    }

    #[test]
    fn a_url_without_a_user_is_refused() {
        let error = "postgresql://127.0.0.1/x".parse::<PostgresAddress>().unwrap_err().to_string();
        assert!(error.contains("user"), "{error}");
    }
}
