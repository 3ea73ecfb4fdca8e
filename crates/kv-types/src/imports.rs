//! Imports of files: what is asked, how far it is, and what was rejected.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ImportId, JobId};

/// What the rows of an import are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportKind {
    /// Customers.
    Customers,
    /// Products.
    Products,
    /// Goods that arrived.
    StockReceipts,
}

impl ImportKind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Products => "products",
            Self::StockReceipts => "stock-receipts",
        }
    }

    /// Reads a kind as it is written.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Customers, Self::Products, Self::StockReceipts].into_iter().find(|kind| kind.as_str() == raw)
    }
}

/// What becomes of a row whose code or SKU is known already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// It is rejected.
    #[default]
    Reject,
    /// What it names is changed to what it says.
    Update,
}

impl OnConflict {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Update => "update",
        }
    }

    /// Reads a word as it is written.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Reject, Self::Update].into_iter().find(|word| word.as_str() == raw)
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Rows may follow.
    Open,
    /// The file was read to its end.
    Complete,
    /// It was given up; `reason` says why. What was accepted before stays.
    Failed,
}

impl ImportState {
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

/// An import as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// What its rows are.
    pub kind: ImportKind,
    /// The caller's own word for it.
    pub name: Option<String>,
    /// What becomes of a row whose code or SKU is known already.
    pub on_conflict: OnConflict,
    /// How far it is.
    pub state: ImportState,
    /// Why it was given up: `too_many_rejections` or `too_many_rows`.
    pub reason: Option<String>,
    /// The file's lines that are done, the header's among them.
    pub lines_done: i64,
    /// The file's bytes that are done.
    pub bytes_done: i64,
    /// Rows that had their effect.
    pub accepted: i64,
    /// Rows that were rejected.
    pub rejected: i64,
    /// The job that does a file which was sent for it to wait, or did the last such one; null when there was none.
    pub job_id: Option<JobId>,
    /// When it was begun.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last came forward.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A row that was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rejection {
    /// The line of the file on which the row begins, from 1.
    pub line: i64,
    /// A stable word for programs.
    pub code: String,
    /// What is wrong, for people.
    pub detail: String,
}
