//! An export's pages as text.

use kv_store::exports::{Export, ExportRow};

use super::write::{Formulas, push_row};

/// Appends the header line.
pub fn push_header(out: &mut Vec<u8>, export: &Export) {
    push_row(out, export.columns.iter().map(|column| (Some(*column), Formulas::Raw)));
}

/// Appends rows. Numbers and instants are never taken for formulas: a minus in front of them is theirs.
pub fn push_rows(out: &mut Vec<u8>, export: &Export, rows: &[ExportRow], formulas: Formulas) {
    for row in rows {
        let cells = export.columns.iter().zip(row).map(|(column, cell)| {
            let formulas = if export.texts.contains(column) { formulas } else { Formulas::Raw };
            (cell.as_deref(), formulas)
        });
        push_row(out, cells);
    }
}
