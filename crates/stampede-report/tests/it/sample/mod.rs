//! Run files as a generator would leave them: several steps, a ramp, an outage, slow requests with their curl lines.
//!
//! Invariant: seeded, so the same call makes the same file on any machine; the counts add up as the format promises.

mod build;
pub(crate) mod check;
pub(crate) mod random;
pub(crate) mod stress;

use serde_json::json;
use stampede_model::run::{Environment, PlanRecord, RunFile, ScenarioRecord};
use stampede_model::run_result::{Event, EventKind, Meeting};
use stampede_model::threshold::Limit;

use build::{Build, Endpoint};

/// When every sample run began: 2026-03-14 09:26:53 UTC.
const STARTED_UNIX_NS: u64 = 1_773_480_413_000_000_000;
const S: u64 = 1_000_000_000;

const SHOP: [Endpoint; 4] = [
    Endpoint { method: "POST", name: "POST /api/v1/auth/login", base_us: 42_000, per_s: 6 },
    Endpoint { method: "GET", name: "GET /api/v1/products", base_us: 3_100, per_s: 120 },
    Endpoint { method: "GET", name: "GET /api/v1/products/{id}", base_us: 900, per_s: 160 },
    Endpoint { method: "POST", name: "POST /api/v1/reservations", base_us: 7_400, per_s: 70 },
];

/// Ninety seconds of a shop: a ramp, then an outage of three seconds, one limit broken and one left open.
pub(crate) fn shop() -> RunFile {
    let mut result = Build { endpoints: &SHOP, seconds: 90, ramp_s: 20, outage: Some(41..44), seed: 7 }.result();
    let event = |at_s: u64, kind, text: &str| Event { at_ns: at_s * S, kind, text: text.to_owned() };
    result.events = vec![
        event(0, EventKind::Stage, "ramp to 356/s over 20s"),
        event(20, EventKind::Stage, "hold 356/s"),
        event(41, EventKind::Note, "replica erp-1 killed"),
        event(60, EventKind::Rate, "rate 356/s to 356/s"),
        event(72, EventKind::Meeting, "100 users released"),
    ];
    result.meetings = vec![Meeting { at_ns: 72 * S, name: "last unit".to_owned(), users: 100, skew_ns: 84_000 }];
    let limits = ["p95<500ms", "p99<1s", "errors<0.1%", "rps>200", "p99<800ms for POST /api/v1/reservations"];
    let mut run = conclude(plan(), &limits, result);
    run.plan.scenario = Some(ScenarioRecord {
        name: "shop rush".to_owned(),
        seed: 7,
        text: "name = \"shop rush\"\n\n[[scenario]]\nname = \"buy\"\narrivals = { curve = [[\"20s\", \"356/s\"]], spacing = \
               \"poisson\" }\n"
            .to_owned(),
    });
    run
}

/// Twelve quiet seconds of one URL; everything is kept.
pub(crate) fn quiet() -> RunFile {
    let one = [Endpoint { method: "GET", name: "GET /", base_us: 1_200, per_s: 250 }];
    let result = Build { endpoints: &one, seconds: 12, ramp_s: 0, outage: None, seed: 3 }.result();
    let mut plan = plan();
    plan.arrivals = serde_json::from_value(json!({"model": "closed", "connections": 10})).unwrap();
    conclude(plan, &["p95<500ms", "errors<1%"], result)
}

/// The shop, run against a target that answers with markup and escape sequences wherever it can.
pub(crate) fn hostile() -> RunFile {
    let mut run = shop();
    let evil =
        "<script>alert('x')</script>\"><img src=http://evil.invalid/x onerror=alert(1)>\u{1b}[2J\u{202e}|`&amp;\u{0}";
    for step in &mut run.result.steps {
        step.name = format!("{} {evil}", step.name);
        step.failures.iter_mut().for_each(|failure| evil.clone_into(&mut failure.example));
        for slow in &mut step.slowest {
            slow.curl = format!("curl 'http://127.0.0.1:8080/{evil}'");
            slow.answer_headers.insert(evil.to_owned(), evil.to_owned());
        }
    }
    run.result.failures.iter_mut().for_each(|failure| evil.clone_into(&mut failure.example));
    run.result.events.iter_mut().for_each(|event| evil.clone_into(&mut event.text));
    run.result.meetings.iter_mut().for_each(|meeting| evil.clone_into(&mut meeting.name));
    run.thresholds.iter_mut().for_each(|judged| judged.step = Some(evil.to_owned()));
    run.plan.url = format!("http://127.0.0.1:8080/{evil}");
    run.plan.header_names.push(evil.to_owned());
    run.plan.scenario = Some(ScenarioRecord { name: evil.to_owned(), seed: 1, text: format!("{evil}\n</pre>{evil}") });
    evil.clone_into(&mut run.environment.system);
    run.trust.remarks.push(evil.to_owned());
    run
}

/// An hour of fifty steps.
pub(crate) fn huge() -> RunFile {
    let names: Vec<String> = (0..50).map(|step| format!("GET /api/v1/resource-{step:02}/{{id}}")).collect();
    let names: Vec<&'static str> = names.into_iter().map(|name| &*Box::leak(name.into_boxed_str())).collect();
    let endpoints: Vec<Endpoint> = names
        .into_iter()
        .zip(1..)
        .map(|(name, step)| Endpoint { method: "GET", name, base_us: 400 * step, per_s: 6 })
        .collect();
    let build = Build { endpoints: &endpoints, seconds: 3_600, ramp_s: 0, outage: Some(1_800..1_802), seed: 11 };
    conclude(plan(), &["p99<2s", "errors<1%"], build.result())
}

/// A run of no requests at all.
pub(crate) fn empty() -> RunFile {
    conclude(plan(), &["p95<500ms", "errors<1%"], stampede_model::run_result::LoadResult::default())
}

fn conclude(plan: PlanRecord, limits: &[&str], result: stampede_model::run_result::LoadResult) -> RunFile {
    let limits: Vec<Limit> = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    let mut run = RunFile::conclude(STARTED_UNIX_NS, plan, &limits, result);
    run.environment = Environment { stampede: "0.1.0".to_owned(), system: "Linux 6.1.0".to_owned(), cores: 2 };
    run
}

fn plan() -> PlanRecord {
    serde_json::from_value(json!({
        "method": "GET",
        "url": "http://127.0.0.1:8080/api/v1/products",
        "header_names": ["authorization"],
        "body_bytes": 0,
        "arrivals": {
            "model": "open", "rate_per_s": 356.0, "spacing": "poisson", "seed": 7,
            "max_in_flight": 512, "max_queue": 100_000
        },
        "requests": null,
        "duration_ns": 90 * S,
        "timeout_ns": 2 * S,
        "keep_alive": true,
        "threads": 1
    }))
    .unwrap()
}
