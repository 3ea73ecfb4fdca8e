//! Customers over HTTP.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use kv_store::catalogue::customers as writes;
use kv_types::CustomerId;
use kv_types::catalogue::{Customer, CustomerPatch, NewCustomer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{ActErrors, BASE, ChangeErrors, CreateErrors, GetErrors, ListErrors, done, found};
use super::bodies::{self, KeyParameter, PageParameters};
use super::conflict::of_catalogue;
use super::ctx::Ctx;
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::path::PathId;
use super::problem::Problem;
use super::query::{Listed, Query};
use super::shown::Shown;
use super::values::{CODE_MAX, NAME_MAX, PHONE_MAX, email, line};
use super::writer::Writer;
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

pub(super) fn read_new(fields: &mut Fields<'_>) -> Option<NewCustomer> {
    let code = fields.required("code", line(CODE_MAX));
    let name = fields.required("name", line(NAME_MAX));
    let email = fields.optional("email", email);
    let phone = fields.optional("phone", line(PHONE_MAX));
    Some(NewCustomer { code: code?, name: name?, email, phone })
}

// The faults decide whether a patch is good, so each field's own `None` may mean either absent or refused.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every reader")]
fn read_patch(fields: &mut Fields<'_>) -> Option<CustomerPatch> {
    Some(CustomerPatch {
        code: fields.given("code", line(CODE_MAX)),
        name: fields.given("name", line(NAME_MAX)),
        email: fields.nullable("email", email),
        phone: fields.nullable("phone", line(PHONE_MAX)),
    })
}

/// Lists customers, in the order in which they were made.
#[utoipa::path(get, path = "/customers", operation_id = "list_customers", tag = "customers", params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<Customer>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Customer>, Problem> {
    let (limit, after) = query.read(|query| Some((query.limit(), query.cursor())))?;
    let page = app.store().customers(ctx.tenant, after, limit).await?;
    Ok(Listed::new(page, |customer| customer.id))
}

/// Makes a customer.
#[utoipa::path(post, path = "/customers", operation_id = "create_customer", tag = "customers", params(KeyParameter),
    request_body = bodies::NewCustomer,
    responses((status = 201, description = "Made", body = Customer, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = writes::creation(writer.tenant, &body.read(read_new)?);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "customer", made)
}

pub(super) fn made(customer: &Customer) -> Shown {
    Shown::created(format!("{BASE}/customers/{}", customer.id), customer)
}

/// Shows a customer.
#[utoipa::path(get, path = "/customers/{id}", operation_id = "get_customer", tag = "customers", params(("id" = CustomerId, Path)),
    responses((status = 200, description = "It", body = Customer), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<CustomerId>) -> Result<Json<Customer>, Problem> {
    found(app.store().customer(ctx.tenant, id).await?, "customer")
}

/// Changes a customer: what the body leaves out stays.
#[utoipa::path(patch, path = "/customers/{id}", operation_id = "change_customer", tag = "customers", params(("id" = CustomerId, Path), KeyParameter),
    request_body = bodies::CustomerPatch,
    responses((status = 200, description = "It as it is now", body = Customer), ChangeErrors))]
async fn change(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<CustomerId>,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::changed);
    let patch = body.read(read_patch)?;
    if patch == CustomerPatch::default() {
        // Nothing to change is no change: the version stays, and there is nothing to keep.
        return Ok(found(app.store().customer(writer.tenant, id).await?, "customer")?.into_response());
    }
    let write = writes::change(writer.tenant, id, &patch);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "customer", Shown::changed)
}

/// Deletes a customer that nothing refers to.
#[utoipa::path(delete, path = "/customers/{id}", operation_id = "delete_customer", tag = "customers",
    params(("id" = CustomerId, Path), KeyParameter),
    responses((status = 204, description = "It is gone"), ActErrors))]
async fn delete(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<CustomerId>,
    key: Keyed,
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], |_| Shown::gone());
    let write = writes::deletion(writer.tenant, id);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "customer", |_| Shown::gone())
}
