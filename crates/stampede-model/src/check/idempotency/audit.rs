//! What exists and what took effect after the run, against what was answered.

use super::done;
use super::op::{Creation, Effect, Found, IdempotencyKey};
use crate::check::reading::End;
use crate::check::{Finding, Findings};

/// Checks what was found, and doubts what nobody looked up.
pub(super) fn check(key: &IdempotencyKey<'_>, findings: &mut Findings) {
    for found in &key.found {
        check_found(key, found, findings);
    }
    for effect in &key.effects {
        check_effect(key, effect, findings);
    }
    let unknown: Vec<u64> = key.creations.iter().filter(|one| one.end == End::Unknown).map(|one| one.span.id).collect();
    if !unknown.is_empty() && key.found.is_empty() {
        let what = format!("{} creations got no answer and nobody looked up what exists for the key", unknown.len());
        findings.doubt(Finding::new("no-quiescent-read", key.key, what).by(unknown.into_iter().take(6)));
    }
}

/// One that was answered before somebody looked.
fn acknowledged<'a>(key: &'a IdempotencyKey<'_>, before: u64) -> Option<&'a Creation> {
    done(key).find(|one| one.span.end < before)
}

/// One that may have happened by the time somebody had looked.
fn possible(key: &IdempotencyKey<'_>, by: u64) -> bool {
    key.creations.iter().any(|one| one.end.may_be_done() && one.span.call <= by)
}

fn check_found(key: &IdempotencyKey<'_>, found: &Found, findings: &mut Findings) {
    let id = found.span.id;
    if found.ids.len() > 1 {
        let what = format!("operation {id} found {} things for one key: {}", found.ids.len(), shown(&found.ids));
        let asked = key.creations.iter().filter(|one| one.end.may_be_done()).map(|one| one.span.id).take(5);
        let finding = Finding::new("created-twice", key.key, what).by([id].into_iter().chain(asked));
        findings.violation(finding.allowed("one thing"));
    }
    if let Some(made) = acknowledged(key, found.span.call) {
        let name = made.made.as_deref().unwrap_or_default();
        if !found.ids.iter().any(|id| id == name) {
            let what = format!(
                "operation {} was told that `{name}` was created, and operation {id} found {}",
                made.span.id,
                shown(&found.ids)
            );
            let finding = Finding::new("lost-update", key.key, what).by([id, made.span.id]);
            findings.violation(finding.allowed(format!("`{name}`: what was acknowledged exists")));
        }
    } else if !found.ids.is_empty() && !possible(key, found.span.end) {
        let what = format!("operation {id} found {} although every creation was refused or failed", shown(&found.ids));
        let asked = key.creations.iter().map(|one| one.span.id).take(5);
        let finding = Finding::new("created-twice", key.key, what).by([id].into_iter().chain(asked));
        findings.violation(finding.allowed("nothing: what was refused has made nothing"));
    }
}

fn check_effect(key: &IdempotencyKey<'_>, effect: &Effect, findings: &mut Findings) {
    let id = effect.span.id;
    // Any of the accepted or unanswered ones may be the one that took effect, with its units.
    let mut once: Vec<i64> = key
        .creations
        .iter()
        .filter(|one| one.end.may_be_done() && one.span.call <= effect.span.end)
        .map(|one| one.units)
        .collect();
    once.sort_unstable();
    once.dedup();
    let made = acknowledged(key, effect.span.call);
    if once.contains(&effect.units) || made.is_none() && effect.units == 0 {
        return;
    }
    let by =
        [id].into_iter().chain(key.creations.iter().filter(|one| one.end.may_be_done()).map(|one| one.span.id).take(5));
    let due: Vec<String> = once.iter().map(i64::to_string).collect();
    let due = if due.is_empty() { "0".to_owned() } else { due.join(" or ") };
    let most = once.iter().map(|units| units.abs()).max().unwrap_or(0);
    let what = format!("operation {id} counted an effect of {}, once would be {due}", effect.units);
    let rule = if effect.units.abs() > most { "effect-twice" } else { "lost-update" };
    findings.violation(Finding::new(rule, key.key, what).by(by).allowed(format!("an effect of {due}")));
}

/// The first few of a list.
fn shown(ids: &[String]) -> String {
    const SHOWN: usize = 4;
    if ids.is_empty() {
        return "nothing".to_owned();
    }
    let first: Vec<String> = ids.iter().take(SHOWN).map(|id| format!("`{id}`")).collect();
    let more = if ids.len() > SHOWN { ", .." } else { "" };
    format!("{}{more}", first.join(", "))
}
