//! A load row: thresholds over a measurement that can be believed.

use super::{Ruling, Verdict};
use crate::run::RunFile;
use crate::run_result::Ending;
use crate::threshold::Judgement;
use crate::units::{show_figure, show_share, thousands};

/// Judges a load run by the thresholds concluded in it.
pub fn judge_load(run: &RunFile) -> Ruling {
    let evidence: Vec<String> = run
        .thresholds
        .iter()
        .filter(|judged| judged.judgement != Judgement::Pass)
        .map(|judged| format!("{}: measured {}", judged.threshold, judged.measured))
        .collect();
    let doubts: Vec<String> = run.trust.doubts.iter().map(ToString::to_string).collect();
    let (verdict, evidence) = if !run.trust.stands() {
        (Verdict::Unknown, doubts)
    } else if run.any(Judgement::Fail) {
        (Verdict::Missed, evidence)
    } else if run.result.ending != Ending::Complete {
        (Verdict::Unknown, vec!["the load was stopped before its end".to_owned()])
    } else if run.any(Judgement::Unknown) || run.thresholds.is_empty() {
        (Verdict::Unknown, evidence)
    } else {
        (Verdict::Pass, evidence)
    };
    Ruling { verdict, figure: figure(run), reason: evidence.join("; "), evidence }
}

fn figure(run: &RunFile) -> String {
    let intent = &run.result.latency.intent;
    format!(
        "p95 {}, p99 {}, errors {} of {}",
        show_figure(intent.quantile(0.95)),
        show_figure(intent.quantile(0.99)),
        show_share(run.result.error_share()),
        thousands(run.result.counts.asked)
    )
}
