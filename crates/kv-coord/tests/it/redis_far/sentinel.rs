//! Sentinels name the master, and name another when it dies.

use std::fs;

use kv_coord::lock::{Ttl, Wait};
use kv_coord::{LockService, RedisSettings};
use sandbox::testing::eventually;
use sandbox::{ProcessSpec, Redis, Supervised, free_port};
use tempfile::TempDir;

use super::{PASSWORD, PATIENCE, all_work, follow, give_back, hold, patient, port, resource, start, tenant};
use crate::server;

/// A Sentinel that alone decides about one master.
struct Sentinel {
    port: u16,
    _process: Supervised,
    _folder: TempDir,
}

impl Sentinel {
    fn of(master: &Redis) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port().expect("a port");
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nprotected-mode no\ndir {}\nsentinel monitor kv 127.0.0.1 {} 1\n\
             sentinel auth-pass kv {PASSWORD}\nsentinel down-after-milliseconds kv 500\nsentinel failover-timeout kv 3000\n",
            folder.path().display(),
            super::port(master),
        );
        fs::write(&file, text).expect("a file");
        let spec = ProcessSpec::new("redis-server").arg(&file).arg("--sentinel").log(folder.path().join("log"));
        let process = Supervised::spawn(spec).expect("a Sentinel");
        Self { port, _process: process, _folder: folder }
    }

    /// Waits until it knows of a replica that could take over.
    async fn knows_a_replica(&self) {
        eventually(PATIENCE, async || {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("a URL");
            let mut connection = client.get_connection().map_err(|error| error.to_string())?;
            let known: Vec<redis::Value> = redis::cmd("SENTINEL")
                .arg("replicas")
                .arg("kv")
                .query(&mut connection)
                .map_err(|error| error.to_string())?;
            if known.is_empty() { Err("no replica".to_owned()) } else { Ok(()) }
        })
        .await;
    }

    fn settings(&self) -> RedisSettings {
        // The first one is not there: any that answers will do.
        patient(&format!("redis+sentinel://:{PASSWORD}@127.0.0.1:1,127.0.0.1:{}/kv", self.port))
    }
}

#[tokio::test]
async fn locks_follow_the_master_that_the_sentinels_name() {
    let (master, replica) = (start().await, start().await);
    follow(&replica, &master).await;
    let sentinel = Sentinel::of(&master);
    sentinel.knows_a_replica().await;
    let settings = sentinel.settings();
    eventually(PATIENCE, async || settings.look_for_faults().await).await;
    all_work(&settings).await;
    let locks = LockService::redis(&settings, server::epochs()).expect("fine");
    let before = eventually(PATIENCE, async || hold(&locks).await).await;

    // A waiter stands in line while the master dies; it must get its turn from the new one.
    let waiting = tokio::spawn({
        let locks = locks.clone();
        async move {
            let (wait, ttl) =
                (Wait::from_millis(60_000).expect("in range"), Ttl::from_millis(60_000).expect("in range"));
            locks.acquire(tenant(), &resource(), wait, ttl).await.map(kv_coord::LockGuard::detach)
        }
    });
    eventually(PATIENCE, async || {
        let info = locks.exists(tenant(), &resource()).await.ok().flatten();
        info.is_some_and(|info| info.waiters == 1)
    })
    .await;
    master.kill().await;
    // The holder notices that its lock is on the other server too, or gone; either way it gives back what it can.
    eventually(PATIENCE, async || give_back(&locks, before).await).await;
    let got = waiting.await.expect("no panic");
    let got = match got {
        Ok(grant) => grant,
        // The line may have met the gap; then whoever asks again is served.
        Err(_) => eventually(PATIENCE, async || hold(&locks).await).await,
    };
    assert!(before.fence < got.fence, "{before:?} {got:?}");
    assert!(before.fence.epoch() < got.fence.epoch(), "another server has an epoch of its own");
    let survivor = super::Operator::of(&super::url(&replica), 0).ask::<Vec<redis::Value>>(&["ROLE"]);
    assert_eq!(survivor[0], redis::Value::BulkString(b"master".to_vec()), "on {}", port(&replica));
}
