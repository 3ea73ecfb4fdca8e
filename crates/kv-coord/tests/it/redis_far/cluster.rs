//! A cluster: every script's keys must be in one slot, and there is one database.

use sandbox::testing::eventually;
use sandbox::{Redis, RedisOptions};

use kv_coord::queue::QueueTag;

use super::{PATIENCE, all_work, patient, start_with, url};
use crate::server::Operator;

/// A cluster of one, which owns all slots.
async fn cluster() -> Redis {
    let redis = start_with(RedisOptions::default().setting("cluster-enabled", "yes")).await;
    let mut operator = Operator::of_cluster(&url(&redis));
    let _: () = operator.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    eventually(PATIENCE, async || {
        let about: String = Operator::of_cluster(&url(&redis)).ask(&["CLUSTER", "INFO"]);
        about.contains("cluster_state:ok")
    })
    .await;
    redis
}

#[tokio::test]
async fn with_a_tag_everything_works_in_a_cluster_and_is_where_it_should_be() {
    let redis = cluster().await;
    let mut settings = patient(&url(&redis));
    let faults = settings.look_for_faults().await.expect("it answers");
    assert!(faults.iter().any(|fault| fault.contains("--redis-key-tag")), "{faults:?}");
    settings.key_tag = Some(QueueTag::parse("erp").expect("allowed"));
    assert!(settings.look_for_faults().await.expect("it answers").is_empty());
    all_work(&settings).await;
    let mut operator = Operator::of_cluster(&url(&redis));
    let mut slot = |key: &str| -> u64 { operator.ask(&["CLUSTER", "KEYSLOT", key]) };
    let (own, of_tenant) = (slot("{erp}"), slot("{tenant:1}"));
    let keys = Operator::of_cluster(&url(&redis)).keys("*");
    assert!(keys.iter().any(|key| key.starts_with("{erp}:fence:")), "{keys:?}");
    for key in &keys {
        let expected = if key.starts_with("rl:{tenant:1}") { of_tenant } else { own };
        assert_eq!(slot(key), expected, "{key}");
    }
}

#[tokio::test]
async fn a_node_that_serves_a_part_is_refused_and_one_that_serves_all_is_not() {
    let redis = cluster().await;
    let mut settings = patient(&url(&redis));
    let refused = settings.check_cluster().await.expect_err("its keys have no tag").to_string();
    assert!(refused.contains("--redis-key-tag"), "{refused}");
    settings.key_tag = Some(QueueTag::parse("erp").expect("allowed"));
    settings.check_cluster().await.expect("it serves all slots");
    // Half of the slots are somebody else's.
    let mut operator = Operator::of_cluster(&url(&redis));
    let _: () = operator.ask(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    let _: () = operator.ask(&["CLUSTER", "DELSLOTSRANGE", "8192", "16383"]);
    let refused = settings.check_cluster().await.expect_err("it serves a half").to_string();
    assert!(refused.contains("8192 of 16384 slots") && refused.contains("one shard"), "{refused}");
    // What is no cluster has nothing to be asked.
    let plain = super::start().await;
    patient(&url(&plain)).check_cluster().await.expect("it is none");
}

#[tokio::test]
async fn without_a_tag_the_cluster_refuses_and_says_so() {
    let redis = cluster().await;
    let locks = crate::server::locks(&url(&redis));
    super::hold(&locks).await.expect_err("there is no database 2");
}
