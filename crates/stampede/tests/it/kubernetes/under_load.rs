//! Faults while clients are at work: what they saw, and the cluster on the same time axis.

use std::fs;

use serde_json::{Value, json};

use super::Place;

/// Clients ask the fake for something that it always has.
fn scenario(place: &Place) {
    let text = format!(
        "target = {{ url = \"{}\" }}\n[[scenario]]\narrivals = {{ rate = \"40/s\" }}\nduration = \"60s\"\n\
         steps = [{{ get = \"/apis/autoscaling/v2/namespaces/staging/horizontalpodautoscalers\" }}]\n",
        place.fake.address
    );
    fs::write(place.path().join("load.toml"), text).unwrap();
}

#[test]
fn pods_autoscalers_clients_and_faults_are_on_one_time_axis() {
    let place = Place::new();
    scenario(&place);
    place.fake.with(|state| {
        state.autoscalers = vec![super::autoscaler()];
    });
    let more = ["--every", "1s", "--times", "2", "--load", "load.toml", "--recovery", "30s"];
    let ran = place.chaos(&[&["kill"], &more[..], &["--json", "run.json", "-o", "run.html"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("30.0 s kept") && ran.out.contains("seed 7"), "{ran:?}");
    assert!(place.is_whole());
    let text = fs::read_to_string(place.path().join("run.json")).unwrap();
    let run: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&run["target"], run["failed"].as_u64()), (&json!("namespace staging"), Some(0)), "{ran:?}");
    assert!(run["succeeded"].as_u64().unwrap() > 100, "{ran:?}");
    let panels = run["timeline"]["panels"].as_array().unwrap();
    let last = |panel: &str, series: &str| {
        let panel = panels.iter().find(|one| one["title"].as_str().unwrap().starts_with(panel)).unwrap();
        let all = panel["series"].as_array().unwrap();
        let series = all.iter().find(|one| one["name"] == series).unwrap_or_else(|| panic!("{series} in {panel:#}"));
        series["points"].as_array().unwrap().last().unwrap()[1].as_f64().unwrap()
    };
    assert!(last("Latency of answers", "p99") > 0.0 && last("Requests", "succeeded") > 0.0);
    assert!((last("Processors in use", "api") - 1.0).abs() < 0.3, "four pods at most, 250m each");
    assert_eq!(last("Replicas by the autoscalers", "kv-erp-api, wanted") as u32, 5);
    assert_eq!(last("Use of what the autoscalers watch", "cpu of kv-erp-api") as u32, 110);
    assert!(last("Pods that are ready", "api") >= 2.0);
    let bands = run["timeline"]["bands"].as_array().unwrap();
    assert_eq!(bands.len(), 2, "{bands:?}");
    assert!(bands.iter().all(|band| band["name"].as_str().unwrap().starts_with("kill on kv-erp-api-")), "{bands:?}");
    assert!(fs::read_to_string(place.path().join("run.html")).unwrap().contains("Replicas by the autoscalers"));
}

#[test]
fn nothing_is_broken_unless_all_pods_are_ready_and_the_load_makes_sense() {
    let place = Place::new();
    scenario(&place);
    let refused = place.chaos(&["kill", "--load", "no-such.toml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    let refused = place.chaos(&["kill", "--host", "http://127.0.0.1:1"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    place.fake.with(|state| {
        state.replicas.insert("kv-erp-api".to_owned(), 4);
        state.settle();
        state.pods.last_mut().unwrap().looks_until_ready = 1_000;
    });
    let refused = place.chaos(&["kill", "--load", "load.toml"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("3 of 4 pods of api are ready, so nothing is broken"), "{refused:?}");
    assert_eq!(place.fake.changes(), Vec::<String>::new());
}
