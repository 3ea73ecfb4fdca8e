//! Where requests go: a URL taken apart and checked once.
//!
//! Invariant: an [`Endpoint`] can be connected to and its path can stand in a request line; nothing about it can fail
//! later except the network.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;
use std::{fmt, io};

use http::Uri;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use stampede_model::failure::FailureKind;
use thiserror::Error;

use super::failure::RequestFailure;

/// The parts of an `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
    authority: String,
    path: PathAndQuery,
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plainly.
    Http,
    /// Under TLS, with a certificate for this name.
    Https(ServerName<'static>),
}

/// A URL that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadUrl {
    /// Not a URL at all.
    #[error("`{given}` is no URL: write it in full, such as http://127.0.0.1:8080/path")]
    Syntax {
        /// What was given.
        given: String,
    },
    /// A host that no certificate can name.
    #[error(
        "`{given}`: no certificate can be for this host: use a name of letters, digits, dots and hyphens, or an address"
    )]
    Host {
        /// What was given.
        given: String,
    },
    /// A user name in the URL.
    #[error("the URL holds a user name: give it as a header instead (-H 'Authorization: Basic ...')")]
    UserInfo,
}

/// A host that does not answer at all.
#[derive(Debug, Error)]
pub enum Unreachable {
    /// The name has no address.
    #[error(
        "cannot resolve `{host}`: {why}\nhint: is the name spelt right, and does this machine know it? `getent hosts {host}` \
         asks; an address needs no name, such as http://127.0.0.1:8080/"
    )]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        why: io::Error,
    },
    /// No address accepts a connection.
    #[error("cannot connect to {authority}: {why}\nhint: is the server running?")]
    Connect {
        /// Host and port.
        authority: String,
        /// Why the last address refused.
        why: io::Error,
    },
}

impl Scheme {
    /// The word before `://`.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https(_) => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl Unreachable {
    /// The same as the failure of a request.
    pub fn failure(&self) -> RequestFailure {
        match self {
            Self::Resolve { host, why } => {
                RequestFailure { kind: FailureKind::NameNotResolved, text: format!("cannot resolve `{host}`: {why}") }
            }
            Self::Connect { authority, why } => RequestFailure {
                text: format!("cannot connect to {authority}: {why}"),
                ..RequestFailure::connecting(why)
            },
        }
    }
}

impl Endpoint {
    /// Takes a URL apart. A missing path is `/`, a missing port 80 or, for `https`, 443.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let syntax = || BadUrl::Syntax { given: url.to_owned() };
        let without_fragment = url.split('#').next().unwrap_or(url);
        let uri: Uri = without_fragment.parse().map_err(|_| syntax())?;
        let default_port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(syntax()),
        };
        let authority = uri.authority().ok_or_else(syntax)?;
        if authority.as_str().contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // A port that is no port is otherwise taken for none at all.
        let has_port = authority.as_str().len() > authority.host().len();
        if host.is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err(syntax());
        }
        let path = match uri.path_and_query() {
            Some(path) if path.as_str().starts_with('/') => path.clone(),
            Some(path) => format!("/{}", path.as_str()).parse().map_err(|_| syntax())?,
            None => PathAndQuery::from_static("/"),
        };
        let scheme = match ServerName::try_from(host.clone()) {
            _ if default_port == 80 => Scheme::Http,
            Ok(name) => Scheme::Https(name),
            Err(_) => return Err(BadUrl::Host { given: url.to_owned() }),
        };
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self { scheme, host, port, authority: authority.to_string(), path })
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host name or address, without port and brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the URL wrote them: the value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Another path on the same server.
    pub(super) fn set_path(&mut self, path: PathAndQuery) {
        self.path = path;
    }

    /// What stands in the request line.
    pub fn path(&self) -> &PathAndQuery {
        &self.path
    }

    /// Finds the address to load: the first of the host's addresses that accepts a connection.
    ///
    /// `localhost` often has two addresses of which the server listens on one; trying once up front keeps that out of the
    /// measurement. Blocks for at most `wait` per address.
    pub fn reach(&self, wait: Duration) -> Result<SocketAddr, Unreachable> {
        let resolve = |why| Unreachable::Resolve { host: self.host.clone(), why };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs().map_err(resolve)? {
            match TcpStream::connect_timeout(&address, wait) {
                Ok(_) => return Ok(address),
                Err(error) => last = error,
            }
        }
        Err(Unreachable::Connect { authority: self.authority.clone(), why: last })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.label(), self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_url_comes_apart() {
        let endpoint = Endpoint::parse("http://example.test:8080/a/b?c=d#e").unwrap();
        assert_eq!(endpoint.host(), "example.test");
        assert_eq!(endpoint.port(), 8080);
        assert_eq!(endpoint.authority(), "example.test:8080");
        assert_eq!(endpoint.path(), "/a/b?c=d");
    }

    #[test]
    fn missing_parts_have_their_defaults() {
        let endpoint = Endpoint::parse("http://example.test").unwrap();
        assert_eq!((endpoint.port(), endpoint.path().as_str()), (80, "/"));
        assert_eq!(Endpoint::parse("http://example.test?x=1").unwrap().path(), "/?x=1");
        assert_eq!(Endpoint::parse("http://[::1]:9/").unwrap().host(), "::1");
        let secure = Endpoint::parse("https://[::1]/x").unwrap();
        assert_eq!((secure.port(), secure.scheme().label()), (443, "https"));
        assert_eq!(secure.to_string(), "https://[::1]/x");
    }

    #[test]
    fn what_cannot_be_loaded_is_refused() {
        for url in ["", "localhost:8080", "/path", "ftp://x/", "http://", "http://a b/", "http://x:99999/"] {
            assert!(matches!(Endpoint::parse(url), Err(BadUrl::Syntax { .. })), "{url}");
        }
        assert!(matches!(Endpoint::parse("https://a_b!/"), Err(BadUrl::Host { .. } | BadUrl::Syntax { .. })));
        assert_eq!(Endpoint::parse("http://me:secret@x/"), Err(BadUrl::UserInfo));
    }

    #[test]
    fn a_listening_port_is_reached_and_a_closed_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::parse(&format!("http://localhost:{}/", address.port())).unwrap();
        assert_eq!(endpoint.reach(Duration::from_secs(5)).unwrap(), address);
        drop(listener);
        assert!(matches!(endpoint.reach(Duration::from_secs(5)), Err(Unreachable::Connect { .. })));
    }
}
