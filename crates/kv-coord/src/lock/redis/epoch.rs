//! Gives a Redis that has no valid epoch a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::info;

use super::scripts::{FENCE_EPOCH, FENCE_SEQ, Scripts};
use crate::error::CoordError;
use crate::link::Link;
use crate::lock::fence::{Epoch, EpochSource, Fence};

/// Draws that come too late in a row before one gives up.
const MAX_DRAWS: usize = 4;
/// How long the source of epochs may take.
const DRAW_BUDGET: std::time::Duration = std::time::Duration::from_secs(2);

/// Knows the highest epoch seen, below which no grant is accepted.
pub(super) struct Epochs {
    source: Arc<dyn EpochSource>,
    highest_seen: AtomicU64,
    // One draw at a time: a flush makes every caller ask for an epoch at once.
    drawing: Mutex<()>,
}

impl Epochs {
    pub(super) fn new(source: Arc<dyn EpochSource>) -> Self {
        Self { source, highest_seen: AtomicU64::new(0), drawing: Mutex::new(()) }
    }

    /// The floor to send with each script.
    pub(super) fn floor(&self) -> u64 {
        self.highest_seen.load(Ordering::Acquire)
    }

    /// Notes the epoch of a grant.
    pub(super) fn saw(&self, fence: Fence) {
        self.highest_seen.fetch_max(fence.epoch(), Ordering::AcqRel);
    }

    /// Draws and installs a new epoch, unless another call has done so since `floor` was read.
    pub(super) async fn renew(
        &self,
        link: &Link,
        scripts: &Scripts,
        floor: u64,
        run_id: &str,
    ) -> Result<(), CoordError> {
        let _one_at_a_time = self.drawing.lock().await;
        for _ in 0..MAX_DRAWS {
            if floor < self.floor() {
                return Ok(());
            }
            let drawn = self.draw(run_id).await?;
            let number = drawn.get().to_string();
            let answer: (String, Vec<u64>) = link.run(&scripts.epoch, &[FENCE_SEQ, FENCE_EPOCH], &[&number]).await?;
            let (word, numbers) = answer;
            if let ("INSTALLED", [installed]) = (word.as_str(), numbers.as_slice()) {
                info!(epoch = installed, run_id, "this Redis mints fences under a new epoch");
                self.highest_seen.fetch_max(*installed, Ordering::AcqRel);
                return Ok(());
            }
        }
        Err(CoordError::Epoch("every number drawn was too low; does the source give growing numbers?".into()))
    }

    async fn draw(&self, run_id: &str) -> Result<Epoch, CoordError> {
        let drawn = timeout(DRAW_BUDGET, self.source.next_epoch(run_id)).await;
        let raw = drawn.map_err(|_| CoordError::Epoch("the source of epochs did not answer".into()))?;
        let raw = raw.map_err(CoordError::Epoch)?;
        Epoch::new(raw).map_err(|bad| CoordError::Epoch(bad.into()))
    }
}
