//! The scripts, their keys and their answers.

use crate::error::CoordError;
use crate::link::NamedScript;
use crate::lock::fence::{COUNTER_BITS, Fence};
use crate::lock::resource::LockKey;

/// The counter of all fences.
pub(super) const FENCE_SEQ: &str = "fence:seq";
/// Which incarnation of Redis the counter counts for.
pub(super) const FENCE_EPOCH: &str = "fence:epoch";

/// All scripts, hashed once.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) acquire: NamedScript,
    pub(super) claim: NamedScript,
    pub(super) release: NamedScript,
    pub(super) renew: NamedScript,
    pub(super) cancel: NamedScript,
    pub(super) inspect: NamedScript,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            acquire: with_prelude("acquire", include_str!("../scripts/acquire.lua")),
            claim: with_prelude("claim", include_str!("../scripts/claim.lua")),
            release: with_prelude("release", include_str!("../scripts/release.lua")),
            renew: with_prelude("renew", include_str!("../scripts/renew.lua")),
            cancel: with_prelude("cancel", include_str!("../scripts/cancel.lua")),
            inspect: with_prelude("inspect", include_str!("../scripts/inspect.lua")),
        }
    }
}

fn with_prelude(name: &'static str, body: &str) -> NamedScript {
    let prelude = include_str!("../scripts/prelude.lua");
    NamedScript::new(name, &format!("local COUNTER_BITS = {COUNTER_BITS}\n{prelude}\n{body}"))
}

/// The keys of one lock.
#[derive(Debug)]
pub(super) struct Keys {
    lock: String,
    line: String,
    deadlines: String,
    seq: String,
    epoch: String,
}

impl Keys {
    /// `prefix` keeps them in one slot of a cluster; it is empty without one.
    pub(super) fn new(prefix: &str, key: &LockKey) -> Self {
        Self {
            lock: format!("{prefix}lock:{key}"),
            line: format!("{prefix}lockq:{key}"),
            deadlines: format!("{prefix}lockd:{key}"),
            seq: format!("{prefix}{FENCE_SEQ}"),
            epoch: format!("{prefix}{FENCE_EPOCH}"),
        }
    }

    /// In the order the scripts expect.
    pub(super) fn all(&self) -> [&str; 5] {
        [&self.lock, &self.line, &self.deadlines, &self.seq, &self.epoch]
    }
}

/// A word and its numbers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) script: &'static str,
    pub(super) word: String,
    pub(super) numbers: Vec<i64>,
}

impl Reply {
    /// The n-th number, at least 0.
    pub(super) fn number(&self, n: usize) -> Result<u64, CoordError> {
        let number = self.numbers.get(n).and_then(|&number| u64::try_from(number).ok());
        number.ok_or_else(|| self.unexpected())
    }

    /// The first number as a fence.
    pub(super) fn fence(&self) -> Result<Fence, CoordError> {
        Fence::from_minted(self.number(0)?).ok_or_else(|| self.unexpected())
    }

    /// The run id of a Redis that wants an epoch.
    pub(super) fn wants_epoch(&self) -> Option<&str> {
        self.word.strip_prefix("EPOCH:")
    }

    /// The run id of a Redis that took the lock back but could not hand it over, for want of an epoch.
    pub(super) fn released_without_epoch(&self) -> Option<&str> {
        self.word.strip_prefix("RELEASED_EPOCH:")
    }

    pub(super) fn unexpected(&self) -> CoordError {
        CoordError::Answer { script: self.script, answer: format!("{} {:?}", self.word, self.numbers) }
    }
}
