//! One page of a list.

use tokio_postgres::Row;

/// One page of a list in key order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub rows: Vec<T>,
    /// Whether rows follow the last one.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// Makes a page of what a query with `limit + 1` gave.
    pub(crate) fn from_rows<E>(rows: &[Row], limit: i64, read: impl Fn(&Row) -> Result<T, E>) -> Result<Self, E> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        let rows = rows.iter().take(limit).map(read).collect::<Result<_, _>>()?;
        Ok(Self { rows, has_more })
    }
}
