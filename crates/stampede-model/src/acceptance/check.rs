//! The whole-file check of an acceptance file against its target: every name exists, every number can be reached.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::Acceptance;
use super::rows::{CommandRow, FailoverRow, FollowUpRow, LeakDemand, MeasuredRow};
use crate::history::Model;
use crate::target::{BUILT_IN_SLOTS, Ref, Row, Target, TargetError, Template, Workload, nearest};
use crate::threshold::Threshold;

type Check = Result<(), TargetError>;

/// Connections are opened for each before the first is used.
const MAX_TOGETHER: u32 = 1_000;
/// Slots of a command row.
const COMMAND_SLOTS: [&str; 4] = ["bin", "here", "url", "cluster"];

impl Acceptance {
    /// Checks it against the target it is of, with the cluster that is started.
    ///
    /// # Errors
    /// The first mistake, with its line and what to do.
    pub fn check(&self, target: &Target) -> Check {
        let Some(cluster) = &target.cluster else {
            let at = self.of.start.as_ref().unwrap_or(&self.of.target);
            let message = format!("{} describes no cluster, and an acceptance starts one", at.as_ref());
            return Err(self.error(at, message, "add start = \"..\" with a file that has [[cluster.service]]"));
        };
        let services: Vec<&str> = cluster.service.iter().map(|service| service.name.as_ref().as_str()).collect();
        let rows: Vec<String> = target.rows().iter().map(|row| row.id().to_owned()).collect();
        for without in &self.of.without {
            self.known("row", without, rows.iter().map(String::as_str))?;
        }
        self.measured.iter().try_for_each(|row| self.check_measured(target, row))?;
        self.failover.iter().try_for_each(|row| self.check_failover((target, &services), row))?;
        self.follow_up.iter().try_for_each(|row| self.check_follow_up((target, &services), row))?;
        self.command.iter().try_for_each(|row| self.check_command(row))?;
        if let Some(leak) = &self.watched.leak {
            self.check_leak(target, leak)?;
        }
        if let Some(service) = self.watched.resources.keys().find(|service| !services.contains(&service.as_str())) {
            let message = format!("[watched.resources] names no service: `{service}`");
            return Err(self.error(&self.of.target, message, format!("the cluster has {}", services.join(", "))));
        }
        if self.watched.queue.is_some() && self.look.queues.is_empty() {
            let message = "[watched.queue] judges the queues of [look], and there are none";
            return Err(self.error(&self.of.target, message, "add [look] queues = [\"queue:default\"]"));
        }
        if let Some(uptime) = &self.uptime {
            let fits = (1..=1_000).contains(&uptime.rate_per_s);
            self.demand(fits, &uptime.id, "rate_per_s must be 1 to 1000")?;
        }
        self.ids(&rows)
    }

    fn check_measured(&self, target: &Target, row: &MeasuredRow) -> Check {
        let loads = || {
            target.rows().into_iter().filter_map(|row| match row {
                Row::Load(load) => Some(load.id.as_ref().as_str()),
                _ => None,
            })
        };
        let names: Vec<&str> = loads().collect();
        self.known("load row", &row.of, names.iter().copied())?;
        self.demand(!row.thresholds.is_empty(), &row.id, "it demands nothing: add thresholds = [\"rps >= 990\"]")?;
        for threshold in row.thresholds.iter().chain(row.quick.iter().flatten()) {
            let read = Threshold::from_str(threshold.as_ref());
            read.map_err(|bad| self.error(threshold, bad.to_string(), "as in \"rps >= 990\" or \"p50 < 50ms\""))?;
        }
        Ok(())
    }

    fn check_failover(&self, (target, services): (&Target, &[&str]), row: &FailoverRow) -> Check {
        self.known("service", &row.on, services.iter().copied())?;
        let workload = self.workload(target, &row.workload)?;
        if !workload.bind.contains_key("find") {
            let message = format!("workload `{}` cannot look up what it wrote", row.workload.as_ref());
            return Err(self.error(&row.workload, message, "bind its `find`, which takes `found`, an array"));
        }
        self.takes(target, (workload, "create", "id"), &row.workload)?;
        self.takes(target, (workload, "find", "found"), &row.workload)?;
        self.demand((1..=MAX_TOGETHER).contains(&row.clients), &row.id, "clients must be 1 to 1000")?;
        self.demand(row.rate_per_s > 0, &row.id, "rate_per_s must be above zero")?;
        let times = [row.before, row.after, row.recovery, row.kept_within];
        let positive = times.iter().all(|time| !time.is_zero());
        self.demand(positive, &row.id, "before, after, recovery and kept_within must be above zero")
    }

    fn check_follow_up(&self, (target, services): (&Target, &[&str]), row: &FollowUpRow) -> Check {
        if let Some(kill) = &row.kill {
            self.known("service", kill, services.iter().copied())?;
        }
        let workload = self.workload(target, &row.workload)?;
        self.takes(target, (workload, "create", "id"), &row.workload)?;
        self.known("request", &row.done, target.request.keys().map(String::as_str))?;
        let create = workload.bound("create", 0).into_iter();
        let before: Vec<&Ref> = target.session.login.iter().chain(&workload.setup).chain(create).collect();
        self.slots(target, &row.done, &before)?;
        self.demand(row.jobs > 0 && row.quick > 0, &row.id, "jobs and quick must be above zero")
    }

