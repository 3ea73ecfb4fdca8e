//! From single answers to findings.

use std::collections::BTreeMap;

use super::{HoldRecord, Moments, Outcome, Phase, PhaseRecord, PoolRecord, PoolRule, PoolSecond, Probe};
use crate::failure::FailureKind;
use crate::histogram::Histogram;
use crate::run::LatencyMs;
use crate::stress::record::{Finding, Grade};
use crate::units::{show_ns, show_share, thousands};

/// How an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quality {
    Good,
    Unavailable,
    Bad,
    NotSent,
}

impl PoolRule {
    fn quality(&self, outcome: Outcome) -> Quality {
        match outcome {
            Outcome::NotSent => Quality::NotSent,
            Outcome::Answered { status, .. } if (200..300).contains(&status) || self.also_good.contains(&status) => {
                Quality::Good
            }
            Outcome::Answered { status: 503, .. } => Quality::Unavailable,
            Outcome::Answered { .. } | Outcome::Failed(_) => Quality::Bad,
        }
    }

    /// Judges all requests of a run.
    pub fn judge(&self, probes: &[Probe], moments: Moments, hold: HoldRecord) -> (PoolRecord, Vec<Finding>) {
        let phases: Vec<PhaseRecord> = [Phase::Before, Phase::During, Phase::After]
            .map(|phase| self.count(phase, probes.iter().filter(|probe| moments.phase(probe) == phase)))
            .into();
        let after: Vec<&Probe> = probes.iter().filter(|probe| moments.phase(probe) == Phase::After).collect();
        let (first_good_ns, settled_ns) = self.recovery(&after, moments.released_ns);
        let record = PoolRecord { hold, moments, phases, first_good_ns, settled_ns, seconds: self.seconds(probes) };
        let mut findings = Vec::new();
        let mut find = |grade, text: String| findings.push(Finding { grade, text });
        check_before(&record.phases[0], &mut find);
        self.check_during(&record.phases[1], &mut find);
        self.check_after(&record, &mut find);
        for phase in record.phases.iter().filter(|phase| phase.not_sent > 0) {
            let count = thousands(phase.not_sent);
            find(Grade::Doubt, format!("{count} requests {} were not sent: too many under way", phase.phase.words()));
        }
        findings.sort_by_key(|finding| finding.grade);
        (record, findings)
    }

