//! Runs of any samples at all, under names that every format has to quote.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use stampede_model::failure::FailureKind;
use stampede_model::histogram::{Histogram, Packed};
use stampede_model::run::RunFile;
use stampede_model::run_result::{FailureCount, LoadResult, SecondPoint, StepResult, StepSecond};

use super::{S, conclude, plan};

const NAMES: [&str; 3] = ["GET /plain", "a,b \"c\"\n\\d {e}", "<x> & 'y' ]]> µ"];
const SECONDS: u32 = 5;

/// One request: its step, its second, how long it took in nanoseconds, and whether it succeeded, timed out or was refused.
type Request = (usize, u32, u64, u8);

/// Any run of up to two hundred requests.
pub(crate) fn run() -> impl Strategy<Value = RunFile> {
    vec((0..NAMES.len(), 0..SECONDS, 1_000_u64..100_000_000_000, 0_u8..3), 0..200).prop_map(|requests| of(&requests))
}

fn of(requests: &[Request]) -> RunFile {
    let mut result = LoadResult { point_s: 1, elapsed_ns: u64::from(SECONDS) * S, ..LoadResult::default() };
    for (place, name) in NAMES.iter().enumerate() {
        let mine: Vec<Request> = requests.iter().copied().filter(|request| request.0 == place).collect();
        let step = step(name, &mine);
        result.counts.merge(&step.counts);
        result.latency.merge(&step.latency);
        for (status, count) in &step.statuses {
            *result.statuses.entry(*status).or_default() += count;
        }
        result.steps.push(step);
    }
    result.failures = failures(requests);
    result.seconds = (0..SECONDS).map(|second| point(second, requests)).collect();
    conclude(plan(), &["p95<1s", "errors<1%"], result)
}

fn step(name: &str, requests: &[Request]) -> StepResult {
    let mut step = StepResult { name: name.to_owned(), method: "GET".to_owned(), ..StepResult::default() };
    for (_, _, ns, end) in requests {
        step.counts.asked += 1;
        step.counts.sent += 1;
        let (latency, counts) = (&mut step.latency, &mut step.counts);
        match end {
            0 => {
                counts.succeeded += 1;
                latency.intent.record(*ns);
                latency.service.record(*ns);
            }
            1 => {
                counts.failed += 1;
                latency.intent.record_at_least(*ns);
                latency.service.record_at_least(*ns);
                continue;
            }
            _ => {
                counts.failed += 1;
                latency.failed.record(*ns);
            }
        }
        counts.answered += 1;
        *step.statuses.entry(if *end == 0 { 200 } else { 500 }).or_default() += 1;
    }
    step.failures = failures(requests);
    step.seconds = (0..SECONDS).filter_map(|second| of_second(second, requests)).collect();
    step
}

fn of_second(second: u32, requests: &[Request]) -> Option<StepSecond> {
    let here: Vec<&Request> = requests.iter().filter(|request| request.1 == second).collect();
    let succeeded = here.iter().filter(|request| request.3 == 0).count() as u64;
    let latency = Packed::of(&intent(&here));
    (!here.is_empty()).then(|| StepSecond { second, succeeded, failed: here.len() as u64 - succeeded, latency })
}

fn point(second: u32, requests: &[Request]) -> SecondPoint {
    let here: Vec<&Request> = requests.iter().filter(|request| request.1 == second).collect();
    let succeeded = here.iter().filter(|request| request.3 == 0).count() as u64;
    let intent = intent(&here);
    let at = |share| intent.quantile(share).map(|figure| figure.ns);
    SecondPoint {
        second,
        sent: here.len() as u64,
        succeeded,
        failed: here.len() as u64 - succeeded,
        p50_ns: at(0.5),
        p95_ns: at(0.95),
        p99_ns: at(0.99),
        max_ns: intent.max().map(|figure| figure.ns),
        ..SecondPoint::default()
    }
}

fn intent(requests: &[&Request]) -> Histogram {
    let mut intent = Histogram::new();
    for (_, _, ns, end) in requests {
        match end {
            0 => intent.record(*ns),
            1 => intent.record_at_least(*ns),
            _ => {}
        }
    }
    intent
}

fn failures(requests: &[Request]) -> Vec<FailureCount> {
    let mut kinds: BTreeMap<FailureKind, u64> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.3 > 0) {
        let kind = if request.3 == 1 { FailureKind::Timeout } else { FailureKind::Status5xx };
        *kinds.entry(kind).or_default() += 1;
    }
    let count = |(kind, count)| FailureCount { kind, count, first_ns: 0, last_ns: 1, example: "any".to_owned() };
    kinds.into_iter().map(count).collect()
}
