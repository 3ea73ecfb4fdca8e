//! Both back ends against the same suites, and Redis against what only it can suffer.

mod limits;
mod locks;
mod protocols;
mod queues;
mod redis_far;
mod redis_limits;
mod redis_locks;
mod redis_queue;
mod server;
