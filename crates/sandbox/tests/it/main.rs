//! Private servers, started for real.

mod postgres;
