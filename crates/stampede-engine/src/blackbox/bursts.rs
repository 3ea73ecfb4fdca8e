//! The leak row: the same burst of requests again and again, and how many connections are open when all is quiet after each.

use std::time::Duration;

use stampede_model::acceptance::LeakDemand;
use stampede_model::verdict::Bursts;

use super::caller::Bench;
use super::error::RowError;
use super::together::together;
use crate::monitor::Patrol;

/// How long a look may take on a busy machine.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// Carries the row out.
///
/// # Errors
/// When a user cannot log in, connections cannot be opened, or PostgreSQL is not seen.
/// # Cancel safety
/// Dropping the future closes its connections.
pub async fn run_bursts(bench: &Bench<'_>, demand: &LeakDemand, patrol: &Patrol) -> Result<Bursts, RowError> {
    let caller = bench.caller(&demand.user).await?;
    let mut bursts = Bursts { levels: vec![level(patrol).await?], ..Bursts::default() };
    for _ in 0..demand.rounds {
        let prepared =
            (0..demand.together).map(|_| bench.prepare(&demand.request, &caller)).collect::<Result<_, RowError>>()?;
        let released = together(bench, prepared, |mut line, prepared| async move {
            let answered = line.call(&prepared).await;
            (answered.interval.call_ns, answered)
        })
        .await?;
        for answered in released.results {
            bursts.asked += 1;
            if !answered.is_accepted() {
                bursts.failed = (bursts.failed.0 + 1, answered.outcome.to_string());
            }
        }
        bursts.levels.push(level(patrol).await?);
    }
    Ok(bursts)
}

async fn level(patrol: &Patrol) -> Result<u32, RowError> {
    let latest = patrol.next(LOOK_WITHIN).await;
    let seen = latest.and_then(|latest| latest.connections);
    seen.ok_or_else(|| RowError::Cluster("the connections of PostgreSQL cannot be seen".to_owned()))
}
