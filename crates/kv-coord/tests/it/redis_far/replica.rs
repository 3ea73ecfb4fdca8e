//! A replica that takes over.

use kv_coord::LockService;
use sandbox::testing::eventually;

use super::{PATIENCE, follow, give_back, hold, patient, port, start, url};
use crate::server::{self, Operator};

#[tokio::test]
async fn what_a_promoted_replica_grants_is_above_all_that_the_master_granted() {
    let (master, replica) = (start().await, start().await);
    follow(&replica, &master).await;
    let old = LockService::redis(&patient(&url(&master)), server::epochs()).expect("fine");
    let mut before = Vec::new();
    for _ in 0..5 {
        let grant = hold(&old).await.expect("free");
        before.push(grant.fence);
        give_back(&old, grant).await.expect("it answers");
    }
    // The master still serves whoever has not noticed: the two then grant the same lock, and only the fence tells them apart.
    let held = hold(&old).await.expect("free");
    let _: () = Operator::of(&url(&replica), 0).ask(&["REPLICAOF", "NO", "ONE"]);
    let new = LockService::redis(&patient(&url(&replica)), server::epochs()).expect("fine");
    // The replica may have the lock as well. Whoever takes it over does so after its end; here the end comes early.
    let _: i64 = Operator::of(&url(&replica), 2).ask(&["DEL", "lock:tenant:1:stock:product-1"]);
    let taken = eventually(PATIENCE, async || hold(&new).await).await;
    assert!(before.iter().chain([&held.fence]).all(|fence| *fence < taken.fence), "{before:?} {held:?} {taken:?}");
    assert!(held.fence.epoch() < taken.fence.epoch());
}

#[tokio::test]
async fn a_master_that_was_made_a_replica_counts_as_away_until_the_name_leads_elsewhere() {
    let (old, new) = (start().await, start().await);
    let locks = LockService::redis(&patient(&url(&old)), server::epochs()).expect("fine");
    let first = hold(&locks).await.expect("free");
    give_back(&locks, first).await.expect("it answers");
    follow(&old, &new).await;
    let refused = hold(&locks).await.expect_err("it is read-only");
    assert!(refused.contains("unreachable") || refused.contains("did not answer"), "{refused}");
    let faults = patient(&url(&old)).look_for_faults().await.expect("it answers");
    assert!(faults.iter().any(|fault| fault.contains("replica")), "{faults:?}");
    // The same connection, once the server is a master again.
    let _: () = Operator::of(&url(&old), 0).ask(&["REPLICAOF", "NO", "ONE"]);
    let again = eventually(PATIENCE, async || hold(&locks).await).await;
    assert!(first.fence < again.fence, "{} {}", port(&old), port(&new));
}
