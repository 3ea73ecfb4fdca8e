//! Reservations of all tenants whose time is over, page by page. Ids alone: ending them is the ledger's.

use jiff::Timestamp;
use kv_types::{ReservationId, TenantId};
use uuid::Uuid;

use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// At most $3 of them behind ($1, $2), those first whose time was over first.
    FIND_DUE = "select tenant_id, id, due_at from app.due_reservations($1, $2, $3)";
}

/// A reservation whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueReservation {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub id: ReservationId,
    /// Since when. With the id its place among all that are due.
    pub due_at: Timestamp,
}

impl Store {
    /// Some reservations whose time is over, at most `most`: the first ones, or those behind `after`.
    ///
    /// # Errors
    /// The store's.
    pub async fn due_reservations(
        &self,
        after: Option<&DueReservation>,
        most: i32,
    ) -> Result<Vec<DueReservation>, StoreError> {
        let (due_at, id) = (after.map(|due| due.due_at), after.map_or(Uuid::nil(), |due| due.id.uuid()));
        let rows = self.run_untenanted(&FIND_DUE, &[&due_at, &id, &most]).await?;
        rows.iter()
            .map(|row| {
                let tenant = TenantId::new(row.try_get(0)?).ok_or(StoreError::Corrupt("a tenant's number"))?;
                Ok(DueReservation { tenant, id: ReservationId::from_uuid(row.try_get(1)?), due_at: row.try_get(2)? })
            })
            .collect()
    }
}
