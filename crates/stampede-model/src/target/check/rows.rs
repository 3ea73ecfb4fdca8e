//! What each kind of row needs of the requests and users it names.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::super::request::Ref;
use super::super::rows::{CheckedRow, ConcurrencyRow, ExclusiveRow, LoadRow, LockRow, RateLimitRow, StockRow};
use super::{Check, Checker, Known};
use crate::threshold::Threshold;

impl Checker<'_> {
    pub(super) fn checked(&self, row: &CheckedRow) -> Check {
        let names = || self.target.workload.iter().map(|workload| workload.id.as_ref().as_str());
        if names().all(|name| name != row.workload.as_ref()) {
            return Err(self.unknown("workload", &row.workload, names()));
        }
        self.demand(row.operations > 0 && row.quick > 0, &row.id, "operations and quick must be above zero")
    }

    pub(super) fn load(&self, row: &LoadRow) -> Check {
        let known = self.session_scope(&row.user)?;
        self.run(self.request(&row.request)?, &row.request, known)?;
        if row.thresholds.is_empty() {
            return Err(self.source.error(
                row.id.span(),
                "a load row without thresholds demands nothing",
                "add thresholds = [\"p95 < 500ms\"]",
            ));
        }
        for threshold in &row.thresholds {
            Threshold::from_str(threshold.as_ref()).map_err(|bad| {
                self.source.error(threshold.span(), bad.to_string(), "as in \"p95 < 500ms\" or \"errors < 0.1%\"")
            })?;
        }
        let positive =
            row.rate_per_s > 0 && row.quick.rate_per_s > 0 && !row.lasts.is_zero() && !row.quick.lasts.is_zero();
        self.demand(positive, &row.id, "rate_per_s and lasts must be above zero")
    }

    pub(super) fn stock(&self, row: &StockRow) -> Check {
        let known = self.setup(&row.user, &row.setup)?;
        self.run(self.request(&row.reserve)?, &row.reserve, known.clone())?;
        self.must_refuse(&row.reserve)?;
        self.level(&row.level, known)?;
        self.demand(row.units > 0, &row.id, "units must be above zero")?;
        self.together(row.simultaneous, &row.id)
    }

    pub(super) fn concurrency(&self, row: &ConcurrencyRow) -> Check {
        let known = self.setup(&row.user, &row.setup)?;
        self.run(self.request(&row.reserve)?, &row.reserve, known.clone())?;
        self.must_refuse(&row.reserve)?;
        self.run(self.request(&row.receive)?, &row.receive, known.clone())?;
        self.level(&row.level, known.clone())?;
        if let Some(ledger) = &row.ledger {
            self.run(self.request(&ledger.request)?, &ledger.request, known.with(["after"]))?;
        }
        self.demand(row.units > 0, &row.id, "units must be above zero")?;
        self.together(row.reservations.saturating_add(row.receipts), &row.id)
    }

    pub(super) fn rate_limit(&self, row: &RateLimitRow) -> Check {
        for user in [&row.sequential_user, &row.simultaneous_user, &row.other_user] {
            let known = self.session_scope(user)?;
            self.run(self.request(&row.request)?, &row.request, known)?;
        }
        self.must_refuse(&row.request)?;
        let users =
            BTreeSet::from([row.sequential_user.as_ref(), row.simultaneous_user.as_ref(), row.other_user.as_ref()]);
        self.demand(users.len() == 3, &row.id, "the three users must differ: each spends calls of his own")?;
        self.demand(row.limit > 0 && row.calls > row.limit, &row.id, "calls must be above limit, limit above zero")?;
        self.demand(row.window.as_secs() > 0, &row.id, "window must be at least one second")?;
        self.together(row.calls, &row.id)
    }

    pub(super) fn lock(&self, row: &LockRow) -> Check {
        for user in [&row.user, &row.other_user] {
            let known = self.session_scope(user)?;
            self.lock_requests((&row.acquire, &row.release), known.clone())?;
            let inspect = self.request(&row.inspect)?;
            self.run(inspect, &row.inspect, known.clone().with(["resource"]))?;
            self.must_take(inspect, &row.inspect, &["held"])?;
            self.run(self.request(&row.work)?, &row.work, known)?;
        }
        self.must_refuse(&row.release)?;
        self.demand(row.user.as_ref() != row.other_user.as_ref(), &row.id, "user and other_user must differ")?;
        self.demand(
            !row.short_ttl.is_zero() && row.short_ttl < row.ttl,
            &row.id,
            "short_ttl must be above zero and below ttl",
        )
    }

    pub(super) fn exclusive(&self, row: &ExclusiveRow) -> Check {
        let known = self.session_scope(&row.user)?;
        self.lock_requests((&row.acquire, &row.release), known)?;
        self.demand(row.hold < row.ttl, &row.id, "hold must be below ttl, or the lock expires in its holder's hands")?;
        self.together(row.contenders, &row.id)
    }

    fn lock_requests(&self, (acquire, release): (&Ref, &Ref), known: Known) -> Check {
        let request = self.request(acquire)?;
        let known = known.with(["resource", "wait_ms", "ttl_ms"]);
        self.must_take(request, acquire, &["token"])?;
        self.must_refuse(acquire)?;
        let held = self.run(request, acquire, known)?;
        self.run(self.request(release)?, release, held)?;
        Ok(())
    }

    fn level(&self, level: &Ref, known: Known) -> Check {
        let request = self.request(level)?;
        self.run(request, level, known)?;
        self.must_take(request, level, &["available", "reserved"])
    }
}
