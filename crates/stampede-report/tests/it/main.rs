//! Whole run files through every kind of report, and back where there is a way back.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise, and its helpers with it")]

mod autoscale;
mod browser;
mod chaos;
mod check;
mod exports;
mod files;
mod page;
mod prometheus;
mod sample;
mod stress;
mod summary;
