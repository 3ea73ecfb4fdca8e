//! How many connections there can be.

use super::{AdminError, look_as_service};
use crate::StoreConfig;

/// How many connections the service's role may have on this database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRoom {
    /// As many.
    pub connections: usize,
    /// What sets the limit.
    pub limited_by: LimitedBy,
}

/// What sets a limit on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The server's `max_connections`, less what is kept for superusers.
    Server,
    /// `ALTER ROLE .. CONNECTION LIMIT`.
    Role,
    /// `ALTER DATABASE .. CONNECTION LIMIT`.
    Database,
}

/// The server's limit without what is reserved, the role's and the database's; -1 is none. What newer servers reserve besides is
/// missing on older ones.
const CONNECTION_ROOM: &str = "
    select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0),
           r.rolconnlimit, d.datconnlimit
      from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()";

/// Asks how many connections there can be.
pub async fn connection_room(config: &StoreConfig) -> Result<ConnectionRoom, AdminError> {
    let client = look_as_service(config).await?;
    let row = client.query_one(CONNECTION_ROOM, &[]).await?;
    let limits = [(0, LimitedBy::Server), (1, LimitedBy::Role), (2, LimitedBy::Database)];
    let rooms = limits.into_iter().filter_map(|(column, limited_by)| {
        let connections = usize::try_from(row.get::<_, i32>(column)).ok()?;
        Some(ConnectionRoom { connections, limited_by })
    });
    let least = rooms.min_by_key(|room| room.connections);
    Ok(least.unwrap_or(ConnectionRoom { connections: usize::MAX, limited_by: LimitedBy::Server }))
}
