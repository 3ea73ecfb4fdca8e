//! A check's run as JUnit: a violated workload is a failure, an unknown one an error.

use stampede_model::check::{Answer, CheckRun, WorkloadVerdict};

use super::{text, timeline, words};
use crate::export::junit::{End, Suite};

pub(super) fn render(run: &CheckRun) -> String {
    let mut suite = Suite::default();
    for verdict in &run.workloads {
        let seconds = verdict.elapsed_ms as f64 / 1e3;
        let class = format!("check.{}", verdict.model);
        suite.case([&class, &verdict.id], seconds, end(verdict), &told(verdict));
    }
    let elapsed_ns = run.elapsed_ms.saturating_mul(1_000_000);
    suite.document(&format!("check of {}", run.target), elapsed_ns, words::started_unix_ns(run))
}

fn end(verdict: &WorkloadVerdict) -> End {
    match verdict.answer {
        Answer::Holds => End::Pass,
        Answer::Violated => End::Failure(sentences(verdict.violations(), "violated")),
        Answer::Unknown => End::Error(sentences(verdict.doubts(), "nothing says why it is unknown")),
    }
}

fn sentences<'a>(findings: impl Iterator<Item = &'a stampede_model::check::Finding>, otherwise: &str) -> String {
    /// Sentences in one message.
    const TOLD: usize = 5;
    let all: Vec<String> = findings
        .take(TOLD)
        .map(|finding| format!("{}: {}", words::of_key(&finding.rule, &finding.key), finding.what))
        .collect();
    if all.is_empty() { otherwise.to_owned() } else { all.join("; ") }
}

fn told(verdict: &WorkloadVerdict) -> String {
    let mut lines = vec![text::line(verdict)];
    for example in &verdict.counterexamples {
        lines.push(String::new());
        lines.extend(timeline::bars(example));
        lines.extend(timeline::sentences(example));
    }
    lines.join("\n")
}
