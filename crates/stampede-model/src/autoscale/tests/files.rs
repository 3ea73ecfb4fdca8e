//! The file and the manifest that is made of it.

use super::*;

const AUTOSCALER: &str = r#"
[autoscaler]
name = "kv-erp-api"
namespace = "production"
min = 3
max = 8
[[autoscaler.metric]]
resource = "cpu"
utilization = 70
[[autoscaler.metric]]
pods = "http_requests_per_second"
average = 600
[[autoscaler.metric]]
external = "queue_seconds_to_clear"
labels = { queue = "default: \"x\"" }
value = 0.5
[autoscaler.scale_down]
stabilization = "60s"
select = "min"
policies = [{ percent = 50, every = "30s" }, { pods = 2, every = "15s" }]
tolerance = "5%"
"#;

const RUN: &str = r#"
[run]
service = "api"
compress = 10
requests = "http_requests_per_second"
cpu_request_milli = 500
queue = { metric = "queue_seconds_to_clear", list = "queue:default", done = "jobs:done" }
[load]
scenario = "load.toml"
[expect]
replicas = [3, 8, 3]
p95 = "500ms"
window = "10s"
errors = "0.1%"
"#;

#[test]
fn the_manifest_says_what_the_file_says() {
    let scaler = Autoscaler::parse("a.toml", AUTOSCALER).unwrap();
    let wanted = r#"apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: kv-erp-api
  namespace: production
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: kv-erp-api
  minReplicas: 3
  maxReplicas: 8
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 70
    - type: Pods
      pods:
        metric:
          name: http_requests_per_second
        target:
          type: AverageValue
          averageValue: "600"
    - type: External
      external:
        metric:
          name: queue_seconds_to_clear
          selector:
            matchLabels:
              queue: "default: \"x\""
        target:
          type: Value
          value: "500m"
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      selectPolicy: Max
      policies:
        - type: Percent
          value: 100
          periodSeconds: 15
        - type: Pods
          value: 4
          periodSeconds: 15
    scaleDown:
      stabilizationWindowSeconds: 60
      tolerance: "50m"
      selectPolicy: Min
      policies:
        - type: Percent
          value: 50
          periodSeconds: 30
        - type: Pods
          value: 2
          periodSeconds: 15
"#;
    assert_eq!(scaler.manifest(), wanted);
}

#[test]
fn a_run_divides_times_and_its_manifest_does_not() {
    let plan = ScalePlan::parse("a.toml", &format!("{AUTOSCALER}{RUN}")).unwrap();
    assert_eq!(plan.run_interval(), Duration::from_millis(1_500));
    let run = plan.compressed();
    assert_eq!((run.down.stabilization, run.down.policies[0].period), (Duration::from_secs(6), Duration::from_secs(3)));
    assert_eq!((run.min, run.max, run.metrics), (3, 8, plan.autoscaler.metrics.clone()));
    assert!(plan.autoscaler.manifest().contains("stabilizationWindowSeconds: 60"));
}

#[test]
fn each_mistake_has_its_line_and_a_way_out() {
    let text = format!("{AUTOSCALER}{RUN}");
    for (from, to, line, word) in [
        ("min = 3", "min = 0", 5, "min is 0"),
        ("max = 8", "max = 2", 6, "max at least min"),
        ("max = 8", "max = 80", 6, "too large for a run"),
        ("name = \"kv-erp-api\"", "name = \"Kv_erp\"", 3, "no name"),
        ("resource = \"cpu\"", "resource = \"disk\"", 7, "cpu and memory"),
        ("utilization = 70", "utilization = 70\nvalue = 3", 7, "one name and one target"),
        ("average = 600", "average = 0", 10, "more than 0"),
        ("average = 600", "averge = 600", 12, "unknown field"),
        ("stabilization = \"60s\"", "stabilization = \"2h\"", 18, "0 to 3600"),
        ("stabilization = \"60s\"", "stabilization = \"60\"", 18, "no duration"),
        ("every = \"30s\"", "every = \"500ms\"", 20, "1 to 1800"),
        ("percent = 50", "percent = 50, pods = 1", 20, "either pods or percent"),
        ("tolerance = \"5%\"", "tolerance = \"5x\"", 21, "no share"),
        ("compress = 10", "compress = 0", 25, "from 1 to 1000"),
        ("compress = 10", "compress = 500", 24, "at least 200ms"),
        (
            "requests = \"http_requests_per_second\"",
            "requests = \"rps\"",
            10,
            "nothing measures `http_requests_per_second`",
        ),
        ("cpu_request_milli = 500", "", 7, "cpu_request_milli"),
        ("[3, 8, 3]", "[3, 8, 9]", 32, "where it turns"),
        ("window = \"10s\"", "window = \"10ms\"", 34, "at least 1s"),
        ("errors = \"0.1%\"", "errors = \"many\"", 35, "no share"),
        ("[load]\nscenario = \"load.toml\"", "", 1, "no [load]"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = ScalePlan::parse("a.toml", &text.replacen(from, to, 1)).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(word) && said.contains("hint: ") && error.line == line,
            "{to}: line {line}, {word}: {said}"
        );
    }
}
