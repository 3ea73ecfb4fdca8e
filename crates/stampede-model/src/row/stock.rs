//! Records of one stock level under simultaneous updates.

use super::Outcome;
use crate::interval::Interval;

/// What an update asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockOperation {
    /// Take units from the available ones.
    Reserve,
    /// Add units.
    Receive,
}

/// One update.
#[derive(Clone, Debug)]
pub struct StockCall {
    /// When.
    pub interval: Interval,
    /// What.
    pub operation: StockOperation,
    /// How many units.
    pub units: i64,
    /// How it came out.
    pub outcome: Outcome,
    /// The level's version the answer named.
    pub version: Option<i64>,
}

/// The level as the target shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Units free to be reserved.
    pub available: i64,
    /// Units reserved.
    pub reserved: i64,
    /// Units shipped, when shown.
    pub shipped: Option<i64>,
    /// Units ever received, when shown.
    pub received: Option<i64>,
    /// Changes so far, when shown.
    pub version: Option<i64>,
}

/// One line of the ledger. Amounts that the target does not show are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Its number in the level.
    pub version: i64,
    /// Change of available units.
    pub available: i64,
    /// Change of reserved units.
    pub reserved: i64,
    /// Change of shipped units.
    pub shipped: Option<i64>,
    /// Change of received units.
    pub received: Option<i64>,
    /// Available units after it.
    pub available_after: Option<i64>,
    /// Reserved units after it.
    pub reserved_after: Option<i64>,
}

/// Everything seen of one fresh level: read, updated all at once, read again when all had answered.
#[derive(Clone, Debug)]
pub struct StockHistory {
    /// Units the set-up put in.
    pub stock: i64,
    /// Before the updates.
    pub before: Level,
    /// The updates.
    pub calls: Vec<StockCall>,
    /// After them.
    pub after: Level,
    /// All movements of the level, oldest first as told, when the target keeps a ledger.
    pub ledger: Option<Vec<Movement>>,
}
