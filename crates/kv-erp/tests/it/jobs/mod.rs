//! Jobs from end to end: written with what asks for them, brought to a Redis of the test's own, done by workers that are killed.

mod deployed;
mod fair;
mod files;
mod follow;
mod hooks;
mod lives;
mod once;
mod operator;
mod resp;
mod rig;
