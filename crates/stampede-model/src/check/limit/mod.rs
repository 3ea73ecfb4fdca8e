//! A rate limit of a declared kind: nobody passes above it, nobody is refused below it, and what is told as remaining is true.
//!
//! What "at most 60 a minute" means depends on the kind. A fixed window admits 60 between one reset and the next, so up to 120
//! around a reset; a sliding log admits 60 in any minute; a bucket admits its burst and then as it refills. A checker that does not
//! know the kind accuses right servers or misses wrong ones.
//! Invariants: nobody had called before the history began; windows run on the server's clock, at most `drift_ppm` off, but its
//! time of day may be any: an announced reset is a name of its window, never an instant; a call that was not answered, or was
//! answered by something else than the limiter, may have used a permit.
//! Absent on purpose: counters that only estimate a sliding window, and buckets that are filled in portions: they have no rule that
//! an outsider could hold them to.
//!
//! Settings: `limit`, `window_ms`, `kind` (`fixed`, `sliding`, `bucket`); `burst` (a bucket's size, the limit if it does not say);
//! `refused_counts` (refused calls use permits of a sliding log too); `drift_ppm` (10000); `aligned` (fixed windows begin at
//! multiples of their length since 1970, by a clock that `skew_ms` (1000) bounds); `expect` (`limited` if it does not say).

mod bucket;
mod cause;
mod counts;
mod edges;
mod op;
mod over;
mod remaining;
mod windows;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use super::reading::{Drift, bad_setting, count, gather, ms, need_count, texts};
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{BadField, Heading, Model, Operation};

use counts::Counts;
use op::UserKey;

/// How far the server's time of day may be off, where that matters.
const SKEW_MS: u64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fixed,
    Sliding,
    Bucket,
}

/// What the history says of its limiter.
#[derive(Clone, Copy, Debug)]
struct Rules {
    kind: Kind,
    limit: u64,
    burst: u64,
    window_ns: u64,
    refused_counts: bool,
    drift: Drift,
    /// When the history began and how far that is off, if windows are aligned: nanoseconds since 1970.
    aligned: Option<(u64, u64)>,
    expect_limited: bool,
}

impl Rules {
    fn of(heading: &Heading) -> Result<Self, BadField> {
        const LIMITED: &str = "limited";
        let settings = &heading.settings;
        let wrong = |name: &str, found: String, wanted| BadField::Type { name: name.to_owned(), found, wanted };
        let kind = match settings.need_text("kind")?.as_str() {
            "fixed" => Kind::Fixed,
            "sliding" => Kind::Sliding,
            "bucket" => Kind::Bucket,
            other => return Err(wrong("kind", other.to_owned(), "`fixed`, `sliding` or `bucket`")),
        };
        let limit = need_count(settings, "limit")?;
        let window_ns = ms(need_count(settings, "window_ms")?);
        if limit == 0 || window_ns == 0 {
            return Err(wrong(
                "limit",
                "no call or no time".to_owned(),
                "a limit of at least 1 in a window of at least 1 ms",
            ));
        }
        let expect = texts(settings, "expect")?.unwrap_or_else(|| vec![LIMITED.to_owned()]);
        if let Some(word) = expect.iter().find(|word| *word != LIMITED) {
            return Err(wrong("expect", word.clone(), "a list of `limited`"));
        }
        let skew_ns = ms(count(settings, "skew_ms")?.unwrap_or(SKEW_MS));
        let is_aligned = settings.truth("aligned")?.unwrap_or(false) && heading.started_unix_ns > 0;
        Ok(Self {
            kind,
            limit,
            burst: count(settings, "burst")?.unwrap_or(limit).max(1),
            window_ns,
            refused_counts: settings.truth("refused_counts")?.unwrap_or(false),
            drift: Drift::of(heading)?,
            aligned: is_aligned.then_some((heading.started_unix_ns, skew_ns)),
            expect_limited: !expect.is_empty(),
        })
    }

    /// The least of our time that one window lasts.
    fn least_ns(&self) -> u64 {
        self.drift.least(self.window_ns)
    }

    /// The most.
    fn most_ns(&self) -> u64 {
        self.drift.most(self.window_ns)
    }

    /// The most that anybody has at once.
    fn most_at_once(&self) -> u64 {
        if self.kind == Kind::Bucket { self.burst } else { self.limit }
    }
}

