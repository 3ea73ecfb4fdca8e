//! Regular jobs: each made once at its time, whichever worker looks first. PostgreSQL keeps the time of the last one of each kind.
//!
//! A time that passed while no worker ran is made up for once. A job whose predecessor is still to be done is left out.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::failure::chain;

/// The longest pause, so that a clock that was set is noticed.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// After a job that could not be made.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes regular jobs until `stop`.
pub(super) async fn keep_ticking(worker: Worker, stop: CancellationToken) {
    let ticking = async {
        let schedules = worker.0.config.schedules.clone();
        let mut made: Vec<Option<Timestamp>> = vec![None; schedules.len()];
        loop {
            let (now, mut next) = (Timestamp::now(), None);
            for (schedule, made) in schedules.iter().zip(&mut made) {
                let due = schedule.last_at(now);
                if let Some(due) = due.filter(|due| made.is_none_or(|made| made < *due)) {
                    match worker.store().make_tick(schedule.kind, schedule.priority, due).await {
                        Ok(_) => *made = Some(due),
                        Err(error) => {
                            tracing::warn!(kind = schedule.kind, error = %chain(&error), "a regular job is still to be made");
                            next = Some(now + PAUSE);
                        }
                    }
                }
                next = next.into_iter().chain(schedule.next_after(now)).min();
            }
            let left = next.and_then(|next| Duration::try_from(next.duration_since(Timestamp::now())).ok());
            sleep(left.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL)).await;
        }
    };
    stop.run_until_cancelled(ticking).await;
}
