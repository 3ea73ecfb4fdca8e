//! Rows of a run: how replicas went, how long answers took throughout, what failed, and what failed while replicas left.
//!
//! Invariants: latency counts from the intended start, so a generator that was late can only make a row worse; what could not be seen
//! is unknown and never a pass; a failed request is slower than any limit.

use std::time::Duration;

use super::plan::{ExpectedScale, ScalePlan};
use super::report::{AutoscaleReport, Moment, ScaleChange, percentile};
use crate::chaos::Outcome;
use crate::units::{show_duration, show_ns, show_share, thousands};
use crate::verdict::{RowReport, Ruling, Verdict};

/// How long after the last replica left an error is still put down to its leaving.
const AFTERMATH_NS: u64 = 1_000_000_000;

/// What rows are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'a> {
    /// What was demanded.
    pub plan: &'a ScalePlan,
    /// What was done.
    pub report: &'a AutoscaleReport,
    /// How each request came out.
    pub outcomes: &'a [Outcome],
}

/// The rows of a run.
pub fn rows(judging: &Judging<'_>) -> Vec<RowReport> {
    let Judging { plan, report, outcomes } = *judging;
    let expect = &plan.expect;
    let took = report.elapsed_ns / 1_000_000;
    let row = |id: &str, target: String, ruling: Ruling| {
        RowReport {
            id: format!("scale-{id}"),
            test: "Horizontal Scale".to_owned(),
            metric: report.load.clone(),
            target,
            figure: String::new(),
            verdict: Verdict::NotRun,
            reason: String::new(),
            evidence: Vec::new(),
            elapsed_ms: took,
        }
        .ruled(doubted(ruling, report))
    };
    vec![
        row("replicas", format!("{} replicas", arrows(&expect.replicas)), replicas(expect, report)),
        row("latency", latency_target(expect), latency(expect, report, outcomes)),
        row("errors", format!("errors < {}", show_share(expect.errors)), errors(expect, report)),
        row("drain", "no error while replicas leave".to_owned(), drain(report, outcomes)),
    ]
}

/// One row of all: what an acceptance table shows.
pub fn horizontal_scale(rows: &[RowReport]) -> Option<RowReport> {
    let worst = rows.iter().max_by_key(|row| gravity(row.verdict))?;
    let joined =
        |of: fn(&RowReport) -> &str| rows.iter().map(of).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
    Some(RowReport {
        id: "horizontal-scale".to_owned(),
        test: worst.test.clone(),
        metric: worst.metric.clone(),
        target: joined(|row| &row.target),
        figure: joined(|row| &row.figure),
        verdict: worst.verdict,
        reason: joined(|row| &row.reason),
        evidence: rows.iter().flat_map(|row| row.evidence.iter().cloned()).take(8).collect(),
        elapsed_ms: worst.elapsed_ms,
    })
}

const fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Missed => 1,
        Verdict::Unknown => 2,
        Verdict::NotRun => 3,
        Verdict::Violated => 4,
    }
}

fn latency_target(expect: &ExpectedScale) -> String {
    format!("p95 < {} in every {}", show_duration(expect.p95), show_duration(expect.window))
}

/// A pass of a run that was cut short, or whose generator is in doubt, is none.
fn doubted(ruling: Ruling, report: &AutoscaleReport) -> Ruling {
    let mut doubts = report.doubts.clone();
    if report.interrupted {
        doubts.push("the run was stopped before its end".to_owned());
    }
    if ruling.verdict != Verdict::Pass || doubts.is_empty() {
        return ruling;
    }
    Ruling { verdict: Verdict::Unknown, reason: doubts.join("; "), evidence: doubts, ..ruling }
}

fn ruling(verdict: Verdict, figure: String, reason: String) -> Ruling {
    let evidence = if reason.is_empty() { Vec::new() } else { vec![reason.clone()] };
    Ruling { verdict, figure, reason, evidence }
}

fn replicas(expect: &ExpectedScale, report: &AutoscaleReport) -> Ruling {
    let path = path(&report.moments);
    let mut figure = arrows(&path);
    if path.is_empty() {
        return ruling(Verdict::Unknown, "nobody looked".to_owned(), "the controller never looked".to_owned());
    }
    if let Some(reached) = first_ready(report, expect) {
        figure = format!("{figure}, {} ready after {}", reached.1, show_ns(reached.0));
    }
    let failed = report.changes.iter().find_map(|change| change.failed.as_ref());
    let why = if let Some(why) = failed {
        format!("a change of replicas failed: {why}")
    } else if turns(&path) != expect.replicas {
        format!("replicas went {}, not {}", arrows(&path), arrows(&expect.replicas))
    } else if let Some(never) = never_ready(expect, report) {
        format!("{never} replicas were wanted, and never ready all at once")
    } else {
        return ruling(Verdict::Pass, figure, String::new());
    };
    ruling(Verdict::Missed, figure, why)
}

/// The most that was expected, and how long after the first wish for more it was ready.
fn first_ready(report: &AutoscaleReport, expect: &ExpectedScale) -> Option<(u64, u32)> {
    let peak = *expect.replicas.iter().max()?;
    let first = report.changes.iter().find(|change| change.to > change.from)?;
    let ready = report.moments.iter().find(|moment| moment.at_ns >= first.at_ns && moment.ready >= peak)?;
    Some((ready.at_ns - first.at_ns, peak))
}

