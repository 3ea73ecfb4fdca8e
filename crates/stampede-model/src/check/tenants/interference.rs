//! The same script with others idle and with others busy: its answers are the same.

use std::collections::BTreeMap;

use super::op::{Digest, TenantKey};
use crate::check::{Finding, Findings};
use crate::history::Heading;

/// Compares what each script saw without load and with it.
pub(super) fn check(tenant: &TenantKey<'_>, heading: &Heading, findings: &mut Findings) {
    let mut scripts: BTreeMap<&str, (Vec<&Digest>, Vec<&Digest>)> = BTreeMap::new();
    for digest in &tenant.digests {
        let (idle, loaded) = scripts.entry(&digest.script).or_default();
        if digest.loaded { loaded.push(digest) } else { idle.push(digest) }
    }
    for (script, (idle, loaded)) in scripts {
        let Some(first) = idle.first().filter(|_| !loaded.is_empty()) else {
            let what = format!("the script `{script}` was not run both with others idle and with others busy");
            findings.doubt(Finding::new("too-few-operations", tenant.key, what));
            continue;
        };
        if let Some(other) = idle.iter().find(|other| other.of_answers != first.of_answers) {
            let what = format!("the script `{script}` differs from itself with others idle: nothing can be compared");
            findings.doubt(Finding::new("indeterminate", tenant.key, what).by([other.id, first.id]));
            continue;
        }
        for other in loaded.iter().filter(|other| other.of_answers != first.of_answers) {
            let what = format!("the script `{script}` of `{}` saw other answers while others were busy", tenant.key);
            findings.violation(
                Finding::new("interference", tenant.key, what)
                    .by([other.id, first.id])
                    .allowed("the answers it gets when nobody else is there"),
            );
        }
    }
    let is_expected = heading.settings.text("unanswered").ok().flatten().as_deref() == Some("expected");
    if let Some(&first) = tenant.failed.first().filter(|_| !is_expected) {
        let what = format!("{} runs of a script did not end well and were not compared", tenant.failed.len());
        findings.doubt(Finding::new("too-few-operations", tenant.key, what).by([first]));
    }
}
