//! What is not done: without the second switch, in a dry run, and where it would not hold or would meet others.

use serde_json::json;

use super::{Place, Ran};

#[test]
fn without_the_second_switch_nothing_is_asked() {
    let place = Place::new();
    for words in [&["chaos", "kill", "--on", "api"][..], &["sweep", "--all"], &["pods", "--on", "api"], &["hpa"]] {
        let ran = Ran::of(place.command(words, "production").output().unwrap());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("--namespace production is not the file's staging"), "{ran:?}");
    }
    assert!(place.fake.with(|state| state.asked.is_empty()));
    let without = std::process::Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["kubernetes", "chaos", "kill", "--on", "api", "--target", "target.toml"])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(without.status.code(), Some(2));
}

#[test]
fn a_dry_run_says_what_it_would_send_and_only_looks() {
    let place = Place::new();
    let ran = place.chaos(&["kill", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("DELETE /api/v1/namespaces/staging/pods/kv-erp-api-"), "{ran:?}");
    assert!(ran.out.contains("UNDO ") && ran.out.contains(r#""count":3"#), "{ran:?}");
    let ran = place.chaos(&["cut", "--dry-run"]);
    assert!(ran.out.starts_with("POST /apis/networking.k8s.io/v1/namespaces/staging/networkpolicies "), "{ran:?}");
    assert_eq!(place.fake.changes(), Vec::<String>::new());
    assert!(!place.path().join(".stampede").exists(), "a dry run leaves no journal");
}

#[test]
fn what_would_not_hold_or_would_meet_others_is_refused() {
    let place = Place::new();
    place.fake.with(|state| {
        state.autoscalers = vec![json!({
            "metadata": {"name": "kv-erp-api"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "kv-erp-api"}, "maxReplicas": 8},
        })];
        // It speaks for every pod.
        let all = json!({"metadata": {"name": "all"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
        state.policies.insert("all".to_owned(), all);
    });
    for (words, part) in [
        (&["scale", "--replicas", "1"][..], "the autoscaler kv-erp-api has the number"),
        (&["cut"], "the network policy all speaks for"),
        (&["latency", "--latency", "100ms"], "needs Chaos Mesh"),
        (&["kil"], "did you mean `kill`"),
        (&["kill", "--for", "2h"], "at most an hour"),
        (&["cut", "--for", "10s", "--every", "5s"], "before it comes again"),
    ] {
        let ran = place.chaos(words);
        assert!(ran.code == Some(2) && ran.err.contains(part), "{words:?}: {ran:?}");
    }
    let ran = place.run(&["chaos", "kill", "--on", "web"]);
    assert!(ran.code == Some(2) && ran.err.contains("--on api"), "{ran:?}");
    assert_eq!(place.fake.changes(), Vec::<String>::new());
}

#[test]
fn a_cluster_that_does_not_answer_is_told() {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path().join("kubeconfig")).unwrap();
    std::fs::write(place.path().join("kubeconfig"), text.replace(&place.fake.address, "http://127.0.0.1:1")).unwrap();
    let ran = place.chaos(&["kill"]);
    assert!(ran.code == Some(1) && ran.err.contains("did not answer"), "{ran:?}");
}
