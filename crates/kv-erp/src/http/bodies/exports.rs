//! The body of an export into a file.

use kv_types::exports::ExportKind;
use utoipa::ToSchema;

/// An export to be written into a file.
#[derive(ToSchema)]
pub struct NewExport {
    /// What is exported.
    kind: ExportKind,
    /// Whether texts that a spreadsheet would compute get an apostrophe in front of them.
    #[schema(default = false, nullable = false)]
    spreadsheet: Option<bool>,
}
