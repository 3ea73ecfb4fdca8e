//! Reservations of all tenants whose time is over. Ids alone: ending them is the ledger's.

use kv_types::{ReservationId, TenantId};

use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// At most $1 of them, those first whose time was over first.
    FIND_DUE = "select tenant_id, id from app.due_reservations($1)";
}

impl Store {
    /// Some reservations whose time is over, at most `most`.
    ///
    /// # Errors
    /// The store's.
    pub async fn due_reservations(&self, most: i32) -> Result<Vec<(TenantId, ReservationId)>, StoreError> {
        let rows = self.run_untenanted(&FIND_DUE, &[&most]).await?;
        rows.iter()
            .map(|row| {
                let tenant = TenantId::new(row.try_get(0)?).ok_or(StoreError::Corrupt("a tenant's number"))?;
                Ok((tenant, ReservationId::from_uuid(row.try_get(1)?)))
            })
            .collect()
    }
}
