//! Customers over HTTP.

use axum::extract::State;
use axum::response::Response;
use kv_store::catalogue::customers as writes;
use kv_store::lists::known;
use kv_types::CustomerId;
use kv_types::catalogue::{Customer, CustomerPatch, NewCustomer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{
    BASE, CreateErrors, GetErrors, ListErrors, MatchedActErrors, PatchErrors, done, done_if, found, unchanged,
};
use super::bodies::lists::CustomersParameters;
use super::bodies::{self, IfMatchParameter, IfNoneMatchParameter, KeyParameter, MustMatchParameter};
use super::conflict::of_catalogue;
use super::ctx::Ctx;
use super::etag::{IfMatch, IfNoneMatch, MustMatch, show};
use super::fields::Fields;
use super::idempotency::Keyed;
use super::json::JsonBody;
use super::listing::Listed;
use super::path::PathId;
use super::problem::Problem;
use super::query::Query;
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
#[utoipa::path(get, path = "/customers", operation_id = "list_customers", tag = "customers", params(CustomersParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Customer>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Customer>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::CUSTOMERS).await?;
    let page = app.store().list_customers(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Makes a customer.
#[utoipa::path(post, path = "/customers", operation_id = "create_customer", tag = "customers", params(KeyParameter),
    request_body = bodies::NewCustomer,
    responses((status = 201, description = "Made", body = Customer, headers(("Location" = String, description = "Its address"), ("ETag" = String, description = "Its state"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = writes::creation(writer.tenant, &body.read(read_new)?);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "customer", made)
}

pub(super) fn made(customer: &Customer) -> Shown {
    Shown::created(format!("{BASE}/customers/{}", customer.id), customer).tagged(customer)
}

/// Shows a customer.
#[utoipa::path(get, path = "/customers/{id}", operation_id = "get_customer", tag = "customers", params(("id" = CustomerId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = Customer, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<CustomerId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().customer(ctx.tenant, id).await?, "customer")?, &known))
}

/// Changes a customer: what the body leaves out stays.
#[utoipa::path(patch, path = "/customers/{id}", operation_id = "change_customer", tag = "customers", params(("id" = CustomerId, Path), MustMatchParameter, KeyParameter),
    request_body = bodies::CustomerPatch,
    responses((status = 200, description = "It as it is now", body = Customer, headers(("ETag" = String, description = "Its state"))), PatchErrors))]
async fn change(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<CustomerId>,
    (MustMatch(expected), key): (MustMatch, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::revised);
    let patch = body.read(read_patch)?;
    let look = app.store().customer(writer.tenant, id);
    if patch == CustomerPatch::default() {
        // Nothing to change is no change: the version stays, and there is nothing to keep.
        return unchanged(&found(look.await?, "customer")?, &expected);
    }
    let write = writes::change(writer.tenant, id, &patch, &expected);
    let changed = app.store().apply(write, once).await.map_err(of_catalogue)?;
    done_if(changed, Shown::revised, (look, "customer")).await
}

/// Deletes a customer that nothing refers to.
#[utoipa::path(delete, path = "/customers/{id}", operation_id = "delete_customer", tag = "customers",
    params(("id" = CustomerId, Path), IfMatchParameter, KeyParameter),
    responses((status = 204, description = "It is gone"), MatchedActErrors))]
async fn delete(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<CustomerId>,
    (IfMatch(expected), key): (IfMatch, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], |_| Shown::gone());
    let write = writes::deletion(writer.tenant, id, &expected);
    let deleted = app.store().apply(write, once).await.map_err(of_catalogue)?;
    done_if(deleted, |_| Shown::gone(), (app.store().customer(writer.tenant, id), "customer")).await
}
