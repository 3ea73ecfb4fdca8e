//! The rows of a file: the header's columns, and each row read by the reader of the single request.

use kv_store::imports::ReceiptRow;
use kv_types::catalogue::{NewCustomer, NewProduct};
use kv_types::imports::{ImportKind, Rejection};
use serde_json::{Map, Value};

use super::faults;
use crate::csv::split::{MAX_CELLS, MAX_ROW_BYTES, RowFault};
use crate::http::fields::{Faults, Fields, shown};
use crate::http::problem::{FieldFault, Problem};
use crate::http::values::{CODE_MAX, REFERENCE_MAX, line, quantity};
use crate::http::{customers, products};

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Whole,
    Flag,
}

/// A column that a kind of import knows.
#[derive(Debug)]
struct Column {
    name: &'static str,
    holds: Holds,
    is_required: bool,
}

const fn required(name: &'static str, holds: Holds) -> Column {
    Column { name, holds, is_required: true }
}

const fn optional(name: &'static str, holds: Holds) -> Column {
    Column { name, holds, is_required: false }
}

const CUSTOMERS: &[Column] = &[
    required("code", Holds::Text),
    required("name", Holds::Text),
    optional("email", Holds::Text),
    optional("phone", Holds::Text),
];
const PRODUCTS: &[Column] = &[
    required("sku", Holds::Text),
    required("name", Holds::Text),
    optional("description", Holds::Text),
    optional("uom", Holds::Text),
    required("price_minor", Holds::Whole),
    required("currency", Holds::Text),
    optional("active", Holds::Flag),
];
const RECEIPTS: &[Column] = &[
    required("sku", Holds::Text),
    required("warehouse_code", Holds::Text),
    required("quantity", Holds::Whole),
    optional("reference", Holds::Text),
];

fn known(kind: ImportKind) -> &'static [Column] {
    match kind {
        ImportKind::Customers => CUSTOMERS,
        ImportKind::Products => PRODUCTS,
        ImportKind::StockReceipts => RECEIPTS,
    }
}

/// The columns of a file in their order.
#[derive(Debug)]
pub(super) struct Header(Vec<&'static Column>);

impl Header {
    /// Reads the header line.
    ///
    /// # Errors
    /// 422 `wrong_header` with every column that is unknown, repeated or missing.
    pub(super) fn read(kind: ImportKind, row: Result<Vec<&str>, RowFault>) -> Result<Self, Problem> {
        let cells =
            row.map_err(|fault| faults::wrong_header(vec![FieldFault::new("", "unreadable", detail_of(fault))]))?;
        let known = known(kind);
        let (mut columns, mut errors) = (Vec::new(), Vec::new());
        for name in cells {
            match known.iter().find(|column| column.name == name) {
                None => {
                    errors.push(FieldFault::new(shown(name), "unknown_column", "is no column of this kind of import"));
                }
                Some(column) if columns.iter().any(|had: &&Column| had.name == name) => {
                    errors.push(FieldFault::new(column.name, "repeated_column", "stands there more than once"));
                }
                Some(column) => columns.push(column),
            }
        }
        let is_missing =
            |column: &&Column| column.is_required && !columns.iter().any(|had: &&Column| had.name == column.name);
        errors.extend(
            known.iter().filter(is_missing).map(|column| FieldFault::new(column.name, "missing_column", "is missing")),
        );
        if errors.is_empty() { Ok(Self(columns)) } else { Err(faults::wrong_header(errors)) }
    }

    /// The names, to be kept.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|column| column.name.to_owned()).collect()
    }

    /// A row's fields, as a JSON body would have them: an empty cell is a field left out.
    fn object(&self, cells: &[&str]) -> Map<String, Value> {
        let filled = self.0.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        filled.map(|(column, cell)| (column.name.to_owned(), column.value(cell))).collect()
    }

    /// Reads a row.
    pub(super) fn row<T>(
        &self,
        row: Result<Vec<&str>, RowFault>,
        read: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Result<T, (&'static str, String)> {
        let cells = row.map_err(|fault| (code_of(fault), detail_of(fault)))?;
        if cells.len() != self.0.len() {
            let detail = format!("has {} cells, and the header has {}", cells.len(), self.0.len());
            return Err(("wrong_cell_count", detail));
        }
        let mut faults = Faults::default();
        let parsed = faults.object(String::new(), Value::Object(self.object(&cells)), read);
        faults.finish(parsed).map_err(|problem| match problem.errors().first() {
            Some(fault) => (fault.code, format!("{} {}", fault.pointer.trim_start_matches('/'), fault.detail)),
            None => (problem.code(), problem.detail().to_owned()),
        })
    }
}

impl Column {
    fn value(&self, cell: &str) -> Value {
        match (self.holds, cell) {
            (Holds::Whole, _) => cell.parse::<i64>().map_or_else(|_| cell.into(), Value::from),
            (Holds::Flag, "true") => true.into(),
            (Holds::Flag, "false") => false.into(),
            _ => cell.into(),
        }
    }
}

fn code_of(fault: RowFault) -> &'static str {
    match fault {
        RowFault::TooLong => "row_too_long",
        RowFault::TooManyCells => "too_many_cells",
        RowFault::UnpairedQuote => "unpaired_quote",
        RowFault::InvalidUtf8 => "invalid_utf8",
        RowFault::StrayCarriageReturn => "stray_carriage_return",
    }
}

