//! `POST /auth/password`: an account chooses another password.

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use utoipa::ToSchema;

use super::login::{Attempt, check, failure_policies, password_value, refuse_throttled};
use super::verifier::QueueFull;
use crate::app::App;
use crate::credentials::password;
use crate::http::address::ClientAddress;
use crate::http::answers::CreateErrors;
use crate::http::ctx::Ctx;
use crate::http::faults;
use crate::http::fields::Refused;
use crate::http::json::JsonBody;
use crate::http::problem::{FieldFault, Problem};

/// The shortest password that may be chosen. Longer is better than odder.
const MIN_CHARACTERS: usize = 10;
/// The longest one: of any characters it fits into what may be hashed.
const MAX_CHARACTERS: usize = 128;
const _: () = assert!(MAX_CHARACTERS * 4 <= password::MAX_BYTES);

/// Another password.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct PasswordChange {
    /// The account's password so far.
    #[schema(format = Password, max_length = 1024, example = "password")]
    password: String,
    /// The one from now on.
    #[schema(format = Password, min_length = 10, max_length = 128, example = "correct horse battery")]
    new_password: String,
}

/// A password that is chosen.
pub(crate) fn new_password(value: Value) -> Result<String, Refused> {
    let text = password_value(value)?;
    match text.chars().count() {
        0..MIN_CHARACTERS => Err(("too_short", format!("must have {MIN_CHARACTERS} characters at least"))),
        MIN_CHARACTERS..=MAX_CHARACTERS => Ok(text),
        _ => Err(("too_long", format!("must have {MAX_CHARACTERS} characters at most"))),
    }
}

/// Hashes a password that is chosen, in its turn among those that are checked.
///
/// # Errors
/// 503 when too many wait.
pub(crate) async fn hash(app: &App, chosen: String) -> Result<String, Problem> {
    let turn = app.passwords().turn().await.map_err(|QueueFull| super::login::too_many_at_once())?;
    let hashed = tokio::task::spawn_blocking(move || password::hash(&chosen)).await;
    drop(turn);
    match hashed {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(error)) => {
            tracing::error!(%error, "a password could not be hashed");
            Err(faults::internal())
        }
        Err(_) => Err(faults::internal()),
    }
}

/// Chooses another password. All other sessions of the account end; its API tokens stay. A wrong `password` counts as a failed login.
#[utoipa::path(post, path = "/auth/password", operation_id = "change_password", tag = "auth", request_body = PasswordChange,
    responses((status = 204, description = "It holds from now on."), CreateErrors))]
pub(crate) async fn change(
    State(app): State<App>,
    ctx: Ctx,
    ClientAddress(address): ClientAddress,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    let (given, chosen) = body.read(|fields| {
        let given = fields.required("password", password_value);
        let chosen = fields.required("new_password", new_password);
        given.zip(chosen)
    })?;
    let attempt = Attempt { email: ctx.email(), password: &given, address };
    let policies = failure_policies(attempt);
    refuse_throttled(&app.login_failures().peek(&policies).await?)?;
    let known = app.store().find_login(ctx.email()).await?.filter(|login| login.account.user == ctx.user);
    check(&app, attempt, &policies, known).await.map_err(|problem| {
        if problem.status() != StatusCode::UNAUTHORIZED {
            return problem;
        }
        app.audit().note_refusal(ctx.tenant);
        let detail = "The password is not the account's.";
        let fault = FieldFault::new("/password", "wrong_password", "is not the account's password");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_password", detail).with_errors(vec![fault])
    })?;
    let hash = hash(&app, chosen).await?;
    if !app.store().change_password(ctx.tenant, ctx.user, hash, ctx.token).await? {
        return Err(super::unknown_token());
    }
    app.tokens().forget_user(ctx.tenant, ctx.user);
    Ok(StatusCode::NO_CONTENT)
}
