//! HTTP load, black-box rows, target control: the half of the bench that does I/O.

pub mod http;
pub mod load;
