//! Batches: several things to be made with one request, all or none, or each for itself.
//!
//! Each route takes the body of the single request, up to [`MAX_ITEMS`] times. The answers are made in [`answer`], the body is read
//! in [`read`], what is done is in [`catalogue`] and [`stock`].
//!
//! Invariant: an item is read by the single request's own reader, so that the two cannot come to differ.

pub(super) mod answer;
mod catalogue;
mod read;
mod stock;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Most items of a batch.
pub const MAX_ITEMS: usize = 1_000;

/// The routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(catalogue::customers))
        .routes(routes!(catalogue::products))
        .routes(routes!(catalogue::warehouses))
        .routes(routes!(stock::reservations))
        .routes(routes!(stock::orders))
        .routes(routes!(stock::receipts))
        .routes(routes!(stock::adjustments))
}
