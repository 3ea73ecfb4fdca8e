//! What is to be seen, and what is swept.

use serde_json::json;

use super::Place;

#[test]
fn pods_autoscalers_and_logs_are_shown() {
    let place = Place::new();
    place.fake.with(|state| {
        state.autoscalers = vec![super::autoscaler()];
    });
    let pods = place.run(&["pods", "--on", "api"]);
    assert_eq!(pods.out.lines().count(), 4, "{pods:?}");
    assert!(
        pods.out.lines().skip(1).all(|line| line.contains("250m") && line.contains("128Mi") && line.contains("yes")),
        "{pods:?}"
    );
    let hpa = place.run(&["hpa"]);
    assert!(hpa.out.contains("Deployment/kv-erp-api") && hpa.out.contains("cpu 110% of 70%"), "{hpa:?}");
    let logs = place.run(&["logs", "--on", "api", "--grep", "ERROR"]);
    assert_eq!(logs.out.lines().count(), 3, "{logs:?}");
    assert!(logs.out.lines().all(|line| line.contains("ERROR") && line.starts_with("kv-erp-api-")), "{logs:?}");
    assert_eq!(place.fake.changes(), Vec::<String>::new());
}

#[test]
fn what_is_past_its_time_is_swept_without_a_journal() {
    let place = Place::new();
    let ours = |name: &str, expires: &str| {
        json!({"metadata": {
            "name": name, "labels": {"app.kubernetes.io/managed-by": "stampede"}, "annotations": {"stampede.dev/expires": expires},
        }})
    };
    let said = json!({"podSelector": {"matchLabels": {"app": "kv-erp-api"}}, "ingress": [{}]});
    let suspended = json!({
        "metadata": {"name": "api", "annotations": {"stampede.dev/suspended-spec": said.to_string(), "stampede.dev/expires": "1000"}},
        "spec": {"podSelector": {"matchLabels": {"app": "kv-erp-api"}}, "ingress": [], "egress": [], "policyTypes": ["Ingress", "Egress"]},
    });
    let theirs = json!({"metadata": {"name": "theirs"}, "spec": {"podSelector": {}}});
    place.fake.with(|state| {
        state.has_mesh = true;
        let policies = [("old", ours("old", "1000")), ("api", suspended), ("theirs", theirs.clone())];
        state.policies = policies.map(|(name, object)| (name.to_owned(), object)).into();
        state.chaos.insert("new".to_owned(), ours("new", "99999999999"));
    });
    let swept = place.run(&["sweep"]);
    assert_eq!(swept.code, Some(0), "{swept:?}");
    for line in [
        "restored /apis/networking.k8s.io/v1/namespaces/staging/networkpolicies/api",
        "networkpolicies/old",
        "left /apis/chaos-mesh.org",
    ] {
        assert!(swept.out.contains(line), "{line} in {swept:?}");
    }
    let policies = place.fake.with(|state| state.policies.clone());
    assert_eq!(policies.keys().collect::<Vec<_>>(), ["api", "theirs"]);
    assert_eq!(policies["api"]["spec"], said);
    assert_eq!(policies["theirs"], theirs);
    assert_eq!(place.run(&["sweep", "--all"]).code, Some(0));
    assert!(place.fake.with(|state| state.chaos.is_empty()));
    assert!(place.run(&["sweep"]).err.contains("nothing of ours"));
}
