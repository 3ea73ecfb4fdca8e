//! Everything of a campaign on one axis: what clients saw, what the servers did, when what was broken, what moved first.

use std::time::Duration;

use stampede_model::chaos::FaultReport;
use stampede_model::run_result::LoadResult;
use stampede_model::timeline::{Band, Moment, MomentKind, Timeline, Unit, hints};
use stampede_model::units::{show_ns, thousands};

const LATENCY: (&str, Unit) = ("Latency of answers", Unit::Ns);
const REQUESTS: (&str, Unit) = ("Requests", Unit::PerSecond);
const WATCHED: &str = "p99";
const SECOND_NS: u64 = 1_000_000_000;

/// Puts what was looked at beside what the load saw, with the faults as bands and hints as marks.
pub(crate) fn assemble(
    looked: Timeline,
    load: &LoadResult,
    faults: &[FaultReport],
    (elapsed, aborted): (Duration, Option<&str>),
) -> Timeline {
    let length_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    let mut timeline = Timeline { length_ns, ..Timeline::default() };
    let width = f64::from(load.point_s.max(1));
    for point in &load.seconds {
        let at_ns = u64::from(point.second) * SECOND_NS;
        for (name, value) in [("p50", point.p50_ns), ("p95", point.p95_ns), (WATCHED, point.p99_ns)] {
            if let Some(value) = value {
                timeline.add(LATENCY, name, (at_ns, value as f64));
            }
        }
        timeline.add(REQUESTS, "succeeded", (at_ns, point.succeeded as f64 / width));
        timeline.add(REQUESTS, "failed", (at_ns, point.failed as f64 / width));
    }
    timeline.panels.extend(looked.panels);
    timeline.bands = faults.iter().filter(|fault| fault.refused.is_none()).map(band).collect();
    timeline.marks = hints(&timeline, LATENCY.0, WATCHED);
    if let Some(why) = aborted {
        timeline.marks.push(Moment { at_ns: length_ns, text: format!("given up: {why}"), kind: MomentKind::Event });
    }
    timeline.marks.sort_by_key(|mark| mark.at_ns);
    timeline
}

fn band(fault: &FaultReport) -> Band {
    let recovered = match fault.seen.recovered_after_ns {
        None => "no good answer was seen after it".to_owned(),
        Some(0) => "clients noticed nothing".to_owned(),
        Some(after) => format!("clients were served again after {}", show_ns(after)),
    };
    let judged = fault.expected.judge(&fault.seen);
    let missed: Vec<&str> = judged.iter().filter(|(_, kept)| !kept).map(|(limit, _)| limit.as_str()).collect();
    let missed = if missed.is_empty() { String::new() } else { format!("; missed: {}", missed.join(", ")) };
    let undone = if fault.verified { "" } else { "; NOT UNDONE" };
    let failed = thousands(fault.seen.bad());
    Band {
        name: format!("{} on {}", fault.fault, fault.on),
        from_ns: fault.injected_ns,
        until_ns: fault.undone_ns,
        text: format!("{failed} requests failed, {recovered}{missed}{undone}"),
    }
}
