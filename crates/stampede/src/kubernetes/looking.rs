//! Pods and autoscalers of a namespace over the time of a run, for its time axis.
//!
//! Invariant: looking never holds anything up: what does not answer in time is a gap.

use std::time::Duration;

use stampede_engine::chaos::kubernetes::{AutoscalerRow, KubernetesTarget, PodRow, autoscalers, pods};
use stampede_model::timeline::{Timeline, Unit};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::chaos::looking::Looking;

const LOOK_EVERY: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_millis(1_900);

const READY: (&str, Unit) = ("Pods that are ready", Unit::Count);
const CORES: (&str, Unit) = ("Processors in use, by metrics-server", Unit::Count);
const WANTED: (&str, Unit) = ("Replicas by the autoscalers", Unit::Count);
const USE: (&str, Unit) = ("Use of what the autoscalers watch, in per cent of what is requested", Unit::Count);

/// Looks from now on; `start` is the beginning of the axis.
pub(super) fn begin(target: KubernetesTarget, start: Instant) -> Looking {
    Looking::by(|is_over| look(target, start, is_over))
}

async fn look(target: KubernetesTarget, start: Instant, mut over: watch::Receiver<bool>) -> Timeline {
    let mut seen = Timeline::default();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = over.wait_for(|over| *over) => return seen,
        }
        let at_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        for service in target.services() {
            if let Ok(Ok(rows)) = timeout(ANSWER_WITHIN, pods(&target, service)).await {
                note_pods(&mut seen, (service, at_ns), &rows);
            }
        }
        if let Ok(Ok(rows)) = timeout(ANSWER_WITHIN, autoscalers(&target)).await {
            for row in &rows {
                note_autoscaler(&mut seen, at_ns, row);
            }
        }
    }
}

fn note_pods(seen: &mut Timeline, (service, at_ns): (&str, u64), rows: &[PodRow]) {
    let ready = rows.iter().filter(|row| row.is_ready).count();
    seen.add(READY, service, (at_ns, ready as f64));
    let milli: Vec<u64> = rows.iter().filter_map(|row| row.cpu_milli).collect();
    // Without metrics-server nobody knows, which is not zero.
    if !milli.is_empty() {
        seen.add(CORES, service, (at_ns, milli.iter().sum::<u64>() as f64 / 1_000.0));
    }
}

fn note_autoscaler(seen: &mut Timeline, at_ns: u64, row: &AutoscalerRow) {
    seen.add(WANTED, &format!("{}, wanted", row.name), (at_ns, row.desired as f64));
    seen.add(WANTED, &format!("{}, now", row.name), (at_ns, row.current as f64));
    for (resource, now, _) in &row.uses {
        if let Some(now) = now {
            seen.add(USE, &format!("{} of {}", resource, row.name), (at_ns, *now as f64));
        }
    }
}
