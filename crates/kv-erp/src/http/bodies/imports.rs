//! The body of an import.

use kv_types::imports::{ImportKind, OnConflict};
use utoipa::ToSchema;

/// An import to be begun.
#[derive(ToSchema)]
pub struct NewImport {
    /// What its rows are.
    kind: ImportKind,
    /// The caller's own word for it.
    #[schema(min_length = 1, max_length = 200, example = "Customers of the old system")]
    name: Option<String>,
    /// What becomes of a row whose code or SKU is known already: `reject`, unless it says otherwise. Of stock-receipts nothing.
    #[schema(default = "reject", nullable = false)]
    on_conflict: Option<OnConflict>,
}
