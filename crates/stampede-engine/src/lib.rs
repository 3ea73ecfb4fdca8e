//! HTTP load, black-box rows, target control: the half of the bench that does I/O.

pub mod autoscale;
pub mod blackbox;
pub mod chaos;
mod clock;
pub mod cluster;
pub mod control;
pub mod gateway;
pub mod http;
pub mod load;
pub mod monitor;
pub mod null_server;
mod pacing;
mod process;
pub mod script;
pub mod stress;
