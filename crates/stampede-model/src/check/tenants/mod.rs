//! Who may see what: no answer to one tenant holds what another wrote, foreign ids are as absent as made-up ones, and what others
//! do changes no answer.
//!
//! Every value a tenant writes carries a canary, a text that names him and occurs nowhere else. So each answer is judged by itself,
//! whatever happened at the same time and whether it was taken as a success or not: the canary is the witness, and no order matters.
//! Invariants: a canary belongs to the longest name of a tenant of the history that it begins with, and accuses nobody if the
//! asker's name is one too; answers without any canary or foreign try prove nothing, and are counted.
//! Absent on purpose: timing. That a foreign id takes longer than an absent one is not seen here.
//!
//! Settings: `min_own` (3: answers in which each tenant must have seen his own canary), `min_foreign` (3: foreign ids each must have
//! tried), `unanswered` ("expected" where somebody breaks the system meanwhile: scripts that did not end well are left out).

mod interference;
mod op;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::reading::{Gathered, bad_setting, count, gather};
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{BadField, Heading, Model, Operation};

use op::{Asked, ForeignEnd, Glimpse, TenantKey};

/// Tries and answers below which nothing is said.
const ENOUGH: u64 = 3;
/// What every canary begins with.
const CANARY: &str = "cnry-";

/// How much each tenant must have tried.
struct Demand {
    own: u64,
    foreign: u64,
}

impl Demand {
    fn of(heading: &Heading) -> Result<Self, BadField> {
        let settings = &heading.settings;
        Ok(Self {
            own: count(settings, "min_own")?.unwrap_or(ENOUGH),
            foreign: count(settings, "min_foreign")?.unwrap_or(ENOUGH),
        })
    }
}

/// Judges a history of tenants.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let name = Model::Tenants.as_str();
    let mut findings = Findings::default();
    let demand = match Demand::of(heading) {
        Ok(demand) => demand,
        Err(error) => {
            findings.doubt(bad_setting(&error));
            return findings.conclude(name, Strength::Nothing, operations.len() as u64, 0);
        }
    };
    let gathered = gather(operations, TenantKey::new, TenantKey::add, &mut findings);
    let known = Known::of(&gathered);
    for tenant in &gathered.keys {
        for glimpse in &tenant.glimpses {
            check_glimpse(tenant.key, glimpse, &known, &mut findings);
        }
        interference::check(tenant, heading, &mut findings);
    }
    check_tried(&gathered, &known, &demand, &mut findings);
    findings
        .conclude(name, Strength::Witness, gathered.operations, gathered.all_keys)
        .with_indeterminate(gathered.unknown, "an answer that never came shows nothing to anybody")
}

/// The tenants that the history names.
struct Known<'a>(BTreeSet<&'a str>);

impl<'a> Known<'a> {
    fn of(gathered: &'a Gathered<TenantKey<'_>>) -> Self {
        let owners = |tenant: &'a TenantKey<'_>| tenant.glimpses.iter().filter_map(|glimpse| glimpse.owner.as_deref());
        Self(gathered.keys.iter().flat_map(|tenant| std::iter::once(tenant.key).chain(owners(tenant))).collect())
    }

    /// Whose canary it is; nobody's if it is none.
    fn owner<'c>(&self, canary: &'c str) -> Option<&'c str> {
        let rest = canary.strip_prefix(CANARY)?;
        let mut ends = rest.match_indices('-').map(|(at, _)| at);
        // The longest name that is known, else all up to the nonce.
        let known = ends.clone().rfind(|&at| self.0.contains(&rest[..at]));
        known.or_else(|| ends.next_back()).map(|at| &rest[..at])
    }
}

fn begins_with(canary: &str, tenant: &str) -> bool {
    let rest = canary.strip_prefix(CANARY).and_then(|rest| rest.strip_prefix(tenant));
    rest.is_some_and(|rest| rest.starts_with('-'))
}

fn check_glimpse(tenant: &str, glimpse: &Glimpse, known: &Known<'_>, findings: &mut Findings) {
    let (id, route) = (glimpse.id, &glimpse.route);
    for canary in &glimpse.canaries {
        match known.owner(canary) {
            Some(owner) if owner == tenant => {}
            Some(owner) if begins_with(canary, tenant) => {
                let what = format!(
                    "`{canary}` may be of `{tenant}` or of `{owner}`: give tenants names that do not begin alike"
                );
                findings.doubt(Finding::new("indeterminate", tenant, what).by([id]));
            }
            Some(owner) => {
                let what = format!("the answer of `{route}` to `{tenant}` holds `{canary}`, which `{owner}` wrote");
                let allowed = format!("what `{tenant}` wrote, and nothing of another tenant");
                findings.violation(Finding::new("tenant-leak", tenant, what).by([id]).allowed(allowed));
            }
            None => {
                let what =
                    format!("operation {id} names `{canary}`, which is no canary of the form {CANARY}<tenant>-<nonce>");
                findings.doubt(Finding::new("bad-field", tenant, what).by([id]));
            }
        }
    }
    let Asked::Foreign { end, shows } = &glimpse.asked else { return };
    let owner = glimpse.owner.as_deref().unwrap_or_default();
    match end {
        ForeignEnd::Accepted => {
            let what = format!("`{route}` was answered to `{tenant}` for an id that belongs to `{owner}`");
            let allowed = "the answer that an id gets which never existed";
            findings.violation(Finding::new("foreign-id-accepted", tenant, what).by([id]).allowed(allowed));
        }
        ForeignEnd::Refused(word) => {
            let what = format!(
                "`{route}` refused `{tenant}` an id of `{owner}` with `{word}`, not as absent: it may tell that the id exists"
            );
            findings.doubt(Finding::new("not-as-absent", tenant, what).by([id]));
        }
        ForeignEnd::Absent | ForeignEnd::Silent => {}
    }
    if *shows && *end != ForeignEnd::Accepted {
        let what =
            format!("the refusal of `{route}` to `{tenant}` shows something of the id that belongs to `{owner}`");
        let allowed = "a text that would be the same for an id which never existed";
        findings.violation(Finding::new("tenant-leak", tenant, what).by([id]).allowed(allowed));
    }
}

/// Isolation that nobody tried holds vacuously.
fn check_tried(gathered: &Gathered<TenantKey<'_>>, known: &Known<'_>, demand: &Demand, findings: &mut Findings) {
    if known.0.len() < 2 {
        findings.doubt(Finding::new("too-few-operations", "", "there are not two tenants in the history"));
    }
    let looked = gathered.keys.iter().filter(|tenant| !tenant.glimpses.is_empty());
    for tenant in looked {
        let owns = |glimpse: &&Glimpse| glimpse.canaries.iter().any(|canary| known.owner(canary) == Some(tenant.key));
        let own = tenant.glimpses.iter().filter(owns).count() as u64;
        let foreign = tenant.glimpses.iter().filter(|glimpse| glimpse.is_answered_try()).count() as u64;
        if own < demand.own || foreign < demand.foreign {
            let what = format!(
                "`{}` saw its own canaries in {own} answers and was answered {foreign} foreign ids; {} and {} are asked for",
                tenant.key, demand.own, demand.foreign
            );
            findings.doubt(Finding::new("too-few-operations", tenant.key, what));
        }
    }
}
