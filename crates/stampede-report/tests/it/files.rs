//! Files on their way out and back: run files read again, and every way in which they can be wrong.

use stampede_report::{ReadError, export, parse, read};

use crate::sample;

#[test]
fn a_run_goes_out_as_json_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (name, run) in [("shop", sample::shop()), ("hostile", sample::hostile()), ("empty", sample::empty())] {
        let path = folder.path().join(format!("{name}.json"));
        export::write(&path, &run).unwrap();
        let again = read(&path).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&run).unwrap(), "{name}");
    }
}

#[test]
fn a_plain_run_file_is_read_as_well() {
    let run = sample::quiet();
    let again = parse(&serde_json::to_vec(&run).unwrap()).unwrap();
    assert_eq!(again.metrics, run.metrics);
}

#[test]
fn ohas_names_stand_beside_ours() {
    let run = sample::shop();
    let bytes = export::render(export::Format::Json, &run).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["summary"]["successRate"], run.result.success_share());
    assert_eq!(json["summary"]["total"], 90.0);
    assert_eq!(json["summary"]["requestsPerSec"], run.result.answered_per_s());
    let p99 = run.result.latency.intent.quantile(0.99).unwrap().ns as f64 / 1e9;
    assert_eq!(json["latencyPercentiles"]["p99"], p99);
    assert_eq!(json["statusCodeDistribution"]["503"], run.result.statuses[&503]);
    assert_eq!(json["errorDistribution"]["timed out"], run.result.failures[0].count);
    assert_eq!(json["metrics"]["latency_ms"]["p99"], p99 * 1e3);
    let bars = json["responseTimeHistogram"].as_object().unwrap();
    let sum: u64 = bars.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((bars.len(), sum), (11, run.result.latency.intent.count()));
    let points = &run.result.seconds;
    let most = points.iter().map(|point| point.succeeded + point.failed).max().unwrap();
    assert_eq!(json["rps"]["max"], most as f64);
}

/// A good run file with one change.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut json = serde_json::to_value(sample::quiet()).unwrap();
    change(&mut json);
    serde_json::to_vec(&json).unwrap()
}

fn refusal(bytes: &[u8]) -> ReadError {
    parse(bytes).map(|run| run.plan.url).unwrap_err()
}

#[test]
fn what_is_no_run_file_is_named() {
    assert!(matches!(refusal(b" \n"), ReadError::Empty));
    let error = refusal(b"{\"format\":\"stampede.load\",\n oops}");
    assert!(matches!(error, ReadError::NotJson { line: 2, .. }), "{error}");
    let whole = changed(|_| ());
    for part in [1, whole.len() / 3, whole.len() - 1] {
        let error = refusal(&whole[..part]);
        assert!(matches!(error, ReadError::Truncated { .. }), "{part}: {error}");
    }
    let other = |format: &str| changed(|json| json["format"] = format.into());
    assert!(refusal(&other("stampede.accept")).to_string().contains("`\"stampede.accept\"`, not `stampede.load`"));
    assert!(matches!(refusal(b"[1, 2]"), ReadError::Format { .. }));
    assert!(matches!(refusal(b"7"), ReadError::Format { .. }));
    let error = refusal(&changed(|json| json["version"] = 1.into()));
    assert!(error.to_string().contains("version `1` of the format"), "{error}");
    let error = refusal(&changed(|json| drop(json["result"].as_object_mut().unwrap().remove("counts"))));
    assert!(matches!(error, ReadError::Damaged(_)), "{error}");
    let error = refusal(&changed(|json| json["result"]["latency"]["intent"]["count"] = 5.into()));
    assert!(matches!(error, ReadError::Damaged(_)), "{error}");
    let error = read(std::path::Path::new("/does/not/exist.json")).map(|run| run.plan.url).unwrap_err();
    assert!(matches!(error, ReadError::Io(_)), "{error}");
}

#[test]
fn a_file_that_denies_itself_is_refused() {
    let contradiction = |change: fn(&mut serde_json::Value)| match refusal(&changed(change)) {
        ReadError::Contradiction { what } => what,
        other => panic!("{other}"),
    };
    assert!(contradiction(|json| json["result"]["counts"]["asked"] = 1.into()).contains("asked 1, but sent 3000"));
    assert!(contradiction(|json| json["result"]["counts"]["succeeded"] = 1.into()).contains("but 1 succeeded"));
    assert!(contradiction(|json| json["result"]["steps"][0]["counts"]["failed"] = 9.into()).contains("step `GET /`"));
    assert!(contradiction(|json| json["result"]["steps"][0]["counts"]["answered"] = 9.into()).contains("of the steps"));
    assert!(contradiction(|json| json["result"]["seconds"][3]["second"] = 0.into()).contains("not in order"));
    assert!(contradiction(|json| json["result"]["point_s"] = 3.into()).contains("no power of two"));
    assert!(contradiction(|json| json["metrics"]["latency_ms"]["p95"] = 0.5.into()).contains("latency_ms"));
    assert!(contradiction(|json| json["metrics"]["success_rate"] = 0.5.into()).contains("success_rate"));
    let twice = |json: &mut serde_json::Value| {
        let step = json["result"]["steps"][0].clone();
        json["result"]["steps"].as_array_mut().unwrap().push(step);
    };
    assert!(contradiction(twice).contains("two steps are called"));
}