/// One user with what is counted of his calls.
struct User<'a> {
    ops: UserKey<'a>,
    /// Calls that passed.
    admitted: Counts,
    /// Calls that may have used a permit.
    spent: Counts,
}

/// Judges a history of calls under a limit.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let name = Model::RateLimit.as_str();
    let mut findings = Findings::default();
    let rules = match Rules::of(heading) {
        Ok(rules) => rules,
        Err(error) => {
            findings.doubt(bad_setting(&error));
            return findings.conclude(name, Strength::Nothing, operations.len() as u64, 0);
        }
    };
    let gathered = gather(operations, UserKey::new, UserKey::add, &mut findings);
    let users: Vec<User<'_>> = gathered
        .keys
        .into_iter()
        .map(|ops| User {
            admitted: Counts::of(ops.calls.iter().filter(|call| call.is_admitted())),
            spent: Counts::of(ops.calls.iter().filter(|call| call.may_spend(&rules))),
            ops,
        })
        .collect();
    let everybody = Counts::of(users.iter().flat_map(|user| &user.ops.calls).filter(|call| call.may_spend(&rules)));
    let mut strength = if rules.kind == Kind::Bucket { Strength::Bounds } else { Strength::Witness };
    for user in &users {
        remaining::check_answers(&user.ops, &rules, &mut findings);
        let witnessed = match rules.kind {
            Kind::Fixed => check_fixed(user, &everybody, &rules, &mut findings),
            Kind::Sliding => check_sliding(user, &everybody, &rules, &mut findings),
            Kind::Bucket => {
                bucket::check(user, &everybody, &rules, &mut findings);
                remaining::check_bucket(&user.ops, &rules, &mut findings);
                Strength::Bounds
            }
        };
        strength = strength.min(witnessed);
    }
    sometimes(&users, &rules, &mut findings);
    findings.conclude(name, strength, gathered.operations, gathered.all_keys).with_indeterminate(
        gathered.unknown,
        "each call without an answer may have used a permit: that many refusals too early would not be seen",
    )
}

fn check_fixed(user: &User<'_>, everybody: &Counts, rules: &Rules, findings: &mut Findings) -> Strength {
    // Two windows have a part in any stretch shorter than one.
    over::check_inside(user, 2 * rules.limit, rules, findings);
    edges::check(&user.ops, rules, findings);
    let announced = windows::announced(&user.ops, rules);
    announced.check(user, everybody, rules, findings);
    cause::check(user, everybody, rules, findings);
    let told = |call: &op::Call| call.remaining.is_some() && call.reset_ms.is_some();
    let strength = witness(&user.ops, told, "remaining and reset", findings);
    if announced.windows.is_empty() { strength.min(Strength::Bounds) } else { strength }
}

fn check_sliding(user: &User<'_>, everybody: &Counts, rules: &Rules, findings: &mut Findings) -> Strength {
    over::check_inside(user, rules.limit, rules, findings);
    over::check_before(user, rules, findings);
    remaining::check_sliding(user, rules, findings);
    cause::check(user, everybody, rules, findings);
    witness(&user.ops, |call| call.remaining.is_some(), "remaining", findings)
}

/// Whether all calls that passed told what the rules rest on; some of them is a doubt.
fn witness(ops: &UserKey<'_>, told: impl Fn(&op::Call) -> bool, what: &str, findings: &mut Findings) -> Strength {
    let passed = ops.calls.iter().filter(|call| call.is_admitted());
    let silent: Vec<u64> = passed.clone().filter(|call| !told(call)).map(|call| call.span.id).collect();
    let all = passed.count();
    if !silent.is_empty() && silent.len() < all {
        let what = format!("{} of {all} calls that passed did not tell {what}", silent.len());
        findings.doubt(Finding::new("no-witness", ops.key, what).by(silent.iter().take(4).copied()));
    }
    if silent.is_empty() { Strength::Witness } else { Strength::Bounds }
}

fn sometimes(users: &[User<'_>], rules: &Rules, findings: &mut Findings) {
    let mut calls = users.iter().flat_map(|user| &user.ops.calls);
    if calls.clone().all(|call| !call.is_admitted()) {
        findings.doubt(Finding::new("too-few-operations", "", "no call passed"));
    } else if rules.expect_limited && !calls.any(op::Call::is_limited) {
        findings.doubt(Finding::new("never-limited", "", "nobody was refused: the limit was never reached"));
    }
}
