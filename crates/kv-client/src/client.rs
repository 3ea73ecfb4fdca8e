//! The client and how one is made.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{InvalidUri, Scheme};
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use crate::send::Transport;
use crate::written::Written;

/// Attempts of a call, the first included.
const ATTEMPTS: u32 = 8;
/// How long one attempt may take: longer than the service allows itself.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// Idle connections that are kept.
const IDLE_CONNECTIONS: usize = 64;

/// A client of one tenant's account. Cheap to clone; clones share their connections, and each reads what another has written.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    /// The key of the next write, when the caller chose one.
    pub(crate) key: Option<String>,
    /// The lock under which writes are done.
    pub(crate) fence: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) transport: Transport,
    /// Scheme and authority, without the slash.
    pub(crate) base: String,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) attempts: u32,
    pub(crate) attempt_timeout: Duration,
    pub(crate) written: Written,
}

/// How a client is made.
#[derive(Clone, Debug)]
pub struct Builder {
    url: String,
    token: Option<SecretString>,
    attempts: u32,
    attempt_timeout: Duration,
}

/// Why no client can be made.
#[derive(Debug, Error)]
pub enum WrongUrl {
    /// The address is none.
    #[error("{url:?} is no address of a service; use for example http://127.0.0.1:8080")]
    Address {
        /// What was given.
        url: String,
        /// Why, when it cannot even be read.
        #[source]
        source: Option<InvalidUri>,
    },
    /// The token cannot stand in a header.
    #[error("the token has characters that no token has")]
    Token,
}

impl Client {
    /// A client of the service at this address, for example `https://erp.example.com`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder { url: url.into(), token: None, attempts: ATTEMPTS, attempt_timeout: ATTEMPT_TIMEOUT }
    }

    /// The same, whose writes bear this key: to repeat a call of which nothing is known, perhaps from another process.
    #[must_use]
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// The same, whose stock writes are refused once a later holder of the lock has written.
    #[must_use]
    pub fn with_fence(&self, resource: &str, fence: i64) -> Self {
        Self { fence: Some(format!("{resource}={fence}")), ..self.clone() }
    }

    /// The same with another token.
    ///
    /// # Errors
    /// [`WrongUrl::Token`].
    pub fn with_token(&self, token: &str) -> Result<Self, WrongUrl> {
        let builder = Builder {
            url: self.shared.base.clone(),
            token: Some(token.to_owned().into()),
            attempts: self.shared.attempts,
            attempt_timeout: self.shared.attempt_timeout,
        };
        builder.build()
    }
}

impl Builder {
    /// The token of [`crate::Session`], or one that `kv-erp admin` made.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(SecretString::from(token.into()));
        self
    }

    /// How often a call is tried at most.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Makes the client. Nothing is sent.
    ///
    /// # Errors
    /// The address is none, or the token cannot be one.
    pub fn build(self) -> Result<Client, WrongUrl> {
        let wrong = |source| WrongUrl::Address { url: self.url.clone(), source };
        let uri: Uri = self.url.parse().map_err(|source| wrong(Some(source)))?;
        let is_http = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let (Some(scheme), Some(authority), true, "" | "/", None) =
            (uri.scheme_str(), uri.authority(), is_http, uri.path(), uri.query())
        else {
            return Err(wrong(None));
        };
        let authorization = self.token.as_ref().map(authorization).transpose()?;
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let pool = Pool::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS).build(connector);
        let shared = Shared {
            transport: Transport::new(pool),
            base: format!("{scheme}://{authority}"),
            authorization,
            attempts: self.attempts,
            attempt_timeout: self.attempt_timeout,
            written: Written::default(),
        };
        Ok(Client { shared: Arc::new(shared), key: None, fence: None })
    }
}

fn authorization(token: &SecretString) -> Result<HeaderValue, WrongUrl> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| WrongUrl::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_more() {
        for good in ["http://127.0.0.1:8080", "https://erp.example.com", "http://[::1]:80/"] {
            assert!(Client::builder(good).build().is_ok(), "{good}");
        }
        for bad in ["", "erp.example.com", "ftp://a", "http://", "http://a/api/v1", "http://a?b"] {
            assert!(matches!(Client::builder(bad).build(), Err(WrongUrl::Address { .. })), "{bad}");
        }
        let token = Client::builder("http://a").token("two\nlines").build();
        assert!(matches!(token, Err(WrongUrl::Token)));
    }

    #[test]
    fn a_token_is_not_shown() {
        let client = Client::builder("http://a").token("kva_secret").build().unwrap();
        assert!(!format!("{client:?}").contains("kva_secret"));
        let builder = Client::builder("http://a").token("kva_secret");
        assert!(!format!("{builder:?}").contains("kva_secret"));
    }
}
