//! What each answer must satisfy by itself: no figure below zero, and units that add up.

use super::typed::{Figure, Figures, Level};
use crate::check::{Finding, Findings};

/// Looks at every answer by itself.
pub(super) fn check(level: &Level, findings: &mut Findings) {
    for op in level.ops() {
        let shown = op.figures();
        if *shown == Figures::NONE {
            continue;
        }
        for figure in Figure::ALL {
            if let Some(value) = shown.get(figure).filter(|value| *value < 0) {
                let what = format!("{} answered {value} {}", op.words(), figure.as_str());
                findings
                    .violation(Finding::new("negative-stock", level.key(), what).by([op.id()]).allowed("0 or more"));
            }
        }
        let [Some(available), Some(reserved), Some(shipped), Some(received)] =
            Figure::ALL.map(|figure| shown.get(figure))
        else {
            continue;
        };
        let accounted = available + reserved + shipped;
        if accounted != received {
            let rule = if accounted > received { "units-made" } else { "units-lost" };
            let what = format!(
                "{} answered {available} available + {reserved} reserved + {shipped} shipped = {accounted}, but {received} received",
                op.words()
            );
            let allowed = format!("figures that add up to {received}");
            findings.violation(Finding::new(rule, level.key(), what).by([op.id()]).allowed(allowed));
        }
    }
}
