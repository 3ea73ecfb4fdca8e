//! Exports: what may be exported, and files that are written while nobody waits.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ExportFileId, JobId};

/// What may be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportKind {
    /// Customers.
    Customers,
    /// Products.
    Products,
    /// Warehouses.
    Warehouses,
    /// Stock levels.
    StockLevels,
    /// The ledger.
    StockMovements,
    /// Orders, a row for each line.
    Orders,
}

impl ExportKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Customers, Self::Products, Self::Warehouses, Self::StockLevels, Self::StockMovements, Self::Orders];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Products => "products",
            Self::Warehouses => "warehouses",
            Self::StockLevels => "stock-levels",
            Self::StockMovements => "stock-movements",
            Self::Orders => "orders",
        }
    }

    /// Reads a kind as it is written.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == raw)
    }
}

impl FromStr for ExportKind {
    type Err = ();

    fn from_str(raw: &str) -> Result<Self, ()> {
        Self::parse(raw).ok_or(())
    }
}

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// Its job waits or writes.
    Open,
    /// The file is whole.
    Complete,
    /// It was given up; `reason` says why.
    Failed,
}

impl ExportState {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }

    /// Reads a state as it is written.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Open, Self::Complete, Self::Failed].into_iter().find(|state| state.as_str() == raw)
    }
}

/// An export into a file, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportFile {
    /// Its id.
    pub id: ExportFileId,
    /// What is exported.
    pub kind: ExportKind,
    /// Whether texts that a spreadsheet would compute have an apostrophe in front of them.
    pub spreadsheet: bool,
    /// How far it is.
    pub state: ExportState,
    /// Why it was given up: `too_large`, `storage_full`, `not_allowed`, or `job_dead`, which a replay of the job takes back.
    pub reason: Option<String>,
    /// The rows that are written.
    pub rows: i64,
    /// The bytes that are written.
    pub bytes: i64,
    /// The job that writes it.
    pub job_id: JobId,
    /// When it was asked for.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was whole or given up.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Until when it is kept.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        assert_eq!(ExportKind::ALL.map(|kind| kind.as_str().parse()), ExportKind::ALL.map(Ok));
        for state in [ExportState::Open, ExportState::Complete, ExportState::Failed] {
            assert_eq!(ExportState::parse(state.as_str()), Some(state));
        }
        assert_eq!((ExportKind::parse("cats"), ExportState::parse("")), (None, None));
    }
}
