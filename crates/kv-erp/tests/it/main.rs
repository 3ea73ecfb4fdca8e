//! kv-erp as its callers meet it.

mod catalogue;
mod pagination;
mod validation;
mod world;
