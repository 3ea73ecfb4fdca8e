//! What all threads of a run measured, as one result.
//!
//! Invariant: gathering is adding, so the number of threads changes no figure.

use std::collections::BTreeMap;

use stampede_model::failure::FailureKind;
use stampede_model::run_result::{FailureCount, LoadResult};

use super::SampledRun;
use super::generator::Harvest;
use super::recorder::Recorded;
use super::series::Series;

/// Adds up what the threads brought home.
pub(super) fn gather(harvests: Vec<Harvest>, series: &Series) -> SampledRun {
    let mut result = LoadResult::default();
    let mut samples = Vec::new();
    let mut first_answer = None;
    let mut failures = Vec::new();
    let health = &mut result.health;
    let (mut looked, mut looks) = (0.0, 0);
    for harvest in harvests {
        let Recorded { counts, latency, statuses, traffic, last_end_ns, .. } = &harvest.recorded;
        result.counts.merge(counts);
        result.latency.merge(latency);
        result.traffic.merge(traffic);
        for (status, count) in statuses {
            *result.statuses.entry(*status).or_default() += count;
        }
        result.elapsed_ns = result.elapsed_ns.max(*last_end_ns);
        health.threads += 1;
        health.lag.merge(&harvest.lag);
        health.cpu_ns += harvest.cpu_ns;
        health.wall_ns += harvest.wall_ns;
        health.behind += harvest.behind;
        // The threads look at their own part: their means add up.
        looked += harvest.in_flight_sum as f64 / harvest.looks.max(1) as f64;
        looks += harvest.looks;
        failures.extend(harvest.recorded.failures);
        samples.extend(harvest.recorded.samples);
        first_answer = first_answer.or(harvest.recorded.first_answer);
    }
    health.in_flight_mean = looked;
    health.in_flight_looks = looks;
    result.failures = merge_failures(failures);
    (result.seconds, _) = series.finish();
    result.point_s = 1;
    SampledRun { result, samples, first_answer }
}

/// Adds failures of several threads by kind, the most frequent first.
fn merge_failures(parts: impl IntoIterator<Item = FailureCount>) -> Vec<FailureCount> {
    let mut by_kind: BTreeMap<FailureKind, FailureCount> = BTreeMap::new();
    for part in parts {
        let Some(sum) = by_kind.get_mut(&part.kind) else {
            by_kind.insert(part.kind, part);
            continue;
        };
        sum.count += part.count;
        sum.last_ns = sum.last_ns.max(part.last_ns);
        if part.first_ns < sum.first_ns {
            sum.first_ns = part.first_ns;
            sum.example = part.example;
        }
    }
    let mut failures: Vec<FailureCount> = by_kind.into_values().collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_threads_add_up_by_kind() {
        let part = |kind, count, first_ns, example: &str| FailureCount {
            kind,
            count,
            first_ns,
            last_ns: first_ns + 1,
            example: example.to_owned(),
        };
        let merged = merge_failures([
            part(FailureKind::Reset, 1, 10, "late"),
            part(FailureKind::Timeout, 5, 3, "slow"),
            part(FailureKind::Reset, 2, 4, "early"),
        ]);
        assert_eq!(merged[0].kind, FailureKind::Timeout);
        assert_eq!((merged[1].count, merged[1].first_ns, merged[1].last_ns), (3, 4, 11));
        assert_eq!(merged[1].example, "early");
    }
}
