//! What to do about a connection that was not made because of how it is, or is not, encrypted.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use tokio_postgres::error::SqlState;

const NO_ENCRYPTION: &str = "the server takes encrypted connections alone: add sslmode=verify-full to the URL, and \
    sslrootcert=FILE with the certificate of its authority";
const NOT_OFFERED: &str =
    "the server has ssl = off; switch it on there, or take sslmode out of the URL where the way is safe";
const UNKNOWN_AUTHORITY: &str =
    "name the file with the certificate of the server's authority as sslrootcert in the URL";
const OTHER_NAME: &str = "connect to a name that the certificate has; sslmode=verify-ca does not look at names, and needs sslrootcert with the authority's file";
const NOT_NOW: &str = "the certificate's time is over or has not come: renew it, and look at the clocks";

/// What to do about an error or one of its causes; `None` when it is not about encryption.
pub fn advice(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(advice) = of_one(error) {
            return Some(advice);
        }
        cause = error.source();
    }
    None
}

fn of_one(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(refused) = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error) {
        let is_plain = *refused.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            && refused.message().contains("no encryption");
        return is_plain.then_some(NO_ENCRYPTION);
    }
    // An I/O error does not name what it carries among its causes.
    if let Some(carried) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return match carried.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(fault)) => of_certificate(fault),
            _ => None,
        };
    }
    (error.to_string() == "server does not support TLS").then_some(NOT_OFFERED)
}

const fn of_certificate(fault: &CertificateError) -> Option<&'static str> {
    match fault {
        CertificateError::UnknownIssuer => Some(UNKNOWN_AUTHORITY),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(OTHER_NAME),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Some(NOT_NOW),
        _ => None,
    }
}
