//! Who is asking: bearer tokens, login, logout.

pub mod cache;
pub mod login;
pub mod password;
pub mod session;
mod verified;
mod verifier;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use kv_store::access::{Session, TokenHash};
use kv_store::audit_log::{self, Trail};
use tracing::Span;

use super::access::{self, Found, Rule};
use super::address::ClientAddress;
use super::ctx::Ctx;
use super::layers::refuse_announced_size;
use super::limit;
use super::problem::Problem;
use super::request_id::RequestId;
use crate::app::App;
use crate::credentials::token::hash_of_candidate;

pub use verifier::PasswordVerifier;

/// How old the last note of an API token's use may be before it is made anew.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// Lets a known caller through, within its rate limit and its rights; every answer from here on carries the limit's headers.
pub(super) async fn require_caller(State(app): State<App>, request: Request, next: Next) -> Response {
    let known = match authenticate(&app, request.uri(), request.headers()).await {
        Ok(known) => known,
        Err(problem) => return problem.into_response(),
    };
    Span::current().record("tenant", known.0.account.tenant.get());
    let admission = match limit::admit(&app, &known.0).await {
        Ok(admission) => admission,
        Err(problem) => return problem.into_response(),
    };
    let mut response = if let Some(problem) = admission.refusal() {
        problem.into_response()
    } else if let Err(problem) = refuse_announced_size(&request) {
        problem.into_response()
    } else {
        let id = request.extensions().get::<RequestId>().cloned().unwrap_or_else(|| RequestId::of(request.headers()));
        pass(&app, Ctx::new(known, id), request, next).await
    };
    admission.write_headers(response.headers_mut());
    response
}

/// Lets a caller do what its role and its token allow, and has it noted.
async fn pass(app: &App, mut ctx: Ctx, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let rule = match app.gate().find(request.method(), route) {
        Found::NoOperation => None,
        Found::Ruled(rule) => Some(rule),
        Found::Unruled => {
            tracing::error!(route, "an operation has no rule of access, so nobody may do it");
            return access::forbidden().into_response();
        }
    };
    let Some(rule) = rule else {
        request.extensions_mut().insert(ctx);
        return next.run(request).await;
    };
    if let Err(problem) = access::judge(rule, &ctx.session, request.method()) {
        app.audit().note(ctx.tenant, trail_of(app, &ctx, rule, &request).refused());
        return problem.into_response();
    }
    ctx.rule = Some(rule);
    let trail = (!request.method().is_safe()).then(|| trail_of(app, &ctx, rule, &request));
    request.extensions_mut().insert(ctx);
    match trail {
        Some(trail) => audit_log::follow(trail, next.run(request)).await,
        None => next.run(request).await,
    }
}

fn trail_of(app: &App, ctx: &Ctx, rule: &'static Rule, request: &Request) -> Trail {
    let ClientAddress(address) = ClientAddress::of(app, request);
    Trail::of(audit_log::Request {
        actor: Some(ctx.user),
        token: ctx.session.grant.api_token,
        operation: rule.operation,
        object_type: rule.object,
        id: Some(ctx.request_id.as_str().to_owned()),
        address: Some(address.to_string()),
    })
}

async fn authenticate(app: &App, uri: &Uri, headers: &HeaderMap) -> Result<(Arc<Session>, TokenHash), Problem> {
    refuse_token_in_address(uri)?;
    let token = bearer(headers)?;
    Ok((look_up(app, &token).await?, token))
}

/// The session of a token, of a tenant that is not suspended.
async fn look_up(app: &App, token: &TokenHash) -> Result<Arc<Session>, Problem> {
    // Before the database is asked: what it says is as old as the question.
    let now = Instant::now();
    let session = if let Some(session) = app.tokens().get(token, now) {
        session
    } else {
        let found = app.store().find_token(token).await?.ok_or_else(unknown_token)?;
        note_use(app, &found);
        app.tokens().insert(*token, found, (now, Timestamp::now()))
    };
    if session.account.is_suspended { Err(access::suspended()) } else { Ok(session) }
}

/// Has the use of an API token noted, at most every five minutes.
fn note_use(app: &App, session: &Session) {
    let Some(token) = session.grant.api_token else { return };
    let is_recent = session.grant.last_used_at.is_some_and(|at| Timestamp::now().duration_since(at) < USE_NOTED_EVERY);
    if !is_recent {
        app.audit().note_use(session.account.tenant, token);
    }
}

/// Whether a caller may still do what it was let in for: for requests that last. It costs a question every few seconds.
///
/// # Errors
/// What a new request with the same token would be told.
pub(super) async fn confirm(app: &App, ctx: &Ctx, method: &Method) -> Result<(), Problem> {
    let session = look_up(app, &ctx.token).await?;
    ctx.rule.map_or(Ok(()), |rule| access::judge(rule, &session, method))
}

/// A token in an address stands in every log on the way.
fn refuse_token_in_address(uri: &Uri) -> Result<(), Problem> {
    let mut parts = uri.query().unwrap_or_default().split('&').filter_map(|part| part.split_once('='));
    if parts.any(|(name, value)| name.eq_ignore_ascii_case("access_token") || hash_of_candidate(value).is_some()) {
        let detail = "Tokens do not belong into an address, where logs keep them: send it as `Authorization: Bearer TOKEN`, and \
                      revoke this one.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "token_in_address", detail));
    }
    Ok(())
}

/// The hash of the request's bearer token.
fn bearer(headers: &HeaderMap) -> Result<TokenHash, Problem> {
    hash_of_candidate(bearer_text(headers)?).ok_or_else(unknown_token)
}

/// The request's one bearer token.
pub(super) fn bearer_text(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return Err(missing_token()) };
    let text = value.to_str().map_err(|_| unknown_token())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing_token)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing_token()) }
}

/// 401 for a request without one bearer token.
pub(super) fn missing_token() -> Problem {
    let detail = "Send one header `Authorization: Bearer TOKEN`; POST /api/v1/auth/login gives a token.";
    Problem::new(StatusCode::UNAUTHORIZED, "token_missing", detail)
}

pub(super) fn unknown_token() -> Problem {
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
        assert_eq!(code_of(&[&format!("Bearer kvs_{}", "A".repeat(1_000_000))]), Err("token_invalid"));
    }

    #[test]
    fn a_token_in_an_address_is_refused() {
        let token = Token::generate(TokenKind::Api);
        let code = |uri: &str| refuse_token_in_address(&uri.parse().unwrap()).map_err(|problem| problem.code());
        for query in [format!("x={}", token.reveal()), "access_token=1".to_owned(), "a=b&Access_Token=".to_owned()] {
            assert_eq!(code(&format!("/orders?{query}")), Err("token_in_address"), "{query}");
        }
        for fine in ["/orders", "/orders?q=kva_", "/orders?token=x", "/orders?="] {
            assert_eq!(code(fine), Ok(()), "{fine}");
        }
    }
}
