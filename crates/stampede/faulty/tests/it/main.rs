//! Every planted bug is seen from outside within a bounded number of tries, and the sound twin shows none of them.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise, and its helpers with it")]

mod client;
mod faces;
mod limit;
mod lock;
mod orders;
mod queue;
mod register;
mod sound;
mod source;
mod stock;
mod tenants;
mod twins;
