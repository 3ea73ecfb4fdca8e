//! The file at the root of the repository is sound, and what it demands is what is judged.

use super::*;
use crate::target::{Effort, Target};

const KV_ERP: &str = include_str!("../../../../targets/kv-erp.toml");
const CLUSTER: &str = include_str!("../../../../targets/kv-erp-cluster.toml");
const ACCEPTANCE: &str = include_str!("../../../../acceptance.toml");

fn target() -> Target {
    let mut target = Target::parse("targets/kv-erp.toml", KV_ERP).unwrap();
    let start = Target::parse("targets/kv-erp-cluster.toml", CLUSTER).unwrap();
    (target.start, target.cluster) = (start.start, start.cluster);
    target
}

#[test]
fn the_house_s_own_file_is_sound_and_has_every_row() {
    let acceptance = Acceptance::parse("acceptance.toml", ACCEPTANCE).unwrap();
    acceptance.check(&target()).unwrap();
    let ids: Vec<String> = acceptance.extras().iter().map(Extra::id).collect();
    for id in [
        "throughput",
        "response-time",
        "error-rate",
        "jobs",
        "failover",
        "failover-kept",
        "failover-vanished",
        "connections",
        "connection-leak",
        "redis-memory",
        "redis-evictions",
        "queue-depth",
        "resources-api",
        "resources-worker",
        "oom-kills",
        "error-logs",
        "uptime",
    ] {
        assert!(ids.iter().any(|known| known == id), "{id} is missing from {ids:?}");
    }
}

#[test]
fn demands_are_made_of_the_numbers_that_are_judged() {
    let acceptance = Acceptance::parse("acceptance.toml", ACCEPTANCE).unwrap();
    let demand = |id: &str, effort| {
        let extras = acceptance.extras();
        let row = extras.iter().find(|row| row.id() == id).unwrap();
        (row.metric(&acceptance, &target(), effort), row.demand(effort))
    };
    assert_eq!(demand("failover", Effort::Full).1, "< 5s recovery");
    assert_eq!(demand("failover-kept", Effort::Full).1, "0 failed, each done < 1s");
    assert_eq!(demand("uptime", Effort::Full).1, ">= 99.9%");
    assert_eq!(demand("throughput", Effort::Full).1, "rps >= 990, p99 < 1s");
    assert_eq!(demand("throughput", Effort::Quick).1, "rps >= 180, p99 < 1s");
    assert!(demand("throughput", Effort::Full).0.contains("1000 req/s"));
    assert_eq!(demand("jobs", Effort::Quick).0, "200 jobs, a worker replica killed in the midst");
    assert_eq!(demand("redis-memory", Effort::Full).1, "< 256mb");
}

#[test]
fn a_target_without_a_cluster_is_refused() {
    let acceptance = Acceptance::parse("acceptance.toml", ACCEPTANCE).unwrap();
    let single = Target::parse("targets/kv-erp.toml", KV_ERP).unwrap();
    let error = acceptance.check(&single).unwrap_err().to_string();
    assert!(error.starts_with("acceptance.toml:13:9: ") && error.contains("describes no cluster"), "{error}");
}
