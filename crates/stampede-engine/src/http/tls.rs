//! How far a server's certificate is trusted, and what a TLS session starts from.
//!
//! Invariants: everything that can be wrong with the caller's choices is refused here, before anything is sent; all
//! connections of a run share one configuration, which is where sessions are resumed from.
//! Absent on purpose: client certificates, and the machine's certificate store, which would make a run depend on the machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption as Sessions;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;

/// Whose signature makes a certificate good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that browsers trust.
    #[default]
    WebRoots,
    /// The certificates of a PEM file and nobody else.
    File(PathBuf),
    /// Anybody's: no certificate is refused, and the server may be anyone.
    Anyone,
}

/// Whether a new connection may continue the session of an earlier one, which spares the server's signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resumption {
    /// It may, as a browser does.
    #[default]
    On,
    /// Every connection makes a full handshake.
    Off,
}

/// What is offered to the server to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    Http1,
    H2,
}

/// The choices of one run, checked.
#[derive(Clone)]
pub struct TlsSettings {
    trust: Trust,
    resumption: Resumption,
    http1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

/// Trust that cannot be had.
#[derive(Debug, Error)]
pub enum BadTls {
    /// The file.
    #[error("cannot read certificates from {}: {source}; it must be a PEM file", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file without one.
    #[error("{} holds no certificate: it must be a PEM file with at least one `BEGIN CERTIFICATE`", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// One that cannot sign.
    #[error("{} holds a certificate that cannot be trusted: {source}", path.display())]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl TlsSettings {
    /// Reads what `trust` names.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn new(trust: Trust, resumption: Resumption) -> Result<Self, BadTls> {
        let roots = match &trust {
            Trust::WebRoots => Some(web_roots()),
            Trust::File(path) => Some(read_roots(path)?),
            Trust::Anyone => None,
        };
        let roots = roots.map(Arc::new);
        let config = |alpn: &[u8]| Arc::new(config(roots.clone(), resumption, alpn));
        Ok(Self { http1: config(b"http/1.1"), h2: config(b"h2"), trust, resumption })
    }

    /// Whose signature makes a certificate good.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether sessions are resumed.
    pub fn resumption(&self) -> Resumption {
        self.resumption
    }

    pub(super) fn config(&self, alpn: Alpn) -> Arc<ClientConfig> {
        match alpn {
            Alpn::Http1 => Arc::clone(&self.http1),
            Alpn::H2 => Arc::clone(&self.h2),
        }
    }
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self::new(Trust::WebRoots, Resumption::On).expect("the web's roots are compiled in: nothing is read")
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("trust", &self.trust)
            .field("resumption", &self.resumption)
            .finish_non_exhaustive()
    }
}

fn config(roots: Option<Arc<RootCertStore>>, resumption: Resumption, alpn: &[u8]) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3");
    let mut config = match roots {
        Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        None => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyoneIsFine(provider))).with_no_client_auth()
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    if resumption == Resumption::Off {
        config.resumption = Sessions::disabled();
    }
    config
}

fn web_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

fn read_roots(path: &Path) -> Result<RootCertStore, BadTls> {
    let unreadable = |source| BadTls::File { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let added = roots.add(certificate.map_err(unreadable)?);
        added.map_err(|source| BadTls::Certificate { path: path.to_owned(), source })?;
    }
    if roots.is_empty() { Err(BadTls::NoCertificate { path: path.to_owned() }) } else { Ok(roots) }
}

/// Accepts every certificate; signatures are still checked, so that a broken server is not taken for a working one.
#[derive(Debug)]
struct AnyoneIsFine(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyoneIsFine {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn refused(path: &Path) -> BadTls {
        TlsSettings::new(Trust::File(path.to_owned()), Resumption::On).unwrap_err()
    }

    #[test]
    fn a_file_that_gives_no_trust_is_refused_by_name() {
        let absent = refused(Path::new("/nowhere/ca.pem"));
        assert!(absent.to_string().contains("/nowhere/ca.pem"), "{absent}");
        assert!(matches!(refused(file("no certificate").path()), BadTls::NoCertificate { .. }));
        let broken = "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n";
        assert!(matches!(refused(file(broken).path()), BadTls::Certificate { .. }));
    }

    #[test]
    fn a_file_with_a_certificate_is_trusted() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let path = file(&made.cert.pem());
        let settings = TlsSettings::new(Trust::File(path.path().to_owned()), Resumption::Off).unwrap();
        assert_eq!(settings.config(Alpn::H2).alpn_protocols, [b"h2".to_vec()]);
    }
}
