//! The tenant's resources: one router of all of them, to be nested below [`super::answers::BASE`].

use utoipa_axum::router::OpenApiRouter;

use super::{
    adjustments, batches, customers, events, export_files, exports, imports, invariants, jobs, orders, products,
    receipts, reservations, stock, transfers, warehouses, webhooks,
};
use crate::app::App;

/// Every route of the catalogue, of stock and of orders.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(customers::routes())
        .merge(products::routes())
        .merge(warehouses::routes())
        .merge(stock::routes())
        .merge(receipts::routes())
        .merge(adjustments::routes())
        .merge(transfers::routes())
        .merge(reservations::routes())
        .merge(orders::routes())
        .merge(invariants::routes())
        .merge(batches::routes())
        .merge(exports::routes())
        .merge(export_files::routes())
        .merge(imports::routes())
        .merge(events::routes())
        .merge(jobs::routes())
        .merge(webhooks::routes())
}
