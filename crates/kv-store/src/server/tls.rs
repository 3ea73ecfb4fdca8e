//! TLS under the driver: rustls with the provider that all of this program's connections have.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::BadServer;
use super::verify;

/// What a server that asks for it by ALPN wants to hear.
const PROTOCOL: &[u8] = b"postgresql";

/// How connections are encrypted, or that they are not. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls(Option<Arc<ClientConfig>>);

/// What is believed of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whoever answers: the connection is kept from those who only listen.
    Anybody,
    /// Whoever has a certificate of the authority.
    Authority,
    /// Whoever has one of the authority, for the name that was connected to.
    AuthorityAndName,
}

/// The files that were named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files<'a> {
    pub(super) root: Option<&'a str>,
    pub(super) certificate: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

impl Tls {
    /// No encryption.
    pub(super) const OFF: Self = Self(None);

    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn on(trust: Trust, files: &Files<'_>) -> Result<Self, BadServer> {
        let unusable = |error: &dyn std::error::Error| BadServer::Unusable(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?;
        let builder = match trust {
            Trust::AuthorityAndName => builder.with_root_certificates(roots(files)?),
            Trust::Authority => {
                let verifier = verify::authority_alone(roots(files)?, &provider).map_err(|error| unusable(&error))?;
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
            Trust::Anybody => builder.dangerous().with_custom_certificate_verifier(verify::anybody(&provider)),
        };
        let mut config = match (files.certificate, files.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates("sslcert", certificate)?;
                builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| unusable(&error))?
            }
            (Some(_), None) => return Err(BadServer::Half { missing: "sslkey" }),
            (None, Some(_)) => return Err(BadServer::Half { missing: "sslcert" }),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self(Some(Arc::new(config))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "on" } else { "off" })
    }
}

/// The authorities of the file, or those of the web, which the program carries.
fn roots(files: &Files<'_>) -> Result<RootCertStore, BadServer> {
    let Some(path) = files.root.filter(|path| *path != "system") else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("sslrootcert", path)? {
        roots.add(certificate).map_err(|error| BadServer::Unusable(format!("{path}: {error}")))?;
    }
    Ok(roots)
}

fn certificates(word: &'static str, path: &str) -> Result<Vec<CertificateDer<'static>>, BadServer> {
    let text = std::fs::read(path).map_err(|source| BadServer::File { word, path: path.to_owned(), source })?;
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let read = read.ok().filter(|read| !read.is_empty());
    read.ok_or_else(|| BadServer::Content { word, path: path.to_owned(), what: "certificate" })
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, BadServer> {
    let word = "sslkey";
    let text = std::fs::read(path).map_err(|source| BadServer::File { word, path: path.to_owned(), source })?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| BadServer::Content {
        word,
        path: path.to_owned(),
        what: "private key without a passphrase",
    })
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        Ok(Handshake { config: self.0.clone(), name: domain.to_owned() })
    }
}

/// A handshake that is to be made with a server of this name.
#[derive(Debug)]
pub(crate) struct Handshake {
    config: Option<Arc<ClientConfig>>,
    name: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or_else(|| io::Error::other("encryption was not asked for"))?;
            let name = ServerName::try_from(self.name).map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            Ok(Encrypted(Box::new(stream)))
        })
    }
}

/// An encrypted connection.
#[derive(Debug)]
pub struct Encrypted(Box<tokio_rustls::client::TlsStream<Socket>>);

/// Absent on purpose: channel binding. The server's certificate is what is checked.
impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }
}
