//! The run file: what was asked, what was measured, what was concluded, for every later reader.
//!
//! Invariants: the file names its format and version and a reader refuses any other; times inside are integers in
//! nanoseconds; the `metrics` block repeats the chief figures under the names oha uses, in milliseconds, for scripts that
//! read those; everything in `metrics` follows from `result`, nothing else does the computing.
//! Absent on purpose: secrets. Header values are not kept, only their names.

use serde::{Deserialize, Serialize};

use crate::histogram::{Figure, Histogram};
use crate::run_result::LoadResult;
use crate::run_trust::Trust;
use crate::schedule::Schedule;
use crate::stress::StressRun;
use crate::threshold::{Judged, Judgement, Limit};

/// What stands in `format`.
pub const FORMAT: &str = "stampede.load";
/// The only version this build reads and writes.
pub const VERSION: u32 = 2;

/// One load run with its verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunFile {
    /// Always [`FORMAT`].
    pub format: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// When the run began, nanoseconds since 1970 (UTC).
    pub started_unix_ns: u64,
    /// What was asked.
    pub plan: PlanRecord,
    /// The chief figures under common names.
    pub metrics: Metrics,
    /// The thresholds and how they came out.
    pub thresholds: Vec<Judged>,
    /// What the generator says of itself.
    pub trust: Trust,
    /// The machine and program that measured.
    pub environment: Environment,
    /// Everything measured.
    pub result: LoadResult,
    /// Stress runs that were put beside it afterwards; they change nothing above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stress: Vec<StressRun>,
}

/// What was asked, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Request method.
    pub method: String,
    /// Request URL.
    pub url: String,
    /// Names of the given headers, without their values.
    pub header_names: Vec<String>,
    /// Length of the request body.
    pub body_bytes: u64,
    /// When requests leave.
    pub arrivals: ArrivalsRecord,
    /// Requests to send at most.
    pub requests: Option<u64>,
    /// How long to send, in nanoseconds.
    pub duration_ns: Option<u64>,
    /// Time a request may take, in nanoseconds.
    pub timeout_ns: u64,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// Generator threads.
    pub threads: u32,
    /// The scenario file, when the run had one; method, URL, headers and body above are then its first step's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioRecord>,
    /// What a scenario does side by side, in its order; `arrivals` above is the first one's. Missing in a run of one URL, and
    /// in files that were written before it was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<FlowRecord>,
}

/// One sort of users of a scenario, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// Its name in the scenario.
    pub name: String,
    /// When its iterations begin.
    pub arrivals: ArrivalsRecord,
    /// Most users it has at once.
    pub users: u32,
}

/// A scenario, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioRecord {
    /// Its name.
    pub name: String,
    /// Seed of everything random in it.
    pub seed: u64,
    /// Its text, secrets being references to the environment and so not part of it.
    pub text: String,
}

/// The machine and program that measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this program.
    pub stampede: String,
    /// Operating system and its kernel's version.
    pub system: String,
    /// Cores this process may use.
    pub cores: u32,
}

/// When requests leave, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
pub enum ArrivalsRecord {
    /// Each connection sends its next request when the last one ended.
    Closed {
        /// Connections.
        connections: u32,
    },
    /// Requests leave on a schedule.
    Open {
        /// The schedule.
        #[serde(flatten)]
        schedule: Schedule,
        /// Most requests under way at once.
        max_in_flight: u32,
        /// Most arrivals that wait for a connection.
        max_queue: u32,
    },
}

/// The chief figures under the names oha uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// From the intended start, in milliseconds.
    pub latency_ms: LatencyMs,
    /// From the send, in milliseconds.
    pub service_ms: LatencyMs,
    /// Successes over asked requests, 0 to 1.
    pub success_rate: f64,
    /// Complete answers per second.
    pub requests_per_sec: f64,
}

/// One distribution in milliseconds; `None` without a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    /// Smallest.
    pub min: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// 99.9th percentile.
    pub p99_9: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Samples whose end was not seen: where they matter, figures are lower bounds.
    pub censored: u64,
}

impl LatencyMs {
    /// The figures of `histogram`.
    pub fn of(histogram: &Histogram) -> Self {
        let ms = |figure: Option<Figure>| figure.map(|figure| figure.ns as f64 / 1e6);
        Self {
            min: ms(histogram.min()),
            mean: ms(histogram.mean()),
            p50: ms(histogram.quantile(0.5)),
            p90: ms(histogram.quantile(0.9)),
            p95: ms(histogram.quantile(0.95)),
            p99: ms(histogram.quantile(0.99)),
            p99_9: ms(histogram.quantile(0.999)),
            max: ms(histogram.max()),
            censored: histogram.censored(),
        }
    }
}

