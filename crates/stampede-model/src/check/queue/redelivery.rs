//! Jobs that came again after a worker died: when, and whether at all.
//!
//! A job that comes late may have waited for a free worker, so lateness is a doubt and no violation.

use super::Rules;
use super::op::QueueKey;
use crate::check::reading::End;
use crate::check::{Finding, Findings};
use crate::units::show_ns;

/// Checks when jobs came again; says whether any did.
pub(super) fn check(queue: &QueueKey<'_>, rules: &Rules, findings: &mut Findings) -> bool {
    let mut comes_again = false;
    for (name, job) in &queue.jobs {
        let mut attempts = job.attempts.clone();
        attempts.sort_by_key(|attempt| (attempt.number, attempt.span.call));
        for pair in attempts.windows(2) {
            let [before, again] = [pair[0], pair[1]];
            if again.number <= before.number {
                continue;
            }
            comes_again = true;
            let (Some(redelivery_ns), false) = (rules.redelivery_ns, before.end == End::Done) else { continue };
            let let_go = before.over.unwrap_or(before.span.call);
            let took_ns = again.span.call.saturating_sub(let_go);
            if took_ns > redelivery_ns.saturating_add(rules.margin_ns) {
                let what = format!(
                    "the job `{name}` came again {} after its worker was gone; {} are announced",
                    show_ns(took_ns),
                    show_ns(redelivery_ns)
                );
                let finding = Finding::new("never-redelivered", queue.key, what);
                findings.doubt(finding.by([again.span.id, before.span.id]));
            }
        }
    }
    comes_again
}
