//! Batches of customers, products and warehouses.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use kv_store::catalogue::batches::{All, Each, Taken};
use kv_store::catalogue::bulk::BulkRow;
use kv_types::catalogue::{Customer, Product, Warehouse};
use serde::Serialize;

use super::answer::{ItemResult, Made, Results, each, refused};
use super::read::{Batch, Item, batch, seal};
use crate::app::App;
use crate::http::answers::CreateErrors;
use crate::http::bodies::{self, KeyParameter};
use crate::http::conflict::{taken_code, taken_sku};
use crate::http::fields::Fields;
use crate::http::idempotency::Keyed;
use crate::http::json::JsonBody;
use crate::http::problem::Problem;
use crate::http::shown::{Shown, respond};
use crate::http::writer::Writer;
use crate::http::{customers as customer, products as product, warehouses as warehouse};

/// Makes customers, all or each for itself. Under an `Idempotency-Key`, an `atomic` batch is kept as a whole, and of an `independent`
/// one each item under the key, a slash and its place: a repeat is given the kept answers and tries the others anew.
#[utoipa::path(post, path = "/customers/batch", operation_id = "create_customers", tag = "customers", params(KeyParameter),
    request_body = bodies::Batch<bodies::NewCustomer>,
    responses((status = 201, description = "All made (`atomic`)", body = Made<Customer>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn customers(
    State(app): State<App>,
    writer: Writer,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    run(&app, writer, (key, body), Kind { read: customer::read_new, show: customer::made, taken: taken_code }).await
}

/// Makes products, all or each for itself; keys as in the batch of customers.
#[utoipa::path(post, path = "/products/batch", operation_id = "create_products", tag = "products", params(KeyParameter),
    request_body = bodies::Batch<bodies::NewProduct>,
    responses((status = 201, description = "All made (`atomic`)", body = Made<Product>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn products(
    State(app): State<App>,
    writer: Writer,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    run(&app, writer, (key, body), Kind { read: product::read_new, show: product::made, taken: taken_sku }).await
}

/// Makes warehouses, all or each for itself; keys as in the batch of customers.
#[utoipa::path(post, path = "/warehouses/batch", operation_id = "create_warehouses", tag = "warehouses", params(KeyParameter),
    request_body = bodies::Batch<bodies::NewWarehouse>,
    responses((status = 201, description = "All made (`atomic`)", body = Made<Warehouse>),
        (status = 207, description = "What came of each (`independent`)", body = Results), CreateErrors))]
pub(super) async fn warehouses(
    State(app): State<App>,
    writer: Writer,
    key: Keyed,
    body: JsonBody,
) -> Result<Response, Problem> {
    run(&app, writer, (key, body), Kind { read: warehouse::read_new, show: warehouse::made, taken: taken_code }).await
}

/// What is particular to one kind of row.
struct Kind<N: BulkRow> {
    read: fn(&mut Fields<'_>) -> Option<N>,
    show: fn(&N::Made) -> Shown,
    /// Why a row is refused whose word is taken, perhaps by an item of the same batch.
    taken: fn(Option<usize>) -> Problem,
}

async fn run<N>(app: &App, writer: Writer, (key, body): (Keyed, JsonBody), kind: Kind<N>) -> Result<Response, Problem>
where
    N: BulkRow,
    N::Made: Serialize,
{
    let bytes = body.bytes_shared();
    match batch(body, &key, kind.read)? {
        Batch::Atomic(rows) => {
            let once = key.once(app, &bytes, show_all);
            match app.store().create_all(writer.tenant, rows, once).await? {
                All::Done(done) => respond(done, show_all),
                All::Taken(taken) => {
                    let name = |Taken { place, by }: Taken| (place, (kind.taken)(by));
                    let problems: Vec<_> = taken.into_iter().map(name).collect();
                    Ok(refused(&problems).into_response())
                }
            }
        }
        Batch::Independent(items) => run_each(app, writer, items, &kind).await,
    }
}

fn show_all<T: Serialize>(made: &Vec<T>) -> Shown {
    Shown::made(&Shared { results: made })
}

/// [`Made`], shown without taking the rows.
#[derive(Serialize)]
struct Shared<'a, T> {
    results: &'a [T],
}

async fn run_each<N: BulkRow>(
    app: &App,
    writer: Writer,
    items: Vec<Item<N>>,
    kind: &Kind<N>,
) -> Result<Response, Problem> {
    let mut results: Vec<Option<ItemResult>> = Vec::new();
    let (mut rows, mut once, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        let key = item.once(app, seal(kind.show));
        results.push(match item.asked {
            Ok(row) => {
                rows.push(row);
                once.extend(key);
                places.push(place);
                None
            }
            Err(problem) => Some(ItemResult::problem(place, &problem)),
        });
    }
    if !rows.is_empty() {
        let made = app.store().create_each(writer.tenant, rows, once).await?;
        for (place, made) in places.iter().zip(made) {
            results[*place] = Some(match made {
                Each::Now(made) => ItemResult::now(*place, (kind.show)(&made)),
                Each::Before(answer) => ItemResult::before(*place, answer),
                Each::Taken(Taken { by, .. }) => ItemResult::problem(*place, &(kind.taken)(by.map(|by| places[by]))),
                Each::Key(fault) => ItemResult::problem(*place, &fault.into()),
            });
        }
    }
    Ok(each(results.into_iter().flatten().collect()))
}
