//! JUnit: one test case per threshold, one for the generator, one per step, as build servers show them.
//!
//! Invariants: a broken threshold is a failure; one that the measurement leaves open, and a doubt about the generator, is
//! an error; a step fails by its own thresholds alone, because without one nobody said what it may cost; a step that was
//! never asked is skipped. Letters that XML cannot hold are spelt out.

use std::fmt::Write;

use stampede_model::run::RunFile;
use stampede_model::run_result::StepResult;
use stampede_model::threshold::{Judged, Judgement};
use stampede_model::units::{show_figure, show_ns, thousands};

use crate::{stress, words};

/// The cases so far, and how many ended how.
#[derive(Default)]
pub(crate) struct Suite {
    cases: String,
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

/// How a case ended.
pub(crate) enum End {
    /// Well.
    Pass,
    /// A limit is broken.
    Failure(String),
    /// The verdict stays open.
    Error(String),
    /// There was nothing to judge.
    Skipped(&'static str),
}

/// The whole document.
pub(super) fn render(run: &RunFile) -> String {
    let mut suite = Suite::default();
    for judged in &run.thresholds {
        suite.threshold("thresholds", judged);
    }
    let doubts: Vec<String> = run.trust.doubts.iter().map(ToString::to_string).collect();
    let end = if doubts.is_empty() { End::Pass } else { End::Error(doubts.join("; ")) };
    suite.case(["generator", "the measurement is trustworthy"], 0.0, end, &run.trust.remarks.join("\n"));
    for step in &run.result.steps {
        let seconds = step.latency.intent.mean().map_or(0.0, |figure| figure.ns as f64 / 1e9);
        suite.case(["steps", &step.name], seconds, of_step(run, step), &figures(step));
    }
    for (number, stress) in (1..).zip(&run.stress) {
        stress::junit_cases(&mut suite, &format!("stress-{number}"), stress);
    }
    suite.document(&words::target(run), run.result.elapsed_ns, run.started_unix_ns)
}

fn of_step(run: &RunFile, step: &StepResult) -> End {
    if step.counts.asked == 0 {
        return End::Skipped("no request was asked of it");
    }
    let own = run.thresholds.iter().filter(|judged| judged.step.as_deref() == Some(&*step.name));
    let told = |judgement| {
        let bad = own.clone().filter(|judged| judged.judgement == judgement);
        let told: Vec<String> = bad.map(|bad| format!("{}: measured {}", bad.threshold, bad.measured)).collect();
        told.join("; ")
    };
    let (broken, open) = (told(Judgement::Fail), told(Judgement::Unknown));
    match (broken.is_empty(), open.is_empty()) {
        (false, _) => End::Failure(broken),
        (true, false) => End::Error(format!("the measurement leaves it open: {open}")),
        (true, true) => End::Pass,
    }
}

fn figures(step: &StepResult) -> String {
    let intent = &step.latency.intent;
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| show_figure(intent.quantile(share)));
    let (asked, succeeded) = (thousands(step.counts.asked), thousands(step.counts.succeeded));
    let max = show_figure(intent.max());
    let mut text = format!("asked {asked}, succeeded {succeeded}; p50 {p50}, p95 {p95}, p99 {p99}, max {max}");
    for failure in &step.failures {
        let (count, first) = (thousands(failure.count), show_ns(failure.first_ns));
        let _infallible = write!(text, "\n{count} x {}, first at {first} ({})", failure.kind, failure.example);
    }
    text
}

impl Suite {
    /// A threshold as a case.
    pub(crate) fn threshold(&mut self, class: &str, judged: &Judged) {
        let threshold = words::threshold(judged);
        let told = format!("{threshold}: measured {}", judged.measured);
        let end = match judged.judgement {
            Judgement::Pass => End::Pass,
            Judgement::Fail => End::Failure(told.clone()),
            Judgement::Unknown => End::Error(format!("the measurement leaves it open: {told}")),
        };
        self.case([class, &threshold], 0.0, end, &told);
    }

    /// One case with what is told of it.
    pub(crate) fn case(&mut self, [class, name]: [&str; 2], seconds: f64, end: End, told: &str) {
        self.tests += 1;
        let (class, name, told) = (xml(class), xml(name), xml(told));
        let _infallible =
            write!(self.cases, "    <testcase classname=\"stampede.{class}\" name=\"{name}\" time=\"{seconds:.6}\">");
        let inner = match end {
            End::Pass => String::new(),
            End::Failure(message) => {
                self.failures += 1;
                format!("<failure message=\"{0}\">{0}</failure>", xml(&message))
            }
            End::Error(message) => {
                self.errors += 1;
                format!("<error message=\"{0}\">{0}</error>", xml(&message))
            }
            End::Skipped(why) => {
                self.skipped += 1;
                format!("<skipped message=\"{}\"/>", xml(why))
            }
        };
        let _infallible = writeln!(self.cases, "{inner}<system-out>{told}</system-out></testcase>");
    }

    /// The whole document of a run called `target`.
    pub(crate) fn document(&self, target: &str, elapsed_ns: u64, started_unix_ns: u64) -> String {
        let Self { cases, tests, failures, errors, skipped } = self;
        let sums = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"");
        let (name, seconds) = (xml(target), elapsed_ns as f64 / 1e9);
        let stamp = words::timestamp(started_unix_ns)
            .map_or(String::new(), |time| format!(" timestamp=\"{}\"", time.strftime("%Y-%m-%dT%H:%M:%SZ")));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"stampede\" {sums} time=\"{seconds:.3}\">\n  \
             <testsuite name=\"{name}\" {sums} time=\"{seconds:.3}\"{stamp}>\n{cases}  </testsuite>\n</testsuites>\n"
        )
    }
}

/// Text as XML's: control characters, which no escape of XML can hold, are spelt out.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in words::plain_lines(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            // An attribute would make a blank of them.
            '\n' => safe.push_str("&#10;"),
            '\t' => safe.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}
