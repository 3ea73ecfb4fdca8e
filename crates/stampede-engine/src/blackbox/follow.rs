//! The follow-up row: writes that others have to work on, one of those killed in the midst, until all of the work is done.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use stampede_model::acceptance::FollowUpRow;
use stampede_model::target::Effort;
use stampede_model::verdict::FollowUps;
use tokio::time::{Instant, sleep};

use super::caller::Bench;
use super::crash::kill_one;
use super::error::RowError;
use super::nanos;
use super::writes::Writer;
use crate::monitor::Patrol;

/// Clients that write.
const CLIENTS: u32 = 8;
/// How long a write is repeated.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Undone work that is named.
const NAMED: usize = 5;

/// Carries one row out against the cluster of a control socket.
///
/// # Errors
/// When the set-up fails or nobody can be killed.
/// # Cancel safety
/// Dropping the future closes its connections; a killed replica is started by the cluster.
pub async fn run_follow_up(
    bench: &Bench<'_>,
    row: &FollowUpRow,
    effort: Effort,
    at: (&Path, &Patrol),
) -> Result<FollowUps, RowError> {
    let writer = Writer::set_up(bench, &row.workload).await?;
    let jobs = row.size(effort);
    let (left, ids, refused) = (Cell::new(jobs), RefCell::new(Vec::new()), Cell::new(0));
    let clients = (0..CLIENTS.min(jobs)).map(|_| async {
        let mut line = None;
        while left.get() > 0 {
            left.set(left.get() - 1);
            let written = writer.write(&mut line, Instant::now() + PATIENCE, &mut |_, _, _| {}).await?;
            match written.done {
                Some(done) => ids.borrow_mut().push(done.id),
                None => refused.set(refused.get() + 1),
            }
        }
        Ok::<(), RowError>(())
    });
    let kill = async {
        let Some(service) = &row.kill else { return Ok(None) };
        // Half of it is under way: some of that is in the hands of whoever is killed.
        while left.get() > jobs / 2 {
            sleep(LOOK_EVERY).await;
        }
        kill_one(bench, at.0, (service.as_ref(), at.1)).await.map(|(name, _)| Some(name))
    };
    let writing = async {
        let written = join_all(clients).await;
        // Whoever waits for half of them need not wait for clients that gave up.
        left.set(0);
        written
    };
    let (written, killed) = tokio::join!(writing, kill);
    written.into_iter().collect::<Result<(), RowError>>()?;
    let ids = ids.into_inner();
    let asked = ids.len() as u64;
    let seen = FollowUps { asked, refused: refused.get(), killed: killed?, ..FollowUps::default() };
    until_done(&writer, row, (ids, seen)).await
}

/// Asks for all that is not done, again and again.
async fn until_done(
    writer: &Writer<'_, '_>,
    row: &FollowUpRow,
    (mut open, mut seen): (Vec<String>, FollowUps),
) -> Result<FollowUps, RowError> {
    let began = Instant::now();
    let mut line = writer.bench.open_line().await?;
    loop {
        let mut still = Vec::new();
        for id in open {
            let answered = writer.bench.call(&mut line, &row.done, &writer.caller_with("id", &id)).await?;
            if answered.is_accepted() {
                seen.done += 1;
                seen.last_ns = nanos(began.elapsed());
            } else {
                still.push((id, answered.outcome.to_string()));
            }
        }
        if still.is_empty() {
            return Ok(seen);
        }
        if began.elapsed() >= row.within {
            let more = still.len().saturating_sub(NAMED);
            seen.undone = still.into_iter().take(NAMED).collect();
            if more > 0 {
                seen.undone.push((format!("{more} more"), "the like".to_owned()));
            }
            return Ok(seen);
        }
        open = still.into_iter().map(|(id, _)| id).collect();
        sleep(ASK_EVERY).await;
    }
}
