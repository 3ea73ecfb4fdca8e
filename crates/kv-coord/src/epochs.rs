//! Gives a Redis that has no valid epoch a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::info;

use crate::error::CoordError;
use crate::link::{Link, NamedScript};
use crate::lock::{Epoch, EpochSource, Fence};

/// Draws that come too late in a row before one gives up.
const MAX_DRAWS: usize = 4;
/// How long the source of epochs may take.
const DRAW_BUDGET: std::time::Duration = std::time::Duration::from_secs(2);
/// How long to wait for another call that draws: as long as one draw may take with its installation.
const WAIT_BUDGET: std::time::Duration = std::time::Duration::from_secs(5);

/// Knows the highest epoch seen, below which no grant is accepted.
pub(crate) struct Epochs {
    source: Arc<dyn EpochSource>,
    install: NamedScript,
    /// The counter, and which incarnation of Redis it counts for.
    keys: [String; 2],
    highest_seen: AtomicU64,
    // One draw at a time: a flush makes every caller ask for an epoch at once.
    drawing: Mutex<()>,
}

impl Epochs {
    /// Of the counter and the epoch under these two keys.
    pub(crate) fn new(source: Arc<dyn EpochSource>, keys: [String; 2]) -> Self {
        let install = NamedScript::new("epoch", include_str!("epoch.lua"));
        Self { source, install, keys, highest_seen: AtomicU64::new(0), drawing: Mutex::new(()) }
    }

    /// The floor to send with each script.
    pub(crate) fn floor(&self) -> u64 {
        self.highest_seen.load(Ordering::Acquire)
    }

    /// Notes the epoch of a grant.
    pub(crate) fn saw(&self, fence: Fence) {
        self.highest_seen.fetch_max(fence.epoch(), Ordering::AcqRel);
    }

    /// Draws and installs a new epoch, unless another call has done so since `floor` was read.
    pub(crate) async fn renew(&self, link: &Link, floor: u64, run_id: &str) -> Result<(), CoordError> {
        let waited = timeout(WAIT_BUDGET, self.drawing.lock()).await;
        let _one_at_a_time = waited.map_err(|_| CoordError::Epoch("somebody else's draw takes too long".into()))?;
        let keys = self.keys.each_ref().map(String::as_str);
        for _ in 0..MAX_DRAWS {
            if floor < self.floor() {
                return Ok(());
            }
            let drawn = self.draw(run_id).await?;
            let number = drawn.get().to_string();
            let answer: (String, Vec<u64>) = link.run(&self.install, &keys, &[&number]).await?;
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
