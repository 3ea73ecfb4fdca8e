//! HTTP load, black-box rows, target control: the half of the bench that does I/O.

pub mod blackbox;
mod clock;
pub mod control;
pub mod gateway;
pub mod http;
pub mod load;
pub mod null_server;
mod pacing;
mod process;
pub mod script;
pub mod stress;
