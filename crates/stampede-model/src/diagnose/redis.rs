//! Redis: memory, evictions, refused connections, look-ups that find nothing.

use super::{Finding, Kind, NEARLY, Severity};
use crate::stress::redis::RedisSample;
use crate::units::thousands;

/// Too few look-ups to speak of a rate.
const LOOKUPS_LEAST: u64 = 1_000;

pub(super) fn findings(first: &RedisSample, last: &RedisSample) -> Vec<Finding> {
    let mut found = Vec::new();
    let (used, most) = (last.used_memory_bytes, last.max_memory_bytes);
    if most > 0 && used as f64 >= NEARLY * most as f64 {
        let text = format!("Redis uses {} of {} bytes", thousands(used), thousands(most));
        let hint = "more maxmemory, shorter lifetimes, or fewer keys; `redis-cli --bigkeys` shows which are large";
        found.push(Finding::new((Severity::Soon, Kind::RedisMemory), text, hint));
    }
    if last.evicted_keys > first.evicted_keys {
        let evicted = last.evicted_keys - first.evicted_keys;
        let text = format!("Redis evicted {} keys while it was looked at", thousands(evicted));
        let hint = "locks, limits and queues may be among them: maxmemory-policy noeviction for those";
        found.push(Finding::new((Severity::Now, Kind::Evictions), text, hint));
    }
    if last.rejected_connections > first.rejected_connections {
        let rejected = last.rejected_connections - first.rejected_connections;
        let text = format!("Redis refused {} connections", thousands(rejected));
        let hint = "a higher maxclients, or smaller pools";
        found.push(Finding::new((Severity::Now, Kind::RedisConnections), text, hint));
    }
    let hits = last.keyspace_hits.saturating_sub(first.keyspace_hits);
    let misses = last.keyspace_misses.saturating_sub(first.keyspace_misses);
    if hits + misses > LOOKUPS_LEAST && hits < misses {
        let text = format!("{} of {} look-ups in Redis found nothing", thousands(misses), thousands(hits + misses));
        let hint = "the cache is cold, too small, or its keys live too short";
        found.push(Finding::new((Severity::Look, Kind::CacheMisses), text, hint));
    }
    found
}
