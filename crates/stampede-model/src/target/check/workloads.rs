//! What a workload needs of the requests and users it names.

use super::super::workload::{Role, Roles, Workload};
use super::super::{Ref, Request};
use super::{Check, Checker, Known};
use crate::history::Model;

/// Most clients of one workload, each with a connection.
const MAX_CLIENTS: u32 = 1_000;
/// Most objects of one workload: each is made and read one by one.
const MAX_KEYS: u32 = 10_000;

impl Checker<'_> {
    pub(super) fn workload(&self, workload: &Workload) -> Check {
        let model = *workload.model.as_ref();
        let Some(first) = workload.users.as_ref().first() else {
            let hint = "name those who act, as users = [\"clerk1\"]";
            return Err(self.source.error(workload.users.span(), "a workload without users does nothing", hint));
        };
        self.numbers(workload)?;
        self.known_roles(workload, model)?;
        let mut made = self.session_scope(first)?.with(["key", "resource", "units", "tenant"]);
        for step in &workload.setup {
            made = self.run(self.request(step)?, step, made)?;
        }
        for user in workload.users.as_ref() {
            let known = Known(self.session_scope(user)?.0.into_iter().chain(made.0.iter().cloned()).collect());
            for role in Roles::of(model).iter() {
                self.role(workload, role, &known)?;
            }
        }
        if let Some(void) = self.target.resolve.as_ref().and_then(|resolve| resolve.void.as_ref()) {
            let known = self.session_scope(first)?.with(["idempotency_key"]);
            let request = self.request(void)?;
            self.run(request, void, known)?;
            self.must_take(request, void, &["state"])?;
        }
        for audit in &workload.audit {
            let known = self.session_scope(first)?.with(["tenant"]);
            self.run(self.request(audit)?, audit, known)?;
            self.must_refuse(audit)?;
        }
        if let Some(ledger) = &workload.ledger {
            self.run(self.request(&ledger.request)?, &ledger.request, made.with(["after"]))?;
        }
        Ok(())
    }

    fn numbers(&self, workload: &Workload) -> Check {
        let id = &workload.id;
        self.demand((1..=MAX_CLIENTS).contains(&workload.clients), id, "clients must be from 1 to 1000")?;
        self.demand((1..=MAX_KEYS).contains(&workload.keys), id, "keys must be from 1 to 10000")?;
        self.demand(workload.operations > 0 && workload.round > 0, id, "operations and round must be above zero")?;
        self.demand(workload.cancelled_percent <= 50, id, "cancelled_percent must be at most 50")?;
        let needs_pair = *workload.model.as_ref() == Model::Transactions;
        self.demand(!needs_pair || workload.keys >= 2, id, "transactions need at least two keys")
    }

    /// Every name in `bind` and `weights` is an operation of the model, and those it needs are there.
    fn known_roles(&self, workload: &Workload, model: Model) -> Check {
        let names = || Roles::of(model).iter().map(|role| role.name);
        let mistyped = |name: &str| {
            let hint = match super::nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("workload `{}`: the model {model} has no operation `{name}`", workload.id.as_ref());
            Err(self.source.error(workload.model.span(), message, hint))
        };
        for name in workload.bind.keys().chain(workload.weights.keys()) {
            if Roles::of(model).get(name).is_none() {
                return mistyped(name);
            }
        }
        for role in Roles::of(model).iter().filter(|role| role.is_required) {
            if workload.bind.get(role.name).is_none_or(|bound| bound.requests().is_empty()) {
                let message = format!("workload `{}` cannot be bound: {} is missing", workload.id.as_ref(), role.name);
                let hint = format!("add {} = \"REQUEST\" to its bind: the request that {}", role.name, role.doc);
                return Err(self.source.error(workload.id.span(), message, hint));
            }
        }
        Ok(())
    }

    fn role(&self, workload: &Workload, role: &Role, known: &Known) -> Check {
        let Some(bound) = workload.bind.get(role.name) else { return Ok(()) };
        for at in bound.requests() {
            let request: &Request = self.request(at)?;
            let names = role.gives.iter().copied();
            self.run(request, at, known.clone().with(names))?;
            self.must_take(request, at, role.must_take)?;
            if role.is_required && role.refused.is_some() && *workload.model.as_ref() != Model::Idempotency {
                self.must_refuse(at)?;
            }
            self.gives_what_is_needed(workload, role, at)?;
        }
        Ok(())
    }

    /// What one operation's request uses, the answer of another must show: a release needs the reservation.
    fn gives_what_is_needed(&self, workload: &Workload, role: &Role, at: &Ref) -> Check {
        const FROM_ANSWERS: [&str; 4] = ["reservation", "token", "fence", "version"];
        let Some(source) = role.after.and_then(|name| workload.bind.get(name)) else { return Ok(()) };
        for (slot, span) in self.request(at)?.slots() {
            if !FROM_ANSWERS.contains(&slot) || !role.gives.contains(&slot) {
                continue;
            }
            for from in source.requests() {
                if !self.request(from)?.take.contains_key(slot) {
                    let message = format!("slot `{{{slot}}}` of request `{}` has no value here", at.as_ref());
                    let hint = format!("add take = {{ {slot} = \"/pointer\" }} to request `{}`", from.as_ref());
                    return Err(self.source.error(span, message, hint));
                }
            }
        }
        Ok(())
    }
}