    fn count<'p>(&self, phase: Phase, probes: impl Iterator<Item = &'p Probe>) -> PhaseRecord {
        let mut histogram = Histogram::new();
        let mut record = PhaseRecord {
            phase,
            asked: 0,
            good: 0,
            unavailable: 0,
            retry_after: 0,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            not_sent: 0,
            latency_ms: LatencyMs::default(),
        };
        for probe in probes {
            record.asked += 1;
            match self.quality(probe.outcome) {
                Quality::Good => record.good += 1,
                Quality::Unavailable => record.unavailable += 1,
                Quality::Bad => {}
                Quality::NotSent => record.not_sent += 1,
            }
            let took_ns = probe.end_ns.saturating_sub(probe.at_ns);
            match probe.outcome {
                Outcome::Answered { status, retry_after } => {
                    *record.statuses.entry(status).or_default() += 1;
                    record.retry_after += u64::from(retry_after && status == 503);
                    histogram.record(took_ns);
                }
                Outcome::Failed(kind) => {
                    *record.failures.entry(kind).or_default() += 1;
                    match kind {
                        FailureKind::Timeout | FailureKind::ConnectTimeout => histogram.record_at_least(took_ns),
                        _ => histogram.record(took_ns),
                    }
                }
                Outcome::NotSent => {}
            }
        }
        record.latency_ms = LatencyMs::of(&histogram);
        record
    }

    /// First good answer, and the first after which none was bad.
    fn recovery(&self, after: &[&Probe], released_ns: u64) -> (Option<u64>, Option<u64>) {
        let good = |probe: &&&Probe| self.quality(probe.outcome) == Quality::Good;
        let end = |probe: &&Probe| probe.end_ns.saturating_sub(released_ns);
        let first_good = after.iter().filter(good).map(end).min();
        let last_bad = after.iter().filter(|probe| !good(probe)).map(|probe| probe.at_ns).max();
        let settled = after.iter().filter(good).filter(|probe| last_bad.is_none_or(|bad| bad < probe.at_ns));
        (first_good, settled.map(end).min())
    }

    fn seconds(&self, probes: &[Probe]) -> Vec<PoolSecond> {
        let mut seconds: BTreeMap<u64, PoolSecond> = BTreeMap::new();
        for probe in probes {
            let number = probe.at_ns / 1_000_000_000;
            let second = seconds.entry(number).or_insert(PoolSecond { second: number, ..PoolSecond::default() });
            match self.quality(probe.outcome) {
                Quality::Good => second.good += 1,
                Quality::Unavailable => second.unavailable += 1,
                Quality::Bad | Quality::NotSent => second.bad += 1,
            }
        }
        seconds.into_values().collect()
    }

    fn check_after(&self, record: &PoolRecord, find: &mut impl FnMut(Grade, String)) {
        let within = show_ns(self.recover_within_ns);
        match (record.first_good_ns, record.settled_ns) {
            (None, _) => {
                let watched = record.moments.end_ns.saturating_sub(record.moments.released_ns);
                let text = format!("not one good answer within {} after the release", show_ns(watched));
                find(Grade::Violation, text);
            }
            (Some(_), None) => {
                find(Grade::Missed, format!("answers were still bad at the end, {within} were allowed"));
            }
            (Some(_), Some(settled)) if settled > self.recover_within_ns => {
                find(Grade::Missed, format!("good answers took {} after the release, not {within}", show_ns(settled)));
            }
            (Some(_), Some(_)) => {}
        }
    }

    fn check_during(&self, during: &PhaseRecord, find: &mut impl FnMut(Grade, String)) {
        if during.asked == 0 {
            find(Grade::Doubt, "no request was under way while connections were held".to_owned());
            return;
        }
        let good: u64 = during.good + during.unavailable;
        for (kind, count) in &during.failures {
            let what = match kind {
                FailureKind::Timeout | FailureKind::ConnectTimeout => "hung until their time-out".to_owned(),
                kind => format!("ended as: {}", kind.label()),
            };
            // Ports and files that ran out are this machine's.
            let own = matches!(kind, FailureKind::NoLocalPort | FailureKind::TooManyOpenFiles);
            find(
                if own { Grade::Doubt } else { Grade::Violation },
                format!("while connections were held {} requests {what}", thousands(*count)),
            );
        }
        let answered: u64 = during.statuses.values().sum();
        if answered > good {
            let bad: Vec<String> = during
                .statuses
                .iter()
                .filter(|(status, _)| {
                    let outcome = Outcome::Answered { status: **status, retry_after: false };
                    self.quality(outcome) == Quality::Bad
                })
                .map(|(status, count)| format!("{count} x {status}"))
                .collect();
            let text = format!("while connections were held answers were neither good nor 503: {}", bad.join(", "));
            find(Grade::Violation, text);
        }
        if during.good == during.asked {
            let text = "no request felt the lack of connections: the service lived on those it had; \
                        --lock TABLE makes them wait";
            find(Grade::Note, text.to_owned());
        }
        let silent = during.unavailable - during.retry_after;
        if silent > 0 {
            let share = silent as f64 / during.unavailable as f64;
            find(
                Grade::Note,
                format!("{} of the answers 503 do not say when to come again (Retry-After)", show_share(share)),
            );
        }
    }
}

fn check_before(before: &PhaseRecord, find: &mut impl FnMut(Grade, String)) {
    if before.asked == 0 || before.good < before.asked {
        let text = format!(
            "before anything was held only {} of {} answers were good: the service must be well to be judged",
            thousands(before.good),
            thousands(before.asked)
        );
        find(Grade::Doubt, text);
    }
}
