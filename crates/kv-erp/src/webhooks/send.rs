//! One request to one endpoint.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::uri::Scheme;
use axum::http::{Method, Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::is_public;

/// How long an attempt may take from its beginning to the end of the answer.
pub const TOTAL: Duration = Duration::from_secs(15);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Names that are being resolved at a time.
const LOOKUPS_MAX: usize = 32;
/// How much of an answer is read.
const ANSWER_READ: usize = 64 * 1024;
/// How much of it is kept, in bytes.
const ANSWER_KEPT: usize = 512;
/// How large an answer's head may be.
const HEAD_MAX: usize = 32 * 1024;
/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Which addresses may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// All, for receivers in one's own network and for tests.
    Anywhere,
}

/// Why an attempt was not answered.
#[derive(Debug, Error)]
pub enum SendError {
    /// The address of the endpoint cannot be used.
    #[error("the URL cannot be used: {0}")]
    Url(&'static str),
    /// Nothing is sent there.
    ///
    /// Tenants read this: it must not tell them which names are known inside, and where they lead.
    #[error("{host} has no public address; nothing is sent there")]
    NotPublic {
        /// The URL's host.
        host: String,
        /// What it resolved to, or is; nothing when the name is not known.
        address: Option<IpAddr>,
    },
    /// No connection.
    #[error("no connection to {address}: {cause}")]
    Unreachable {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: String,
    },
    /// The connection failed under way.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// It took too long.
    #[error("there was no whole answer within {} s", TOTAL.as_secs())]
    Late,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The beginning of its body.
    pub body: String,
}

/// Sends requests.
#[derive(Clone)]
pub struct Sender {
    reach: Reach,
    tls: TlsConnector,
    lookups: Arc<Semaphore>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("reach", &self.reach).finish_non_exhaustive()
    }
}

/// Reads an endpoint's URL: http or https, with a host and without a login.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(raw: &str) -> Result<Uri, &'static str> {
    let uri: Uri = raw.parse().map_err(|_| "it is no URL")?;
    if uri.scheme() != Some(&Scheme::HTTPS) && uri.scheme() != Some(&Scheme::HTTP) {
        return Err("it must begin with https:// or http://");
    }
    let authority = uri.authority().ok_or("it names no host")?;
    if authority.as_str().contains('@') {
        return Err("it must hold no login");
    }
    if authority.host().is_empty() || uri.port_u16() == Some(0) {
        return Err("it names no host or no port");
    }
    Ok(uri)
}

impl Sender {
    /// A sender that reaches so far.
    pub fn new(reach: Reach) -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks the versions that this library takes for safe")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { reach, tls: TlsConnector::from(Arc::new(config)), lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }

    /// Posts a body once and reads the beginning of the answer. Redirects are answers like others.
    ///
    /// # Errors
    /// [`SendError`]; whether the endpoint has got the body is known only when there is an answer.
    /// # Cancel safety
    /// The connection is closed.
    pub async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Bytes) -> Result<Answer, SendError> {
        timeout(TOTAL, self.try_post(url, headers, body)).await.unwrap_or(Err(SendError::Late))
    }

    async fn try_post(&self, url: &str, headers: &[(&'static str, String)], body: Bytes) -> Result<Answer, SendError> {
        let uri = check_url(url).map_err(SendError::Url)?;
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let authority = uri.authority().cloned().ok_or(SendError::Url("it names no host"))?;
        // An IPv6 address stands in brackets.
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = self.connect(&host, port).await?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, authority.as_str())
            .header(USER_AGENT, concat!("kv-erp/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request =
            request.body(Full::new(body)).map_err(|_| SendError::Url("it holds signs that no request may"))?;
        if !is_tls {
            return exchange(TokioIo::new(stream), request).await;
        }
        let name = ServerName::try_from(host).map_err(|_| SendError::Url("its host is no name"))?;
        let secured = self.tls.connect(name, stream).await.map_err(|error| SendError::Broken(error.to_string()))?;
        exchange(TokioIo::new(secured), request).await
    }

    /// Connects to an address of the host that may be reached. What is judged is what is connected to: a name is resolved once.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, SendError> {
        let addresses: Vec<SocketAddr> = if let Ok(address) = host.parse::<IpAddr>() {
            vec![SocketAddr::new(address, port)]
        } else {
            self.resolve(host, port).await
        };
        // One that is private says what kind of name this is; the others are not tried either.
        if let Some(address) = addresses.iter().map(SocketAddr::ip).find(|address| !self.may_reach(*address)) {
            tracing::info!(host, %address, "an endpoint's name leads to no public address");
            return Err(SendError::NotPublic { host: host.to_owned(), address: Some(address) });
        }
        let mut last = SendError::NotPublic { host: host.to_owned(), address: None };
        for address in addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true).ok();
                    return Ok(stream);
                }
                Ok(Err(error)) => last = SendError::Unreachable { address, cause: error.to_string() },
                Err(_) => last = SendError::Unreachable { address, cause: "it took too long".to_owned() },
            }
        }
        Err(last)
    }

    /// The addresses of a name; none when it is not known, or not in time. The system's resolver goes on when nobody waits any more,
    /// on a thread that others need, so those are few.
    async fn resolve(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let (host, lookups) = (host.to_owned(), Arc::clone(&self.lookups));
        let found = async {
            let permit = lookups.acquire_owned().await.ok()?;
            let lookup = tokio::spawn(async move {
                let found = lookup_host((host.as_str(), port)).await;
                drop(permit);
                found.map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>())
            });
            lookup.await.ok()?.ok()
        };
        timeout(CONNECT, found).await.ok().flatten().unwrap_or_default()
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        self.reach == Reach::Anywhere || is_public(address)
    }
}