impl RunFile {
    /// Draws the conclusions from a result. Limits may be given as [`Limit`]s or as plain thresholds of the whole run.
    pub fn conclude<L>(started_unix_ns: u64, plan: PlanRecord, limits: &[L], result: LoadResult) -> Self
    where
        L: Clone + Into<Limit>,
    {
        let limits: Vec<Limit> = limits.iter().cloned().map(Into::into).collect();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            started_unix_ns,
            plan,
            metrics: Metrics {
                latency_ms: LatencyMs::of(&result.latency.intent),
                service_ms: LatencyMs::of(&result.latency.service),
                success_rate: result.success_share(),
                requests_per_sec: result.answered_per_s(),
            },
            thresholds: limits.iter().map(|limit| limit.judge(&result)).collect(),
            trust: Trust::of(&result, &limits),
            environment: Environment::default(),
            result,
            stress: Vec::new(),
        }
    }

    /// Whether any threshold came out as `judgement`.
    pub fn any(&self, judgement: Judgement) -> bool {
        self.thresholds.iter().any(|judged| judged.judgement == judgement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Spacing;
    use crate::stress::StressKind;
    use crate::threshold::Threshold;

    fn plan() -> PlanRecord {
        PlanRecord {
            method: "GET".to_owned(),
            url: "http://127.0.0.1:1/".to_owned(),
            header_names: vec!["authorization".to_owned()],
            body_bytes: 0,
            arrivals: ArrivalsRecord::Open {
                schedule: Schedule::new(1_000.0, Spacing::Poisson, 7).unwrap(),
                max_in_flight: 10,
                max_queue: 20,
            },
            requests: None,
            duration_ns: Some(1),
            timeout_ns: 2,
            keep_alive: true,
            threads: 1,
            scenario: None,
            flows: Vec::new(),
        }
    }

    #[test]
    fn a_run_file_reads_back_with_ohas_names() {
        let mut result = LoadResult::default();
        for ms in 1..=100 {
            result.latency.intent.record(ms * 1_000_000);
        }
        result.counts.asked = 100;
        result.counts.succeeded = 100;
        let run = RunFile::conclude(5, plan(), &[Threshold::IMPLICIT], result);
        let json: serde_json::Value = serde_json::to_value(&run).unwrap();
        assert_eq!(json["metrics"]["latency_ms"]["max"], 100.0);
        assert_eq!(json["metrics"]["success_rate"], 1.0);
        assert_eq!(json["plan"]["arrivals"]["model"], "open");
        assert_eq!(json["plan"]["arrivals"]["rate_per_s"], 1_000.0);
        assert_eq!(json["thresholds"][0]["judgement"], "pass");
        let again: RunFile = serde_json::from_value(json).unwrap();
        assert_eq!(again.plan, run.plan);
        assert_eq!(again.metrics, run.metrics);
        assert!(!again.any(Judgement::Fail));
    }

    #[test]
    fn the_flows_of_a_scenario_are_kept_and_absent_without_one() {
        let mut plan = plan();
        let json = serde_json::to_value(&plan).unwrap();
        assert!(json.get("flows").is_none(), "a file without one is as it always was");
        assert_eq!(serde_json::from_value::<PlanRecord>(json).unwrap(), plan);
        let closed = ArrivalsRecord::Closed { connections: 5 };
        plan.flows = vec![
            FlowRecord { name: "look".to_owned(), arrivals: plan.arrivals.clone(), users: 10 },
            FlowRecord { name: "buy".to_owned(), arrivals: closed, users: 5 },
        ];
        let json = serde_json::to_value(&plan).unwrap();
        assert_eq!(json["flows"][0]["arrivals"]["rate_per_s"], 1_000.0);
        assert_eq!(json["flows"][1]["users"], 5);
        assert_eq!(serde_json::from_value::<PlanRecord>(json).unwrap(), plan);
    }

    #[test]
    fn stress_runs_are_kept_beside_a_run_and_absent_without_one() {
        let mut run = RunFile::conclude(5, plan(), &[Threshold::IMPLICIT], LoadResult::default());
        let json = serde_json::to_value(&run).unwrap();
        assert!(json.get("stress").is_none(), "a file without one is as it always was");
        assert!(serde_json::from_value::<RunFile>(json).unwrap().stress.is_empty());
        run.stress.push(StressRun::begun(StressKind::Redis, "redis://h", 9));
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!(json["stress"][0]["kind"], "redis");
        assert_eq!(serde_json::from_value::<RunFile>(json).unwrap().stress, run.stress);
    }
}