fn detail_of(fault: RowFault) -> String {
    match fault {
        RowFault::TooLong => format!("is longer than {MAX_ROW_BYTES} bytes"),
        RowFault::TooManyCells => format!("has more than {MAX_CELLS} cells"),
        RowFault::UnpairedQuote => "has quotes that do not pair".to_owned(),
        RowFault::InvalidUtf8 => "is no UTF-8".to_owned(),
        RowFault::StrayCarriageReturn => "has a carriage return that ends no line; put the cell in quotes".to_owned(),
    }
}

/// Rows that wait for their step, each with its line.
pub(super) enum Rows {
    Customers(Vec<(i64, NewCustomer)>),
    Products(Vec<(i64, NewProduct)>),
    Receipts(Vec<(i64, ReceiptRow)>),
}

impl Rows {
    pub(super) fn new(kind: ImportKind) -> Self {
        match kind {
            ImportKind::Customers => Self::Customers(Vec::new()),
            ImportKind::Products => Self::Products(Vec::new()),
            ImportKind::StockReceipts => Self::Receipts(Vec::new()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Customers(rows) => rows.len(),
            Self::Products(rows) => rows.len(),
            Self::Receipts(rows) => rows.len(),
        }
    }

    /// Adds a row, or tells why it is rejected.
    pub(super) fn push(&mut self, header: &Header, line: i64, row: Result<Vec<&str>, RowFault>) -> Option<Rejection> {
        let pushed = match self {
            Self::Customers(rows) => header.row(row, customers::read_new).map(|row| rows.push((line, row))),
            Self::Products(rows) => header.row(row, products::read_new).map(|row| rows.push((line, row))),
            Self::Receipts(rows) => header.row(row, read_receipt).map(|row| rows.push((line, row))),
        };
        pushed.err().map(|(code, detail)| Rejection { line, code: code.to_owned(), detail })
    }
}

fn read_receipt(fields: &mut Fields<'_>) -> Option<ReceiptRow> {
    let sku = fields.required("sku", line(CODE_MAX));
    let warehouse_code = fields.required("warehouse_code", line(CODE_MAX));
    let quantity = fields.required("quantity", quantity);
    let reference = fields.optional("reference", line(REFERENCE_MAX));
    Some(ReceiptRow { sku: sku?, warehouse_code: warehouse_code?, quantity: quantity?, reference })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: ImportKind, cells: &[&str]) -> Result<Header, Vec<(String, &'static str)>> {
        Header::read(kind, Ok(cells.to_vec()))
            .map_err(|problem| problem.errors().iter().map(|error| (error.pointer.clone(), error.code)).collect())
    }

    #[test]
    fn a_header_names_every_wrong_column() {
        let refused = header(ImportKind::Customers, &["name", "mail", "name", "Code"]).unwrap_err();
        let wanted = [
            ("mail", "unknown_column"),
            ("name", "repeated_column"),
            ("Code", "unknown_column"),
            ("code", "missing_column"),
        ];
        assert_eq!(refused, wanted.map(|(name, code)| (name.to_owned(), code)));
    }

    #[test]
    fn a_row_is_read_as_the_single_request_is() {
        let header = header(ImportKind::Products, &["sku", "price_minor", "currency", "name", "active"]).unwrap();
        let read = |cells: &[&str]| header.row(Ok(cells.to_vec()), products::read_new);
        let product = read(&["s", "250", "EUR", "N", ""]).unwrap();
        assert_eq!((product.uom.as_str(), product.active, product.price.get()), ("unit", true, 250));
        assert!(!read(&["s", "250", "EUR", "N", "false"]).unwrap().active);
        for (cells, code) in [
            (&["s", "2.5", "EUR", "N", ""][..], "wrong_type"),
            (&["s", "-1", "EUR", "N", ""], "out_of_range"),
            (&["", "1", "EUR", "N", ""], "required"),
            (&["s", "1", "eur", "N", ""], "invalid_format"),
            (&["s", "1", "EUR", "N", "yes"], "wrong_type"),
            (&["s", "1", "EUR", "N"], "wrong_cell_count"),
        ] {
            assert_eq!(read(cells).unwrap_err().0, code, "{cells:?}");
        }
    }
}