async fn exchange<S: Read + Write + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Answer, SendError> {
    let broken = |error: hyper::Error| SendError::Broken(error.to_string());
    let handshake = http1::Builder::new().max_buf_size(HEAD_MAX).handshake(stream);
    let (mut sender, connection) = handshake.await.map_err(broken)?;
    let asking = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let body = read_beginning(response.into_body()).await?;
        Ok(Answer { status, body })
    };
    let mut asking = pin!(asking);
    // The connection ends with the exchange, or with its caller. A server that closes behind its answer ends it before the answer
    // is read: what has come is there all the same, and without it the asking fails by itself.
    tokio::select! {
        answer = &mut asking => answer,
        _ended = connection => asking.await,
    }
}

/// Reads a bounded part of a body and keeps the beginning.
async fn read_beginning(mut body: Incoming) -> Result<String, SendError> {
    let (mut kept, mut read) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| SendError::Broken(error.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        kept.extend_from_slice(&data[..data.len().min(ANSWER_KEPT - kept.len())]);
        read += data.len();
        if read >= ANSWER_READ {
            break;
        }
    }
    // A NUL is no text for the database.
    let text = String::from_utf8_lossy(&kept).replace('\0', "\u{fffd}");
    Ok(text[..text.floor_char_boundary(ANSWER_KEPT)].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked() {
        for url in ["https://example.com", "http://example.com:8080/a?b=c", "https://[2606:4700::1111]/x"] {
            assert!(check_url(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "example.com",
            "/x",
            "ftp://example.com",
            "https://",
            "https://a:b@example.com",
            "https://x y",
            "https://example.com:0/",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_into_the_house() {
        let sender = Sender::new(Reach::Public);
        for url in [
            "http://127.0.0.1:9/",
            "http://[::1]:9/",
            "http://localhost:9/",
            "http://169.254.169.254/latest",
            "http://[::ffff:10.0.0.1]/",
            "http://0/",
            "http://2130706433/",
        ] {
            let refused = sender.post(url, &[], Bytes::new()).await.unwrap_err();
            assert!(matches!(refused, SendError::NotPublic { .. }), "{url}: {refused}");
        }
    }

    /// Answers once with some bytes and closes.
    async fn answering(bytes: &'static [u8]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            assert!(tokio::io::AsyncReadExt::read(&mut stream, &mut request).await.unwrap() > 0);
            tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
        });
        url
    }

    #[tokio::test]
    async fn a_server_that_closes_behind_its_answer_has_answered() {
        let sender = Sender::new(Reach::Anywhere);
        for _ in 0..50 {
            let url = answering(b"HTTP/1.0 204 No Content\r\nServer: BaseHTTP\r\n\r\n").await;
            let answer = sender.post(&url, &[], Bytes::from_static(b"{}")).await.unwrap();
            assert_eq!(answer, Answer { status: 204, body: String::new() });
            let url = answering(b"HTTP/1.0 500 Oops\r\n\r\nto the end").await;
            let answer = sender.post(&url, &[], Bytes::new()).await.unwrap();
            assert_eq!(answer, Answer { status: 500, body: "to the end".to_owned() });
        }
    }

    #[tokio::test]
    async fn half_an_answer_is_none_and_of_a_long_one_the_beginning_is_kept() {
        let sender = Sender::new(Reach::Anywhere);
        for half in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-Le",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            b"nothing of HTTP",
        ] {
            let refused = sender.post(&answering(half).await, &[], Bytes::new()).await.unwrap_err();
            assert!(matches!(refused, SendError::Broken(_)), "{refused}");
        }
        let long: &'static [u8] = [&b"HTTP/1.0 200 OK\r\n\r\n"[..], &vec![b'x'; 100_000]].concat().leak();
        let answer = sender.post(&answering(long).await, &[], Bytes::new()).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_KEPT));
    }
}
