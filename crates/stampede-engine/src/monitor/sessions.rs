//! PostgreSQL's sessions, by who has them.

use std::time::Duration;

use stampede_model::diagnose::Sessions;
use tokio::time::timeout;

use crate::chaos::words;
use crate::stress::postgres::Address;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const GROUPS_MAX: i64 = 100;

const SESSIONS: &str = "
    SELECT coalesce(usename::text, '?') || coalesce(' by ' || nullif(application_name, ''), '') AS who,
           coalesce(state, '?') AS state, count(*)::int4 AS sessions,
           coalesce(extract(epoch FROM max(clock_timestamp() - state_change)), 0)::float8 AS longest_s
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
    GROUP BY 1, 2 ORDER BY 3 DESC LIMIT $1";

/// Who has how many sessions, and in which state.
///
/// # Errors
/// PostgreSQL's own words.
/// # Cancel safety
/// Dropping the future closes the session.
pub async fn sessions(url: &str) -> Result<Vec<Sessions>, String> {
    let address = Address::parse(url).map_err(|error| words(&error))?;
    let read = async {
        let session = address.connect("stampede").await.map_err(|error| words(&error))?;
        session.query(SESSIONS, &[&GROUPS_MAX]).await.map_err(|error| words(&error))
    };
    let rows = timeout(ANSWER_WITHIN, read).await.map_err(|_| "no answer in time".to_owned())??;
    let group = |row: &tokio_postgres::Row| Sessions {
        who: row.get("who"),
        state: row.get("state"),
        count: u32::try_from(row.get::<_, i32>("sessions")).unwrap_or(0),
        longest_ns: (row.get::<_, f64>("longest_s").max(0.0) * 1e9) as u64,
    };
    Ok(rows.iter().map(group).collect())
}
