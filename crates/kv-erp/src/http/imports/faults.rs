//! Why an upload is refused, as a [`Problem`].

use std::time::Duration;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use kv_store::imports::{ImportError, LEASE};

use crate::http::problem::{FieldFault, Problem};

/// The tenant has as many under way as it may.
pub(super) fn crowded() -> Problem {
    let detail = "As many files of the tenant are taken in as may at a time.";
    Problem::unavailable("overloaded", detail, Duration::from_secs(1))
}

/// 415 for what does not say that it is CSV as it is.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_csv = given.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/csv"));
    if is_csv && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let detail = "Send the file as it is, with the header Content-Type: text/csv.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

/// 422: the header line is not that of the import's kind.
pub(super) fn wrong_header(errors: Vec<FieldFault>) -> Problem {
    let detail = "The header line is not that of this kind of import; nothing was written.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_header", detail).with_errors(errors)
}

/// 408: nothing came for too long.
pub(super) fn idle() -> Problem {
    let detail = "Nothing of the file came for too long; send it again, what is done is skipped.";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "upload_idle", detail).retryable()
}

/// 400: the connection broke within the file.
pub(super) fn incomplete() -> Problem {
    let detail = "The body could not be read to its end; send the file again, what is done is skipped.";
    Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", detail).retryable()
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        let conflict = |code, detail: &'static str| Self::new(StatusCode::CONFLICT, code, detail);
        match error {
            ImportError::Busy => {
                let detail = "Another upload of this import is under way, or ended without a word a moment ago.";
                conflict("import_busy", detail).retry_after(LEASE.max(Duration::from_secs(1)))
            }
            ImportError::Failed { reason } => {
                conflict("import_failed", "The import was given up; see reason.").with("reason", reason)
            }
            ImportError::Stale => {
                let detail = "The import did not come forward for twelve hours, so it cannot be taken up any more.";
                conflict("import_expired", detail)
            }
            ImportError::NotFound => Self::not_found("import"),
            ImportError::Differs => {
                conflict("import_content_differs", "This is not the file of which the first part was imported.")
            }
            ImportError::Store(error) => error.into(),
        }
    }
}
