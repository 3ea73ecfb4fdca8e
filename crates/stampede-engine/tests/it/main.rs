//! The engine against real sockets.

mod blackbox;
mod control;
mod toy;