/// A turning point that was never seen ready; the looks come in the same order.
fn never_ready(expect: &ExpectedScale, report: &AutoscaleReport) -> Option<u32> {
    let mut looks = report.moments.iter();
    expect
        .replicas
        .iter()
        .copied()
        .find(|wanted| !looks.any(|moment| moment.ready == *wanted && moment.wanted == *wanted))
}

/// Each number of wanted replicas, once for as long as it stayed.
fn path(moments: &[Moment]) -> Vec<u32> {
    let mut path: Vec<u32> = moments.iter().map(|moment| moment.wanted).collect();
    path.dedup();
    path
}

/// Beginning, turning points and end.
fn turns(path: &[u32]) -> Vec<u32> {
    let inner = path.windows(3).filter(|three| (three[0] < three[1]) != (three[1] < three[2])).map(|three| three[1]);
    let (first, last) = (path.first(), path.last().filter(|_| path.len() > 1));
    first.copied().into_iter().chain(inner).chain(last.copied()).collect()
}

fn arrows(path: &[u32]) -> String {
    path.iter().map(u32::to_string).collect::<Vec<_>>().join(" → ")
}

fn latency(expect: &ExpectedScale, report: &AutoscaleReport, outcomes: &[Outcome]) -> Ruling {
    let window_ns = ns(expect.window).max(1);
    let mut windows: std::collections::BTreeMap<u64, Vec<u64>> = std::collections::BTreeMap::new();
    for outcome in outcomes {
        let latency_ns = outcome.failure.map_or(outcome.end_ns.saturating_sub(outcome.intent_ns), |_| u64::MAX);
        windows.entry(outcome.intent_ns / window_ns).or_default().push(latency_ns);
    }
    // The last window is a rest of one: a few requests have no 95th percentile to speak of.
    let last = windows.keys().next_back().copied();
    if windows.len() > 1 && last.is_some_and(|last| (last + 1) * window_ns > report.elapsed_ns) {
        windows.pop_last();
    }
    let worst = windows.iter_mut().filter_map(|(at, values)| Some((percentile(values, 95)?, *at))).max();
    let Some((worst_ns, at)) = worst else {
        return ruling(Verdict::Unknown, "no request".to_owned(), "no request was seen".to_owned());
    };
    if report.outcomes_left_out > 0 {
        let reason = format!("{} requests are more than are kept", thousands(report.outcomes_left_out));
        return ruling(Verdict::Unknown, String::new(), reason);
    }
    let shown = if worst_ns == u64::MAX { "more than one in twenty failed".to_owned() } else { show_ns(worst_ns) };
    let figure = format!("worst p95 {shown} of {} windows", windows.len());
    if worst_ns < ns(expect.p95) {
        return ruling(Verdict::Pass, figure, String::new());
    }
    let reason = format!("p95 was {shown} in the window from {}", show_ns(at * window_ns));
    ruling(Verdict::Missed, figure, reason)
}

fn errors(expect: &ExpectedScale, report: &AutoscaleReport) -> Ruling {
    let counts = report.counts;
    if counts.asked == 0 {
        return ruling(Verdict::Unknown, "no request".to_owned(), "nothing was asked".to_owned());
    }
    let lost = counts.asked.saturating_sub(counts.succeeded);
    let share = lost as f64 / counts.asked as f64;
    let figure = format!("{} of {} ({})", thousands(lost), thousands(counts.asked), show_share(share));
    if share < expect.errors {
        return ruling(Verdict::Pass, figure, String::new());
    }
    let reason =
        format!("{} failed, {} were not sent, {} had no end", counts.failed, counts.not_sent, counts.unfinished);
    ruling(Verdict::Missed, figure, reason)
}

/// Errors within the changes that made replicas fewer.
fn drain(report: &AutoscaleReport, outcomes: &[Outcome]) -> Ruling {
    let downs: Vec<&ScaleChange> = report.changes.iter().filter(|change| change.to < change.from).collect();
    if downs.is_empty() {
        let reason = "no replica left while the load went on".to_owned();
        return ruling(Verdict::Unknown, "no replica left".to_owned(), reason);
    }
    let within = |outcome: &&Outcome| {
        downs.iter().any(|down| (down.at_ns..=down.done_ns + AFTERMATH_NS).contains(&outcome.end_ns))
    };
    let seen: Vec<&Outcome> = outcomes.iter().filter(within).collect();
    let failed = seen.iter().filter(|outcome| outcome.failure.is_some()).count() as u64;
    let left: u32 = downs.iter().map(|down| down.from - down.to).sum();
    let figure = format!("{left} replicas left, {failed} of {} failed meanwhile", thousands(seen.len() as u64));
    if let Some(failed) = downs.iter().find_map(|down| down.failed.as_ref()) {
        return ruling(Verdict::Unknown, figure, format!("not all that were to leave have left: {failed}"));
    }
    if report.outcomes_left_out > 0 {
        let reason = format!("{} requests are more than are kept", thousands(report.outcomes_left_out));
        return ruling(Verdict::Unknown, figure, reason);
    }
    if seen.is_empty() {
        return ruling(Verdict::Unknown, figure, "nobody called while replicas left".to_owned());
    }
    let Some(first) = seen.iter().find_map(|outcome| Some((outcome.end_ns, outcome.failure?))) else {
        return ruling(Verdict::Pass, figure, String::new());
    };
    let reason =
        format!("{failed} requests failed while replicas left, the first after {} ({})", show_ns(first.0), first.1);
    ruling(Verdict::Missed, figure, reason)
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