    fn check_leak(&self, target: &Target, leak: &LeakDemand) -> Check {
        self.known("user", &leak.user, target.user.keys().map(String::as_str))?;
        self.known("request", &leak.request, target.request.keys().map(String::as_str))?;
        let before: Vec<&Ref> = target.session.login.iter().collect();
        self.slots(target, &leak.request, &before)?;
        let fits = (1..=MAX_TOGETHER).contains(&leak.together) && (2..=100).contains(&leak.rounds);
        self.demand(fits, &leak.request, "together must be 1 to 1000, rounds 2 to 100")
    }

    fn check_command(&self, row: &CommandRow) -> Check {
        for command in std::iter::once(&row.command).chain(&row.quick) {
            self.demand(!command.is_empty(), &row.id, "command is empty: give the program and its arguments")?;
            for argument in command {
                let template = Template::parse(argument.as_ref());
                let template =
                    template.map_err(|bad| self.error(argument, bad.to_string(), "as in \"{bin}/check\""))?;
                if let Some(slot) = template.slots().find(|slot| !COMMAND_SLOTS.contains(slot)) {
                    let hint = "known here: {bin}, {here}, {url}, {cluster}";
                    return Err(self.error(argument, format!("slot `{{{slot}}}` has no value here"), hint));
                }
            }
        }
        Ok(())
    }

    fn ids(&self, rows: &[String]) -> Check {
        let mut seen: BTreeSet<String> = rows.iter().cloned().collect();
        for row in self.extras() {
            let id = row.id();
            if !seen.insert(id.clone()) {
                let message = format!("two rows are called `{id}`");
                return Err(self.error(&self.of.target, message, "give each row of both files an id of its own"));
            }
        }
        Ok(())
    }

    /// A workload whose writes have keys of idempotency.
    fn workload<'t>(&self, target: &'t Target, name: &Ref) -> Result<&'t Workload, TargetError> {
        let of_keys = |workload: &&Workload| *workload.model.as_ref() == Model::Idempotency;
        let found = target.workload.iter().filter(of_keys).find(|workload| workload.id.as_ref() == name.as_ref());
        found.ok_or_else(|| {
            let names: Vec<&str> =
                target.workload.iter().filter(of_keys).map(|workload| workload.id.as_ref().as_str()).collect();
            let message = format!("no workload of the model `idempotency` is called `{}`", name.as_ref());
            self.error(name, message, format!("the target has: {}", names.join(", ")))
        })
    }

    fn takes(&self, target: &Target, (workload, role, field): (&Workload, &str, &str), at: &Ref) -> Check {
        let request = workload.bound(role, 0).and_then(|name| target.request.get(name.as_ref()));
        if request.is_none_or(|request| request.take.contains_key(field)) {
            return Ok(());
        }
        let message = format!("the `{role}` of workload `{}` must take `{field}`", workload.id.as_ref());
        Err(self.error(at, message, format!("add take = {{ {field} = \"/pointer\" }} to its request")))
    }

    /// Every slot of a request has a value after some others.
    fn slots(&self, target: &Target, name: &Ref, before: &[&Ref]) -> Check {
        let Some(request) = target.request.get(name.as_ref()) else { return Ok(()) };
        let taken = before.iter().filter_map(|name| target.request.get(name.as_ref()));
        let mut known: BTreeSet<&str> =
            taken.flat_map(|request| request.take.keys().map(String::as_str)).chain(BUILT_IN_SLOTS).collect();
        known.extend(target.user.values().flat_map(|user| user.keys().map(String::as_str)));
        match request.slots().into_iter().find(|(slot, _)| !known.contains(slot)) {
            None => Ok(()),
            Some((slot, _)) => {
                let names: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
                let message = format!("slot `{{{slot}}}` of request `{}` has no value here", name.as_ref());
                Err(self.error(name, message, format!("known here: {}", names.join(", "))))
            }
        }
    }

    fn known<'n>(&self, kind: &str, name: &Ref, present: impl Iterator<Item = &'n str> + Clone) -> Check {
        if present.clone().any(|known| known == name.as_ref()) {
            return Ok(());
        }
        let hint = match nearest(name.as_ref(), present.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", present.collect::<Vec<_>>().join(", ")),
        };
        Err(self.error(name, format!("no {kind} is called `{}`", name.as_ref()), hint))
    }

    fn demand(&self, holds: bool, at: &Ref, otherwise: &str) -> Check {
        if holds {
            return Ok(());
        }
        Err(self.error(at, format!("`{}`: {otherwise}", at.as_ref()), "change the row's numbers"))
    }

    fn error(&self, at: &Ref, message: impl Into<String>, hint: impl Into<String>) -> TargetError {
        self.source().error(at.span(), message, hint)
    }
}
