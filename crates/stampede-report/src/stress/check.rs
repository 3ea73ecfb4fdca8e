//! What a stress run must not deny of itself before it is shown.

use std::collections::HashSet;

use stampede_model::stress::pool::PoolRecord;
use stampede_model::stress::{Figure, ServerSample, StressRun};

/// The first contradiction, if there is one.
pub(crate) fn contradiction(run: &StressRun) -> Option<String> {
    twice(&run.figures)
        .or_else(|| run.tools.iter().find_map(|tool| twice(&tool.figures)))
        .or_else(|| disorder(run))
        .or_else(|| run.pool.as_ref().and_then(phases))
}

fn twice(figures: &[Figure]) -> Option<String> {
    let mut names = HashSet::new();
    let figure = figures.iter().find(|figure| !names.insert(&figure.name))?;
    Some(format!("two figures are called `{}`", figure.name))
}

/// When a server was looked at.
pub(crate) fn at_ns(sample: &ServerSample) -> u64 {
    match sample {
        ServerSample::Postgres(sample) => sample.at_ns,
        ServerSample::Redis(sample) => sample.at_ns,
    }
}

fn disorder(run: &StressRun) -> Option<String> {
    if !run.samples.is_sorted_by_key(at_ns) {
        return Some("the samples are not in order".to_owned());
    }
    let unsorted = run.tools.iter().find(|tool| !tool.series.is_sorted_by_key(|second| second.at_ns));
    if let Some(tool) = unsorted {
        return Some(format!("the seconds of {} are not in order", tool.tool));
    }
    let sorted = |record: &PoolRecord| record.seconds.is_sorted_by(|a, b| a.second < b.second);
    let unsorted = run.pool.as_ref().is_some_and(|record| !sorted(record));
    unsorted.then(|| "the seconds of the pool are not in order".to_owned())
}

fn phases(record: &PoolRecord) -> Option<String> {
    let wrong = record.phases.iter().find(|phase| {
        let ended = phase.statuses.values().chain(phase.failures.values()).chain([&phase.not_sent]);
        sum(ended) != Some(phase.asked)
            || sum([&phase.good, &phase.unavailable]).is_none_or(|kept| kept > phase.asked)
            || phase.retry_after > phase.unavailable
    })?;
    Some(format!("the {} requests {} are not those that ended", wrong.asked, wrong.phase.words()))
}

fn sum<'a>(parts: impl IntoIterator<Item = &'a u64>) -> Option<u64> {
    parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(*part))
}
