//! Products over HTTP.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use kv_store::catalogue::products as writes;
use kv_types::ProductId;
use kv_types::catalogue::{NewProduct, Product, ProductPatch};
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
#[utoipa::path(get, path = "/products", operation_id = "list_products", tag = "products", params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<Product>), ListErrors))]
async fn list(State(app): State<App>, ctx: Ctx, query: Query) -> Result<Listed<Product>, Problem> {
    let (limit, after) = query.read(|query| Some((query.limit(), query.cursor())))?;
    let page = app.store().products(ctx.tenant, after, limit).await?;
    Ok(Listed::new(page, |product| product.id))
}

/// Makes a product.
#[utoipa::path(post, path = "/products", operation_id = "create_product", tag = "products", params(KeyParameter),
    request_body = bodies::NewProduct,
    responses((status = 201, description = "Made", body = Product, headers(("Location" = String, description = "Its address"))), CreateErrors))]
async fn create(State(app): State<App>, writer: Writer, key: Keyed, body: JsonBody) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), made);
    let write = writes::creation(writer.tenant, &body.read(read_new)?);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "product", made)
}

pub(super) fn made(product: &Product) -> Shown {
    Shown::created(format!("{BASE}/products/{}", product.id), product)
}

/// Shows a product.
#[utoipa::path(get, path = "/products/{id}", operation_id = "get_product", tag = "products", params(("id" = ProductId, Path)),
    responses((status = 200, description = "It", body = Product), GetErrors))]
async fn get(State(app): State<App>, ctx: Ctx, PathId(id): PathId<ProductId>) -> Result<Json<Product>, Problem> {
    found(app.store().product(ctx.tenant, id).await?, "product")
}

/// Changes a product: what the body leaves out stays.
#[utoipa::path(patch, path = "/products/{id}", operation_id = "change_product", tag = "products", params(("id" = ProductId, Path), KeyParameter),
    request_body = bodies::ProductPatch,
    responses((status = 200, description = "It as it is now", body = Product), ChangeErrors))]
async fn change(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ProductId>,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    let once = key.once(&app, body.bytes(), Shown::changed);
    let patch = body.read(read_patch)?;
    if patch == ProductPatch::default() {
        // Nothing to change is no change: the version stays, and there is nothing to keep.
        return Ok(found(app.store().product(writer.tenant, id).await?, "product")?.into_response());
    }
    let write = writes::change(writer.tenant, id, &patch);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "product", Shown::changed)
}

/// Deletes a product that nothing refers to.
#[utoipa::path(delete, path = "/products/{id}", operation_id = "delete_product", tag = "products",
    params(("id" = ProductId, Path), KeyParameter),
    responses((status = 204, description = "It is gone"), ActErrors))]
async fn delete(
    State(app): State<App>,
    writer: Writer,
    PathId(id): PathId<ProductId>,
    key: Keyed,
) -> Result<Response, Problem> {
    let once = key.once(&app, &[], |_| Shown::gone());
    let write = writes::deletion(writer.tenant, id);
    done(app.store().apply(write, once).await.map_err(of_catalogue)?, "product", |_| Shown::gone())
}
