//! Products over HTTP.

use axum::extract::State;
use axum::response::Response;
use kv_store::catalogue::products as writes;
use kv_store::lists::known;
use kv_types::ProductId;
use kv_types::catalogue::{NewProduct, Product, ProductPatch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{
    BASE, CreateErrors, GetErrors, ListErrors, MatchedActErrors, PatchErrors, done, done_if, found, unchanged,
};
use super::bodies::lists::ProductsParameters;
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
use super::values::{CODE_MAX, DESCRIPTION_MAX, NAME_MAX, UOM_MAX, boolean, currency, line, paragraph, price};
use super::writer::Writer;
use crate::app::App;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

pub(super) fn read_new(fields: &mut Fields<'_>) -> Option<NewProduct> {
    let sku = fields.required("sku", line(CODE_MAX));
    let name = fields.required("name", line(NAME_MAX));
    let description = fields.optional("description", paragraph(DESCRIPTION_MAX));
    let uom = fields.given("uom", line(UOM_MAX)).unwrap_or_else(|| "unit".to_owned());
    let price = fields.required("price_minor", price);
    let currency = fields.required("currency", currency);
    let active = fields.given("active", boolean).unwrap_or(true);
    Some(NewProduct { sku: sku?, name: name?, description, uom, price: price?, currency: currency?, active })
}

// The faults decide whether a patch is good, so each field's own `None` may mean either absent or refused.
#[expect(clippy::unnecessary_wraps, reason = "the shape of every reader")]
fn read_patch(fields: &mut Fields<'_>) -> Option<ProductPatch> {
    Some(ProductPatch {
        sku: fields.given("sku", line(CODE_MAX)),
        name: fields.given("name", line(NAME_MAX)),
        description: fields.nullable("description", paragraph(DESCRIPTION_MAX)),
        uom: fields.given("uom", line(UOM_MAX)),
        price: fields.given("price_minor", price),
        currency: fields.given("currency", currency),
        active: fields.given("active", boolean),
    })
}

/// Lists products, in the order in which they were made.
#[utoipa::path(get, path = "/products", operation_id = "list_products", tag = "products", params(ProductsParameters),
    responses((status = 200, description = "One page", headers(("Link" = String, description = "The address of the next page, if there is one")), body = Listed<Product>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Product>, Problem> {
    let asked = query.ask(&app, ctx.tenant, &known::PRODUCTS).await?;
    let page = app.store().list_products(ctx.tenant, &asked.ask).await?;
    Ok(asked.answer(page))
}

/// Makes a product.
#[utoipa::path(post, path = "/products", operation_id = "create_product", tag = "products", params(KeyParameter),
    request_body = bodies::NewProduct,
    responses((status = 201, description = "Made", body = Product, headers(("Location" = String, description = "Its address"), ("ETag" = String, description = "Its state"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = writes::creation(writer.tenant, &body.read(read_new)?);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "product", made)
}

pub(super) fn made(product: &Product) -> Shown {
    Shown::created(format!("{BASE}/products/{}", product.id), product).tagged(product)
}

/// Shows a product.
#[utoipa::path(get, path = "/products/{id}", operation_id = "get_product", tag = "products", params(("id" = ProductId, Path), IfNoneMatchParameter),
    responses((status = 200, description = "It", body = Product, headers(("ETag" = String, description = "Its state"))),
        (status = 304, description = "It is in a state that If-None-Match names"), GetErrors))]
async fn get(
    State(app): State<App>,
    ctx: Ctx,
    PathId(id): PathId<ProductId>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    Ok(show(found(app.store().product(ctx.tenant, id).await?, "product")?, &known))
}

/// Changes a product: what the body leaves out stays.
#[utoipa::path(patch, path = "/products/{id}", operation_id = "change_product", tag = "products", params(("id" = ProductId, Path), MustMatchParameter, KeyParameter),
    request_body = bodies::ProductPatch,
    responses((status = 200, description = "It as it is now", body = Product, headers(("ETag" = String, description = "Its state"))), PatchErrors))]
async fn change(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ProductId>,
    (MustMatch(expected), key): (MustMatch, Keyed),
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::revised);
    let patch = body.read(read_patch)?;
    let look = app.store().product(writer.tenant, id);
    if patch == ProductPatch::default() {
        // Nothing to change is no change: the version stays, and there is nothing to keep.
        return unchanged(&found(look.await?, "product")?, &expected);
    }
    let write = writes::change(writer.tenant, id, &patch, &expected);
    let changed = app.store().apply(write, once).await.map_err(of_catalogue)?;
    done_if(changed, Shown::revised, (look, "product")).await
}

/// Deletes a product that nothing refers to.
#[utoipa::path(delete, path = "/products/{id}", operation_id = "delete_product", tag = "products",
    params(("id" = ProductId, Path), IfMatchParameter, KeyParameter),
    responses((status = 204, description = "It is gone"), MatchedActErrors))]
async fn delete(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ProductId>,
    (IfMatch(expected), key): (IfMatch, Keyed),
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], |_| Shown::gone());
    let write = writes::deletion(writer.tenant, id, &expected);
    let deleted = app.store().apply(write, once).await.map_err(of_catalogue)?;
    done_if(deleted, |_| Shown::gone(), (app.store().product(writer.tenant, id), "product")).await
}
