//! Jobs that wait: how fast they come and go, when they will be done, and how many workers that takes.

use std::collections::BTreeMap;

use super::{Finding, Kind, Severity};
use crate::units::{show_duration, thousands, trimmed};

/// Fewer waiting jobs are no backlog.
const WAITING_LEAST: u64 = 50;
/// A backlog that is gone sooner needs nobody.
const CLEARS_SOON_S: f64 = 60.0;
/// Most workers that are proposed.
const WORKERS_MOST: f64 = 1_000.0;

/// Two looks at the queues.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Jobs that waited in each queue at the first look and at the last.
    pub queues: BTreeMap<String, (u64, u64)>,
    /// Time between the looks, in seconds.
    pub seconds: f64,
    /// Jobs that the workers did meanwhile; `None` when nobody tells.
    pub done: Option<u64>,
    /// The service that does them, and how many of it are ready.
    pub workers: Option<(String, u32)>,
}

impl Backlog {
    fn before(&self) -> u64 {
        self.queues.values().map(|(before, _)| before).sum()
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> u64 {
        self.queues.values().map(|(_, now)| now).sum()
    }

    /// By how much it grows, per second.
    pub fn growth_per_s(&self) -> f64 {
        (self.waiting() as f64 - self.before() as f64) / self.seconds.max(1e-3)
    }

    /// Jobs that are done, per second: as the workers tell, else as the queues shrink.
    pub fn done_per_s(&self) -> Option<f64> {
        self.done.map(|done| done as f64 / self.seconds.max(1e-3))
    }

    /// When all of them are done if nothing changes, in seconds; `None` is never.
    pub fn clears_in_s(&self) -> Option<f64> {
        let shrinks = -self.growth_per_s();
        (shrinks > 0.0).then(|| self.waiting() as f64 / shrinks)
    }

    /// How many workers keep up with what comes, and how many also clear what waits within a minute; `None` when it is not known
    /// what one does.
    pub fn workers_needed(&self) -> Option<(u32, u32)> {
        let (_, workers) = self.workers.as_ref().filter(|(_, workers)| *workers > 0)?;
        let done = self.done_per_s().filter(|done| *done > 0.0)?;
        let each = done / f64::from(*workers);
        let comes = (done + self.growth_per_s()).max(0.0);
        let to_clear = comes + self.waiting() as f64 / CLEARS_SOON_S;
        let whole = |needed: f64| needed.ceil().clamp(1.0, WORKERS_MOST) as u32;
        Some((whole(comes / each), whole(to_clear / each)))
    }

    pub(super) fn finding(&self) -> Option<Finding> {
        let waiting = self.waiting();
        let clears = self.clears_in_s();
        if waiting < WAITING_LEAST || clears.is_some_and(|seconds| seconds < CLEARS_SOON_S) {
            return None;
        }
        let when = match clears {
            Some(seconds) => format!("empty in {} if nothing changes", show_seconds(seconds)),
            None => "it never gets empty this way".to_owned(),
        };
        let (service, workers) = self.workers.clone().unwrap_or_else(|| ("worker".to_owned(), 0));
        let idle = self.done == Some(0) || (self.workers.is_some() && workers == 0);
        let severity = if idle { Severity::Now } else { Severity::Soon };
        let text = format!("{} jobs wait, {}: {when}", thousands(waiting), self.pace());
        let hint = match self.workers_needed() {
            Some((keep_up, clear)) => format!(
                "{keep_up} workers keep up and {clear} clear it within {}: `stampede cluster scale {service}={clear}`, or \
                 kubectl scale deployment",
                show_seconds(CLEARS_SOON_S)
            ),
            None if idle => {
                format!("no job was done meanwhile: are the workers alive? `stampede cluster logs {service}`")
            }
            None => format!("more workers: `stampede cluster scale {service}=N`; or jobs that are quicker"),
        };
        let evidence =
            self.queues.iter().filter(|(_, (before, now))| before + now > 0).map(|(queue, (before, now))| {
                format!(
                    "{queue} had {} and has {} after {}",
                    thousands(*before),
                    thousands(*now),
                    show_seconds(self.seconds)
                )
            });
        Some(Finding::new((severity, Kind::Backlog), text, hint).with(evidence))
    }

    fn pace(&self) -> String {
        let growth = self.growth_per_s();
        match (self.done_per_s(), &self.workers) {
            (Some(done), Some((service, workers))) => format!(
                "{}/s come and {}/s are done by {workers} replicas of {service}",
                rate((done + growth).max(0.0)),
                rate(done)
            ),
            (Some(done), None) => format!("{}/s come and {}/s are done", rate((done + growth).max(0.0)), rate(done)),
            (None, _) => format!("{}{}/s", if growth >= 0.0 { "+" } else { "" }, rate(growth)),
        }
    }
}

fn rate(per_s: f64) -> String {
    trimmed((per_s * 10.0).round() / 10.0)
}

fn show_seconds(seconds: f64) -> String {
    let whole = seconds.clamp(0.0, 1e9).ceil() as u64;
    if whole >= 120 {
        format!("{} min", whole.div_ceil(60))
    } else {
        show_duration(std::time::Duration::from_secs(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(before: u64, now: u64, done: Option<u64>, workers: u32) -> Backlog {
        let queues = [("queue:default".to_owned(), (before, now))].into();
        Backlog { queues, seconds: 3.0, done, workers: Some(("worker".into(), workers)) }
    }

    #[test]
    fn time_to_clear_and_workers_follow_from_two_looks() {
        // 30 are done in three seconds by two workers, 5 each and second; 60 more wait than before: 30/s come.
        let growing = backlog(1_140, 1_200, Some(30), 2);
        assert_eq!(growing.clears_in_s(), None);
        assert_eq!(growing.workers_needed(), Some((6, 10)));
        let found = growing.finding().unwrap();
        assert_eq!(found.severity, Severity::Soon);
        let text = "1,200 jobs wait, 30/s come and 10/s are done by 2 replicas of worker: it never gets empty this way";
        assert_eq!(found.seen, text);
        assert!(found.hint.contains("6 workers keep up and 10 clear it within 60s"), "{found:?}");
        assert_eq!(found.evidence, ["queue:default had 1,140 and has 1,200 after 3s"]);

        let shrinking = backlog(10_030, 10_000, Some(30), 2);
        assert_eq!(shrinking.clears_in_s(), Some(1_000.0));
        assert!(shrinking.finding().unwrap().seen.ends_with("empty in 17 min if nothing changes"));
    }

    #[test]
    fn nobody_who_works_is_for_now() {
        let idle = backlog(500, 500, Some(0), 2).finding().unwrap();
        assert!(idle.severity == Severity::Now && idle.hint.contains("are the workers alive"), "{idle:?}");
        assert_eq!(backlog(500, 500, Some(9), 0).finding().unwrap().severity, Severity::Now);
        assert_eq!(backlog(500, 500, Some(9), 0).workers_needed(), None);
        let untold = backlog(500, 560, None, 2).finding().unwrap();
        assert!(untold.severity == Severity::Soon && untold.seen.contains("+20/s"), "{untold:?}");
    }

    #[test]
    fn a_healthy_queue_is_no_finding() {
        for healthy in [backlog(0, 0, Some(0), 2), backlog(0, 3, Some(90), 2), backlog(300, 200, Some(90), 2)] {
            assert_eq!(healthy.finding(), None, "{healthy:?}");
        }
        assert_eq!(Backlog::default().finding(), None);
    }
}
