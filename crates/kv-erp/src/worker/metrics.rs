//! What a worker has done, in Prometheus' text format.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kv_store::Store;

use crate::http::metrics::{head, line};

/// Kinds with series of their own. There are fewer; this bounds the table whatever jobs there are.
const MAX_KINDS: usize = 64;

/// What came of a claimed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Came {
    Done,
    OverBefore,
    Failed,
    Died,
    PutOff,
    Lost,
    GivenBack,
}

impl Came {
    const ALL: [Self; 7] =
        [Self::Done, Self::OverBefore, Self::Failed, Self::Died, Self::PutOff, Self::Lost, Self::GivenBack];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::OverBefore => "over_before",
            Self::Failed => "failed",
            Self::Died => "dead",
            Self::PutOff => "put_off",
            Self::Lost => "lost",
            Self::GivenBack => "given_back",
        }
    }
}

#[derive(Debug, Default)]
struct Kind {
    came: [u64; Came::ALL.len()],
    took: Duration,
}

/// What a worker has done.
#[derive(Debug, Default)]
pub struct JobMetrics {
    kinds: Mutex<BTreeMap<String, Kind>>,
    running: AtomicU64,
    pushed: AtomicU64,
    panicked: AtomicU64,
    relay_failed: AtomicU64,
    queue_failed: AtomicU64,
}

/// A job under way.
pub(super) struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl JobMetrics {
    pub(super) fn begin(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(&self.running)
    }

    pub(super) fn count(&self, kind: &str, came: Came, took: Duration) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(kind) {
            return;
        }
        let kind = kinds.entry(kind.to_owned()).or_default();
        kind.came[came as usize] += 1;
        kind.took += took;
    }

    pub(super) fn pushed(&self, jobs: u64) {
        self.pushed.fetch_add(jobs, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn relay_failed(&self) {
        self.relay_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn queue_failed(&self) {
        self.queue_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes the worker's own series.
    pub fn render(&self, out: &mut String) {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        head(out, "kv_jobs_total", "counter", "Jobs that were claimed, by kind and what came of it.");
        for (name, kind) in kinds.iter() {
            for (came, count) in Came::ALL.iter().zip(kind.came).filter(|(_, count)| *count > 0) {
                line(out, "kv_jobs_total", &[("kind", &plain(name)), ("outcome", came.as_str())], count);
            }
        }
        head(out, "kv_job_seconds_total", "counter", "Time that jobs of a kind were worked on.");
        for (name, kind) in kinds.iter() {
            line(out, "kv_job_seconds_total", &[("kind", &plain(name))], kind.took.as_secs_f64());
        }
        drop(kinds);
        head(out, "kv_jobs_running", "gauge", "Jobs that are worked on.");
        line(out, "kv_jobs_running", &[], self.running.load(Ordering::Relaxed));
        for (name, help, counter) in [
            ("kv_jobs_pushed_total", "Jobs that the relay brought to the queue.", &self.pushed),
            ("kv_job_panics_total", "Handlers that panicked.", &self.panicked),
            ("kv_job_relay_failures_total", "Rounds of the relay that failed.", &self.relay_failed),
            ("kv_job_queue_failures_total", "Claims that were not answered.", &self.queue_failed),
        ] {
            head(out, name, "counter", help);
            line(out, name, &[], counter.load(Ordering::Relaxed));
        }
    }
}

/// A kind has no sign that would have to be escaped; one that is not ours may have.
fn plain(kind: &str) -> String {
    kind.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\')).collect()
}

/// What is to be done in PostgreSQL.
pub async fn render_outbox(store: &Store, out: &mut String) {
    head(out, "kv_outbox_jobs", "gauge", "Jobs in PostgreSQL that are to be done or dead.");
    for job in store.count_jobs().await.unwrap_or_default() {
        line(out, "kv_outbox_jobs", &[("kind", &plain(&job.kind)), ("state", &job.state)], job.jobs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_jobs_is_counted_by_kind() {
        let metrics = JobMetrics::default();
        for came in [Came::Done, Came::Done, Came::Died] {
            metrics.count("a", came, Duration::from_millis(500));
        }
        let running = metrics.begin();
        let mut text = String::new();
        metrics.render(&mut text);
        for expected in [
            r#"kv_jobs_total{kind="a",outcome="done"} 2"#,
            r#"kv_jobs_total{kind="a",outcome="dead"} 1"#,
            r#"kv_job_seconds_total{kind="a"} 1.5"#,
            "kv_jobs_running 1",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
        }
        drop(running);
        for n in 0..2 * MAX_KINDS {
            metrics.count(&n.to_string(), Came::Done, Duration::ZERO);
        }
        assert_eq!(metrics.kinds.lock().unwrap().len(), MAX_KINDS);
        assert_eq!(metrics.running.load(Ordering::Relaxed), 0);
    }
}
