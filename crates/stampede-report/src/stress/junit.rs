//! JUnit: one test case per threshold, and one for all that was found out.

use stampede_model::stress::{Grade, StressKind, StressRun};
use stampede_model::units::show_ns;

use crate::export::junit::{End, Suite};
use crate::words;

/// The whole document of a run alone.
pub(super) fn document(run: &StressRun) -> String {
    let mut suite = Suite::default();
    cases(&mut suite, "stress", run);
    suite.document(&words::stressed(run), run.elapsed_ns, run.started_unix_ns)
}

/// The run's cases, under a class of its own.
pub(crate) fn cases(suite: &mut Suite, class: &str, run: &StressRun) {
    let kind = match run.kind {
        StressKind::Postgres => "postgres",
        StressKind::Redis => "redis",
        StressKind::Pool => "pool",
        StressKind::Http => "http",
    };
    let class = format!("{class}.{kind}");
    for judged in &run.thresholds {
        suite.threshold(&class, judged);
    }
    let told = |wanted: &[Grade]| {
        let found = run.findings.iter().filter(|finding| wanted.contains(&finding.grade));
        found.map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("; ")
    };
    let (bad, open) = (told(&[Grade::Violation, Grade::Missed]), told(&[Grade::Doubt]));
    let end = match (bad.is_empty(), open.is_empty()) {
        (false, _) => End::Failure(bad),
        (true, false) => End::Error(format!("the verdict stays open: {open}")),
        (true, true) => End::Pass,
    };
    let commands: Vec<&str> = run.tools.iter().map(|tool| tool.command.as_str()).collect();
    let what = format!("{}, {}", words::stressed(run), show_ns(run.elapsed_ns));
    let notes = told(&[Grade::Note]);
    let lines: Vec<&str> = [what.as_str()].into_iter().chain(commands).chain([notes.as_str()]).collect();
    let seconds = run.elapsed_ns as f64 / 1e9;
    suite.case([&class, "nothing was found against it"], seconds, end, lines.join("\n").trim_end());
}
