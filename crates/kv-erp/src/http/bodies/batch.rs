//! The body of a batch.

use utoipa::ToSchema;

/// Several things to be done with one request.
#[derive(ToSchema)]
pub struct Batch<T: ToSchema> {
    /// Whether the items are done together or each for itself.
    mode: BatchMode,
    /// The items, each as the body of the single request.
    #[schema(min_items = 1, max_items = 1_000)]
    items: Vec<T>,
}

/// How a batch's items belong together.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case", example = "atomic")]
pub enum BatchMode {
    /// All items in their order, each seeing what those before it did, or none.
    Atomic,
    /// Each item for itself.
    Independent,
}
