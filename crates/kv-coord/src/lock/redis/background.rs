//! Releases and cancellations nobody waits for.
//!
//! Invariants: the queue and the number of calls under way are bounded; each chore is tried a few times and then left to the
//! lock's lifetime; the task ends, queue emptied, when the service is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;
use tracing::warn;

use super::core::{Caller, Core, OnGrant};
use crate::error::CoordError;
use crate::lock::resource::LockKey;
use crate::lock::token::Token;

const QUEUE: usize = 4_096;
const UNDER_WAY: usize = 64;
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Something to do for a caller that is gone.
#[derive(Debug)]
pub(super) enum Chore {
    Release { key: LockKey, token: Token },
    Cancel { key: LockKey, caller: Caller },
}

pub(super) fn spawn(core: Arc<Core>) -> mpsc::Sender<Chore> {
    let (chores, mut queue) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(UNDER_WAY));
        while let Some(chore) = queue.recv().await {
            let permit = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            let core = Arc::clone(&core);
            tokio::spawn(async move {
                run(&core, &chore).await;
                drop(permit);
            });
        }
    });
    chores
}

async fn run(core: &Core, job: &Chore) {
    let mut pause = FIRST_PAUSE;
    for left in (0..TRIES).rev() {
        match once(core, job).await {
            Ok(()) => return,
            Err(error) if left == 0 || !error.is_unreachable() => {
                warn!(error = &error as &dyn std::error::Error, "a lock is left to its lifetime");
                return;
            }
            Err(_) => sleep(pause).await,
        }
        pause *= 2;
    }
}

async fn once(core: &Core, job: &Chore) -> Result<(), CoordError> {
    match job {
        Chore::Release { key, token } => core.release(key, *token).await.map(drop),
        Chore::Cancel { key, caller } => core.cancel(key, caller, OnGrant::Return).await.map(drop),
    }
}
