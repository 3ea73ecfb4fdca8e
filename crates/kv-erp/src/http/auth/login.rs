//! `POST /auth/login`: from an e-mail address and a password to a token.
//!
//! Invariants: what the answer is and how long it takes does not tell whether an address exists; only failures count against an
//! account and an address, so a hundred users behind one account come in; when failures cannot be counted nobody comes in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use kv_coord::rate_limit::{Decision, LimitKey, Policy};
use kv_store::access::Login;
use serde::Serialize;
use sha2::Sha256;
use utoipa::ToSchema;

use super::session::UserView;
use super::verifier::QueueFull;
use crate::app::App;
use crate::credentials::password::{self, Verdict};
use crate::credentials::token::{Token, TokenKind};
use crate::http::fields::Refused;
use crate::http::json::JsonBody;
use crate::http::limit::policy;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::values;

/// Failed logins per account and minute.
const FAILURES_PER_ACCOUNT: u32 = 5;
/// Failed logins per address and minute: a whole office may sit behind one.
const FAILURES_PER_ADDRESS: u32 = 20;
/// How long a session lasts.
const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Who wants in.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct LoginRequest {
    /// The account's address, in any case of letters.
    #[schema(example = "test@example.com")]
    email: String,
    /// The account's password.
    #[schema(format = Password, max_length = 1024, example = "password")]
    password: String,
}

/// A new session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoginView {
    /// To be sent as `Authorization: Bearer TOKEN`.
    token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// When the token ends by itself.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Whose it is.
    user: UserView,
}

/// The address that failures are counted under.
pub(crate) struct ClientAddress(IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
        let forwarded = forwarded_for(&parts.headers, app.settings().trusted_proxies);
        // Without a connection there is nobody to tell apart; that is the case in tests of the bare router only.
        Ok(Self(forwarded.or(peer).unwrap_or(IpAddr::from([127, 0, 0, 1]))))
    }
}

/// The address that the outermost trusted proxy saw. Entries left of it were written by the client and prove nothing.
fn forwarded_for(headers: &HeaderMap, trusted_proxies: u32) -> Option<IpAddr> {
    let from_right = usize::try_from(trusted_proxies).ok()?.checked_sub(1)?;
    let values: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    values.iter().rev().flat_map(|value| value.rsplit(',')).nth(from_right)?.trim().parse().ok()
}

/// Logs in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest, responses(
    (status = 200, description = "A new session.", body = LoginView),
    (status = 400, description = "The body is no JSON.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 401, description = "`invalid_credentials`.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`validation_failed`.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "`login_throttled`: too many failed logins.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 503, description = "`unavailable` or `overloaded`.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn login(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    body: JsonBody,
) -> Result<Json<LoginView>, Problem> {
    let (email, password) = body.read(|fields| {
        let email = fields.required("email", values::line(values::EMAIL_MAX));
        let password = fields.required("password", password_value);
        email.zip(password)
    })?;
    let attempt = Attempt { email: &email, password: &password, address };
    let policies = failure_policies(attempt);
    // Before anything else, so that a throttled client costs neither a query nor a place in the queue.
    refuse_throttled(&app.login_failures().peek(&policies).await?)?;
    let known = app.store().find_login(&email).await?;
    let login = check(&app, attempt, &policies, known).await?;
    let token = Token::generate(TokenKind::Session);
    let expires_at = Timestamp::now() + SESSION_LIFE;
    app.store().insert_session(login.account.tenant, login.account.user, &token.hash(), expires_at).await?;
    let user = UserView::of(&login.account);
    Ok(Json(LoginView { token: token.reveal().to_owned(), token_type: "Bearer", expires_at, user }))
}

fn password_value(value: serde_json::Value) -> Result<String, Refused> {
    match value {
        serde_json::Value::String(text) if text.len() <= password::MAX_BYTES => Ok(text),
        serde_json::Value::String(_) => Err(("too_long", format!("must have {} bytes at most", password::MAX_BYTES))),
        _ => Err(("wrong_type", "must be a string".to_owned())),
    }
}

#[derive(Clone, Copy)]
struct Attempt<'a> {
    email: &'a str,
    password: &'a str,
    address: IpAddr,
}

/// Checks a password, and counts it when it is wrong.
///
/// Everything that tells right from wrong happens with a turn in hand and after a look at the counters, the quick check against
/// recent logins too: otherwise a flood of guesses at once could try more passwords than the counters allow.
async fn check(app: &App, attempt: Attempt<'_>, policies: &[Policy], login: Option<Login>) -> Result<Login, Problem> {
    let turn =
        app.passwords().turn().await.map_err(|QueueFull| {
            Problem::unavailable("overloaded", "Too many logins at once.", Duration::from_secs(2))
        })?;
    refuse_throttled(&app.login_failures().peek(policies).await?)?;
    let verdict = app.passwords().check(&turn, login.as_ref(), attempt.password).await;
    if let (Verdict::Right, Some(login)) = (verdict, login) {
        return Ok(login);
    }
    app.login_failures().penalise(policies).await?;
    Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "The e-mail address or the password is wrong."))
}

fn refuse_throttled(decision: &Decision) -> Result<(), Problem> {
    let Some(wait) = decision.retry_after() else { return Ok(()) };
    let detail = "Too many failed logins; see Retry-After.";
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "login_throttled", detail).retry_after(wait))
}

fn failure_policies(attempt: Attempt<'_>) -> [Policy; 2] {
    // A fixed key: replicas must agree on the digest, and its purpose is only to keep addresses out of Redis's key names.
    let mut mac = Hmac::<Sha256>::new_from_slice(b"kv-erp login account").expect("HMAC takes a key of any length");
    mac.update(attempt.email.to_lowercase().as_bytes());
    let account = LimitKey::login_account(&mac.finalize().into_bytes()[..16]);
    [
        policy("account", account, FAILURES_PER_ACCOUNT),
        policy("address", LimitKey::login_address(attempt.address), FAILURES_PER_ADDRESS),
    ]
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| ("x-forwarded-for".parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_as_many_forwarded_entries_as_there_are_proxies_are_believed() {
        let two = headers(&["6.6.6.6, 1.2.3.4", "10.0.0.1"]);
        assert_eq!(forwarded_for(&two, 0), None);
        assert_eq!(forwarded_for(&two, 1), Some([10, 0, 0, 1].into()));
        assert_eq!(forwarded_for(&two, 2), Some([1, 2, 3, 4].into()));
        assert_eq!(forwarded_for(&headers(&["nonsense"]), 1), None);
        assert_eq!(forwarded_for(&headers(&[]), 1), None);
    }

    #[test]
    fn the_same_account_in_other_letters_has_one_counter() {
        let attempt = |email| Attempt { email, password: "x", address: [127, 0, 0, 1].into() };
        assert_eq!(failure_policies(attempt("A@b.c")), failure_policies(attempt("a@B.C")));
        assert_ne!(failure_policies(attempt("a@b.c")), failure_policies(attempt("b@b.c")));
    }
}
