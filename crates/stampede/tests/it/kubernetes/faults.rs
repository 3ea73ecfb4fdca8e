//! Each fault's calls, and their undo.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::Place;

const SOON: Duration = Duration::from_mins(1);

#[test]
fn a_killed_pod_is_drawn_by_the_seed_and_waited_for() {
    let place = Place::new();
    let ran = place.chaos(&["kill"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let changes = place.fake.changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].starts_with("DELETE /api/v1/namespaces/staging/pods/kv-erp-api-"), "{changes:?}");
    assert!(changes[0].contains(r#""gracePeriodSeconds":0"#) && changes[0].contains(r#""preconditions":{"uid":"uid-"#));
    assert!(ran.out.contains("undone after") && ran.out.contains("3 pods are ready"), "{ran:?}");
    assert!(place.is_whole());
    // The same seed draws the same place among as many.
    let other = Place::new();
    other.chaos(&["kill"]);
    assert_eq!(other.fake.changes(), changes);
}

#[test]
fn a_restart_has_its_grace_and_an_eviction_asks_the_budget() {
    let place = Place::new();
    assert_eq!(place.chaos(&["restart"]).code, Some(0));
    let restart = place.fake.changes().remove(0);
    assert!(restart.starts_with("DELETE ") && !restart.contains("gracePeriodSeconds"), "{restart}");
    assert_eq!(place.chaos(&["evict"]).code, Some(0));
    assert!(place.fake.changes()[1].contains("/eviction {"), "{:?}", place.fake.changes());

    place.fake.with(|state| state.budget_says_no = true);
    let refused = place.chaos(&["evict"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("429") && refused.err.contains("disruption budget"), "{refused:?}");
    assert!(place.is_whole());
}

#[test]
fn every_so_often_another_pod_is_killed() {
    let place = Place::new();
    let ran = place.chaos(&["kill", "--every", "100ms", "--times", "4"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let changes = place.fake.changes();
    let mut killed: Vec<&str> = changes.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(killed.len(), 4, "{changes:?}");
    killed.sort_unstable();
    killed.dedup();
    assert_eq!(killed.len(), 4, "a pod dies once: {changes:?}");
    assert!(place.is_whole());
}

#[test]
fn a_workload_is_scaled_and_gets_its_number_back() {
    let place = Place::new();
    let ran = place.chaos(&["scale", "--replicas", "1", "--for", "100ms"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let path = "PATCH /apis/apps/v1/namespaces/staging/deployments/kv-erp-api/scale";
    assert_eq!(
        place.fake.changes(),
        [format!(r#"{path} {{"spec":{{"replicas":1}}}}"#), format!(r#"{path} {{"spec":{{"replicas":3}}}}"#)]
    );
    assert!(place.is_whole());
}

/// What the service's policy says, and one of somebody else.
fn with_policies(place: &Place) -> [Value; 2] {
    let policy = |name: &str, app: &str| {
        json!({
            "metadata": {"name": name, "annotations": {"kept": "yes"}},
            "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8080}]}]},
        })
    };
    let all = [policy("api", "kv-erp-api"), policy("other", "other")];
    place.fake.with(|state| {
        state.policies = [("api".to_owned(), all[0].clone()), ("other".to_owned(), all[1].clone())].into();
    });
    all
}

#[test]
fn a_cut_suspends_what_allows_and_lets_it_say_again_what_it_said() {
    let place = Place::new();
    let before = with_policies(&place);
    let ran = place.chaos(&["cut", "--for", "100ms"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let changes = place.fake.changes();
    assert!(
        changes[0].starts_with("POST ") && changes[0].contains(r#""policyTypes":["Ingress","Egress"]"#),
        "{changes:?}"
    );
    assert!(changes[1].starts_with("PATCH ") && changes[1].contains(r#""ingress":[]"#), "{changes:?}");
    assert!(changes.iter().all(|line| !line.contains("networkpolicies/other")), "{changes:?}");
    let after: Vec<Value> = place.fake.with(|state| state.policies.values().cloned().collect());
    assert_eq!(after, before, "all as it was, and nothing more");
    assert!(place.is_whole());
}

#[tokio::test]
async fn a_guardian_ends_the_cut_of_a_bench_that_was_killed() {
    let place = Place::new();
    let before = with_policies(&place);
    let mut bench = place.command(&["chaos", "cut", "--on", "api", "--for", "10m"], "staging");
    let mut bench = bench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(SOON, async || place.fake.with(|state| state.policies.len() == 3)).await;
    let journal = place.path().join(".stampede/kubernetes.jsonl");
    eventually(SOON, async || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"entry\":\"injected\"")))
        .await;
    bench.kill().unwrap();
    bench.wait().unwrap();
    eventually(SOON, async || place.is_whole()).await;
    assert_eq!(place.fake.with(|state| state.policies.values().cloned().collect::<Vec<_>>()), before);
    assert!(fs::read_to_string(&journal).unwrap().contains("\"by\":\"guardian\""));
}

#[test]
fn packets_are_late_by_an_object_of_chaos_mesh() {
    let place = Place::new();
    place.fake.with(|state| state.has_mesh = true);
    let ran = place.chaos(&["latency", "--latency", "100ms", "--jitter", "20ms", "--for", "200ms"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = place.chaos(&["packet-loss", "--loss", "1.5%", "--for", "200ms"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let changes = place.fake.changes();
    assert_eq!(changes.len(), 4, "{changes:?}");
    assert!(changes[0].contains(r#""delay":{"correlation":"0","jitter":"20ms","latency":"100ms"}"#), "{changes:?}");
    assert!(changes[2].contains(r#""loss":{"correlation":"0","loss":"1.5"}"#), "{changes:?}");
    for line in [&changes[1], &changes[3]] {
        assert!(
            line.starts_with("DELETE /apis/chaos-mesh.org/v1alpha1/namespaces/staging/networkchaos/stampede-"),
            "{line}"
        );
    }
    assert!(place.is_whole());
}

#[test]
fn a_command_runs_in_a_pod_and_its_failure_is_told() {
    let place = Place::new();
    let ran = place.chaos(&["exec", "--", "pg_ctl", "stop", "-m", "fast"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let asked = place.fake.with(|state| state.asked.clone());
    let exec = asked.iter().find(|line| line.starts_with("EXEC ")).unwrap();
    assert!(exec.starts_with("EXEC /api/v1/namespaces/staging/pods/kv-erp-api-") && exec.ends_with("/exec"), "{exec}");
    place.fake.with(|state| state.exec_fails = true);
    let failed = place.chaos(&["exec", "--", "pg_ctl", "stop"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("exit code 3") && failed.err.contains("no such cluster"), "{failed:?}");
    assert!(place.is_whole());
}
