//! `POST /auth/login`: from an e-mail address and a password to a token.
//!
//! Invariants: what the answer is and how long it takes does not tell whether an address exists; only failures count against an
//! account and an address, so a hundred users behind one account come in; when failures cannot be counted nobody comes in.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use kv_coord::rate_limit::{Decision, LimitKey, Policy};
use kv_store::access::{Account, Login, email_key};
use kv_store::audit_log::{self, Trail};
use kv_types::{TenantId, UserId};
use serde::Serialize;
use sha2::Sha256;
use utoipa::ToSchema;

use super::session::UserView;
use super::verifier::QueueFull;
use crate::app::App;
use crate::credentials::password::{self, Verdict};
use crate::credentials::token::{Token, TokenKind};
use crate::http::access;
use crate::http::address::ClientAddress;
use crate::http::fields::Refused;
use crate::http::json::JsonBody;
use crate::http::limit::policy;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::request_id::RequestId;
use crate::http::values;

/// Failed logins per account and minute.
const FAILURES_PER_ACCOUNT: u32 = 5;
/// Failed logins per address and minute: a whole office may sit behind one.
const FAILURES_PER_ADDRESS: u32 = 20;
/// Failed logins per account and hour: who goes on at the pace of the limit by the minute is shut out after some minutes, for the rest
/// of the hour.
const LASTING_FAILURES_PER_ACCOUNT: u32 = 20;
/// The same per address.
const LASTING_FAILURES_PER_ADDRESS: u32 = 200;
const LOCK_OUT: Duration = Duration::from_hours(1);
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

/// Logs in.
#[utoipa::path(post, path = "/auth/login", tag = "auth", security(()), request_body = LoginRequest, responses(
    (status = 200, description = "A new session.", body = LoginView),
    (status = 400, description = "The body is no JSON.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 403, description = "`tenant_suspended`.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 401, description = "`invalid_credentials`.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`validation_failed`.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "`login_throttled`: too many failed logins.", body = ProblemBody, content_type = "application/problem+json"),
    (status = 503, description = "`unavailable` or `overloaded`.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn login(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    Extension(id): Extension<RequestId>,
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
    let whose = known.as_ref().map(|login| (login.account.tenant, login.account.user));
    let request = audit_log::Request {
        actor: None,
        token: None,
        operation: "login",
        object_type: "user",
        id: Some(id.as_str().to_owned()),
        address: Some(address.to_string()),
    };
    let login = match check(&app, attempt, &policies, known).await {
        Ok(login) => login,
        Err(problem) => {
            note_failure(&app, request, (whose, &problem));
            return Err(problem);
        }
    };
    let Account { tenant, user, is_suspended, .. } = login.account;
    let trail = Trail::of(audit_log::Request { actor: Some(user), ..request });
    if is_suspended {
        app.audit().note(tenant, trail.about(user).refused());
        return Err(access::suspended());
    }
    let token = Token::generate(TokenKind::Session);
    let expires_at = Timestamp::now() + SESSION_LIFE;
    audit_log::follow(trail, app.store().insert_session(tenant, user, &token.hash(), expires_at)).await?;
    let user = UserView::of(&login.account);
    Ok(Json(LoginView { token: token.reveal().to_owned(), token_type: "Bearer", expires_at, user }))
}

/// A wrong password is noted for the tenant whose account it was tried on. Of what is no account the log of the service tells.
fn note_failure(app: &App, request: audit_log::Request, (whose, problem): (Option<(TenantId, UserId)>, &Problem)) {
    if problem.status() != StatusCode::UNAUTHORIZED {
        return;
    }
    if let Some((tenant, user)) = whose {
        app.audit().note(tenant, Trail::of(request).about(user).refused());
    } else {
        tracing::info!(address = request.address, "somebody tried to log in to no account");
    }
}

pub(super) fn password_value(value: serde_json::Value) -> Result<String, Refused> {
    match value {
        serde_json::Value::String(text) if text.len() <= password::MAX_BYTES => Ok(text),
        serde_json::Value::String(_) => Err(("too_long", format!("must have {} bytes at most", password::MAX_BYTES))),
        _ => Err(("wrong_type", "must be a string".to_owned())),
    }
}

/// A password that is tried.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// On the account with this address.
    pub(super) email: &'a str,
    pub(super) password: &'a str,
    /// From here.
    pub(super) address: IpAddr,
}

/// Checks a password, and counts it when it is wrong.
///
/// Everything that tells right from wrong happens with a turn in hand and after a look at the counters, the quick check against
/// recent logins too: otherwise a flood of guesses at once could try more passwords than the counters allow.
pub(super) async fn check(
    app: &App,
    attempt: Attempt<'_>,
    policies: &[Policy],
    login: Option<Login>,
) -> Result<Login, Problem> {
    let turn = app.passwords().turn().await.map_err(|QueueFull| too_many_at_once())?;
    refuse_throttled(&app.login_failures().peek(policies).await?)?;
    let verdict = app.passwords().check(&turn, login.as_ref(), attempt.password).await;
    if let (Verdict::Right, Some(login)) = (verdict, login) {
        return Ok(login);
    }
    app.login_failures().penalise(policies).await?;
    Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "The e-mail address or the password is wrong."))
}

pub(super) fn too_many_at_once() -> Problem {
    Problem::unavailable("overloaded", "Too many logins at once.", Duration::from_secs(2))
}

pub(in crate::http) fn refuse_throttled(decision: &Decision) -> Result<(), Problem> {
    let Some(wait) = decision.retry_after() else { return Ok(()) };
    let detail = "Too many failed logins; see Retry-After.";
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "login_throttled", detail).retry_after(wait))
}

pub(super) fn failure_policies(attempt: Attempt<'_>) -> [Policy; 4] {
    // A fixed key: replicas must agree on the digest, and its purpose is only to keep addresses out of Redis's key names.
    let mut mac = Hmac::<Sha256>::new_from_slice(b"kv-erp login account").expect("HMAC takes a key of any length");
    mac.update(email_key(attempt.email).as_bytes());
    let account = LimitKey::login_account(&mac.finalize().into_bytes()[..16]);
    let address = LimitKey::login_address(attempt.address);
    let lasting = |name, key: &LimitKey, failures| {
        Policy::new(name, key.lasting(), failures, LOCK_OUT).expect("the limit is at least 1 and the window an hour")
    };
    [
        lasting("account-lasting", &account, LASTING_FAILURES_PER_ACCOUNT),
        lasting("address-lasting", &address, LASTING_FAILURES_PER_ADDRESS),
        policy("account", account, FAILURES_PER_ACCOUNT),
        policy("address", address, FAILURES_PER_ADDRESS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_account_in_other_letters_has_one_counter() {
        let attempt = |email| Attempt { email, password: "x", address: [127, 0, 0, 1].into() };
        assert_eq!(failure_policies(attempt("A@b.c")), failure_policies(attempt("a@B.C")));
        assert_ne!(failure_policies(attempt("a@b.c")), failure_policies(attempt("b@b.c")));
    }
}
