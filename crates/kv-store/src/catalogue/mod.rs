//! Customers, products and warehouses.
//!
//! Invariants: one statement per operation; ids are UUIDv7 and lists go by id, so a list is in the order of creation and a
//! walk with a cursor meets every row that existed when it began exactly once, whatever is inserted meanwhile.
//! A change counts `version` up in the same statement.
//!
//! A list's statement has a constant limit inside the asked one, so that a plan for every page does not look as if it read a tenth
//! of the table.
//!
//! A list's statement binds its own tenant, which makes the statement the whole transaction: one answer to wait for, not three, and
//! a connection that many requests can share ([`crate::readers`]).
//!
//! Absent on purpose: soft deletion (what is in use cannot be deleted: the foreign keys say so) and totals of lists.

pub mod batches;
pub mod bulk;
pub mod customers;
pub mod products;
pub mod warehouses;

use uuid::Uuid;

/// A page of rows, at most `$3` of those that a select from one table gives, under the tenant `$1`.
///
/// The select has to ask for `bound.tenant`: it can then only run for the row in which the tenant has been bound. Were it ever run
/// without, row-level security would leave nothing of it, as the setting ends with the statement.
macro_rules! own_page {
    ($select:literal) => {
        concat!(
            "with bound as materialized (select set_config('app.tenant_id', $1::bigint::text, true) as tenant)\n",
            "        select page.* from bound cross join lateral (",
            $select,
            ") page limit $3"
        )
    };
}
pub(crate) use own_page;

/// Most rows of a page; one more is read to see whether more follow.
pub const MAX_PAGE: i64 = 100;

/// The limit asked for, within what the statements give.
pub(crate) fn page_limit(asked: i64) -> i64 {
    asked.clamp(0, MAX_PAGE)
}

/// Where a list begins: behind `after`, or at the start. No row has the nil id, so one statement serves both.
pub(crate) fn start_after(after: Option<Uuid>) -> Uuid {
    after.unwrap_or(Uuid::nil())
}

/// The first of the rows that a statement with at most one gave, read.
pub(crate) fn first_row<T>(
    rows: &[tokio_postgres::Row],
    read: impl Fn(&tokio_postgres::Row) -> Result<T, tokio_postgres::Error>,
) -> Result<Option<T>, crate::StoreError> {
    Ok(rows.first().map(read).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::{MAX_PAGE, customers, products, warehouses};

    #[test]
    fn lists_read_one_row_more_than_a_page() {
        let inner = format!("order by id limit {}) page limit $3", MAX_PAGE + 1);
        for list in [customers::LIST_CUSTOMERS, products::LIST_PRODUCTS, warehouses::LIST_WAREHOUSES] {
            assert!(list.text.ends_with(&inner), "{}", list.name);
        }
    }
}
