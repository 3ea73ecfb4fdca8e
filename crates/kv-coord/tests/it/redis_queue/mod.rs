//! The queue in Redis: what an operator sees, that the scripts follow the rule, and what only Redis can suffer.

mod lists;
mod same_rule;
mod trouble;

use kv_coord::JobQueue;
use kv_coord::queue::{ClaimCount, ClaimedJob, Job, JobId, Kind, LeaseTtl, PayloadRef};
use kv_types::TenantId;
use sandbox::{Redis, RedisOptions};

use crate::server::{self, Operator};

const QUEUE_DB: u8 = 0;

fn job(tenant: i64, name: &str) -> Job {
    let tenant = TenantId::new(tenant).expect("positive");
    let (kind, payload) = (Kind::parse("test").expect("allowed"), PayloadRef::parse("outbox:1").expect("short"));
    Job::new(JobId::parse(name).expect("allowed"), tenant, kind, payload)
}

async fn take(queue: &JobQueue, jobs: u32, ttl_ms: u64) -> Vec<ClaimedJob> {
    let (count, ttl) = (ClaimCount::new(jobs).expect("in range"), LeaseTtl::from_millis(ttl_ms).expect("in range"));
    queue.claim(count, ttl).await.expect("Redis should answer")
}

/// A Redis of one's own and the queue in it, under the names the guide has.
struct Scene {
    redis: Redis,
    queue: JobQueue,
}

impl Scene {
    async fn new() -> Self {
        let redis = Redis::start(RedisOptions::default()).await.expect("a Redis");
        let queue = server::queue(&redis.url(), None);
        Self { redis, queue }
    }

    fn operator(&self) -> Operator {
        Operator::of(&self.redis.url(), QUEUE_DB)
    }
}
