//! Who is asking: bearer tokens, login, logout.

pub mod cache;
pub mod login;
pub mod session;
mod verified;
mod verifier;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use kv_store::access::{Account, TokenHash};

use super::ctx::Ctx;
use super::layers::refuse_announced_size;
use super::limit;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::app::App;
use crate::credentials::token::hash_of_candidate;

pub use verifier::PasswordVerifier;

/// Lets a known caller through, within its rate limit; every answer from here on carries the limit's headers.
pub(super) async fn require_caller(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let account = match authenticate(&app, request.headers()).await {
        Ok(account) => account,
        Err(problem) => return problem.into_response(),
    };
    let admission = match limit::admit(&app, &account).await {
        Ok(admission) => admission,
        Err(problem) => return problem.into_response(),
    };
    let mut response = if let Some(problem) = admission.refusal() {
        problem.into_response()
    } else if let Err(problem) = refuse_announced_size(&request) {
        problem.into_response()
    } else {
        let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(request.headers()));
        request.extensions_mut().insert(Ctx::new(account, id));
        next.run(request).await
    };
    admission.write_headers(response.headers_mut());
    response
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Arc<Account>, Problem> {
    let token = bearer(headers)?;
    let now = Instant::now();
    if let Some(account) = app.tokens().get(&token, now) {
        return Ok(account);
    }
    match app.store().find_token(&token).await? {
        Some(session) => Ok(app.tokens().insert(token, session, (now, Timestamp::now()))),
        None => Err(unknown_token()),
    }
}

/// The hash of the request's bearer token.
fn bearer(headers: &HeaderMap) -> Result<TokenHash, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(missing_token()) };
    let text = value.to_str().map_err(|_| unknown_token())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing_token)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing_token());
    }
    hash_of_candidate(token.trim()).ok_or_else(unknown_token)
}

/// 401 for a request without one bearer token.
pub(super) fn missing_token() -> Problem {
    let detail = "Send one header `Authorization: Bearer TOKEN`; POST /api/v1/auth/login gives a token.";
    Problem::new(StatusCode::UNAUTHORIZED, "token_missing", detail)
}

fn unknown_token() -> Problem {
    let detail = "The token is unknown, expired or revoked; POST /api/v1/auth/login gives a new one.";
    Problem::new(StatusCode::UNAUTHORIZED, "token_invalid", detail)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::credentials::token::{Token, TokenKind};

    fn code_of(values: &[&str]) -> Result<TokenHash, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        bearer(&headers).map_err(|problem| problem.code())
    }

    #[test]
    fn one_bearer_token_is_taken_in_any_case_of_the_scheme() {
        let token = Token::generate(TokenKind::Session);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(code_of(&[&format!("{scheme} {}", token.reveal())]), Ok(token.hash()));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let good = format!("Bearer {}", Token::generate(TokenKind::Session).reveal());
        assert_eq!(code_of(&[]), Err("token_missing"));
        assert_eq!(code_of(&["Basic dTpw"]), Err("token_missing"));
        assert_eq!(code_of(&["Bearer"]), Err("token_missing"));
        assert_eq!(code_of(&[&good, &good]), Err("token_missing"), "two tokens leave open whose request it is");
        assert_eq!(code_of(&["Bearer "]), Err("token_invalid"));
        assert_eq!(code_of(&["Bearer kvs_short"]), Err("token_invalid"));
    }
}
