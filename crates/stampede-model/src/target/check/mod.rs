//! The whole-file check: every name exists, every slot has a value where it is used, every field a row judges is taken.

mod cluster;
mod rows;
mod workloads;

use std::collections::BTreeSet;
use std::ops::Range;

use super::error::{Source, TargetError, nearest};
use super::request::{Ref, Request, SessionUse, Via};
use super::rows::Row;
use super::start::Origin;
use super::{BUILT_IN_SLOTS, Target, Template};

/// Contenders, callers and simultaneous requests of one row: connections are opened for each before the first is used.
const MAX_TOGETHER: u32 = 1_000;

type Check = Result<(), TargetError>;

pub(super) fn check(target: &Target, source: &Source<'_>) -> Check {
    let checker = Checker { target, source };
    checker.start()?;
    checker.standby()?;
    target.cluster.iter().try_for_each(|cluster| checker.cluster(cluster))?;
    checker.session()?;
    checker.requests()?;
    checker.ids()?;
    for row in target.rows() {
        match row {
            Row::Load(row) => checker.load(row)?,
            Row::Stock(row) => checker.stock(row)?,
            Row::Concurrency(row) => checker.concurrency(row)?,
            Row::RateLimit(row) => checker.rate_limit(row)?,
            Row::Lock(row) => checker.lock(row)?,
            Row::Exclusive(row) => checker.exclusive(row)?,
            Row::Checked(row) => checker.checked(row)?,
        }
    }
    target.workload.iter().try_for_each(|workload| checker.workload(workload))
}

struct Checker<'a> {
    target: &'a Target,
    source: &'a Source<'a>,
}

/// Names with a value at one point of a row.
#[derive(Clone, Debug)]
struct Known(BTreeSet<String>);

impl Known {
    fn with<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.0.extend(names.into_iter().map(str::to_owned));
        self
    }
}

impl Checker<'_> {
    fn start(&self) -> Check {
        let start = &self.target.start;
        if !start.ready.path.starts_with('/') {
            let span = start.url.span();
            return Err(self.source.error(
                span,
                "target.ready.path does not start with `/`",
                "write ready = { path = \"/readyz\", .. }",
            ));
        }
        for url in std::iter::once(&start.url).chain(&start.replicas).chain(&start.gateway) {
            self.place_slots(url.as_ref(), url.span())?;
        }
        for process in &start.process {
            if process.command.as_ref().is_empty() {
                let hint = "give the program and its arguments, as [\"{bin}/server\", \"--port\", \"{port}\"]";
                return Err(self.source.error(
                    process.command.span(),
                    format!("process `{}` has no command", process.name),
                    hint,
                ));
            }
            for argument in process.command.as_ref().iter().chain(process.env.values()) {
                self.place_slots(argument.as_ref(), argument.span())?;
            }
        }
        Ok(())
    }

    /// Slots of what is started: ports, folders, private servers, the environment.
    fn place_slots(&self, template: &Template, span: Range<usize>) -> Check {
        template.slots().try_for_each(|slot| self.place_slot(slot, span.clone()))
    }

    fn place_slot(&self, slot: &str, span: Range<usize>) -> Check {
        let start = &self.target.start;
        let known = matches!(slot, "dir" | "bin" | "port")
            || slot.starts_with("port.")
            || slot.starts_with("env.")
            || (matches!(slot, "postgres_url" | "postgres_address") && start.postgres.is_some())
            || (matches!(slot, "standby_url" | "standby_address") && self.has_standby())
            || (slot == "redis_url" && start.redis.is_some());
        if known {
            return Ok(());
        }
        let hint = match slot {
            "standby_url" | "standby_address" => {
                "add standby = \"synchronous\" to [target.postgres]; only a cluster has one".to_owned()
            }
            "postgres_url" | "postgres_address" | "redis_url" => {
                let server = slot.split_once('_').map_or(slot, |(server, _)| server);
                format!("add a table [target.{server}] so that one is started")
            }
            _ => "known here: {port}, {port.NAME}, {dir}, {bin}, {env.NAME}, {postgres_url}, {postgres_address}, {redis_url}"
                .to_owned(),
        };
        Err(self.source.error(span, format!("slot `{{{slot}}}` has no value here"), hint))
    }

    fn has_standby(&self) -> bool {
        let postgres = self.target.start.postgres.as_ref();
        postgres.is_some_and(|postgres| postgres.standby.is_some()) && self.target.cluster.is_some()
    }

    /// Only PostgreSQL has a standby, and only in a cluster.
    fn standby(&self) -> Check {
        let start = &self.target.start;
        let of_redis = start.redis.as_ref().and_then(|redis| redis.standby.as_ref());
        let of_postgres = start.postgres.as_ref().and_then(|postgres| postgres.standby.as_ref());
        match (of_redis, of_postgres.filter(|_| self.target.cluster.is_none())) {
            (Some(standby), _) => {
                let hint = "remove it; a Redis that follows another is a process of your own";
                Err(self.source.error(standby.span(), "a private Redis has no standby", hint))
            }
            (None, Some(standby)) => {
                let message = "only a cluster has a standby of PostgreSQL";
                Err(self.source.error(standby.span(), message, "add [[cluster.service]], or remove it"))
            }
            (None, None) => Ok(()),
        }
    }

    fn session(&self) -> Check {
        let session = &self.target.session;
        for (name, user) in &self.target.user {
            for value in user.values() {
                if let Some(slot) = value.as_ref().slots().find(|slot| !slot.starts_with("env.")) {
                    let message = format!("slot `{{{slot}}}` in user `{name}` has no value here");
                    return Err(self.source.error(value.span(), message, "a user's fields may use {env.NAME} only"));
                }
            }
            let mut known = self.user_fields(name);
            if let Some(login) = &session.login {
                known = self.run(self.request(login)?, login, known)?;
            }
            for value in session.headers.values() {
                self.slots_known(
                    value.as_ref().slots().map(|slot| (slot, value.span())),
                    &known,
                    "the session's headers",
                )?;
            }
        }
        if let Some(login) = &session.login
            && self.request(login)?.session == SessionUse::User
        {
            let hint = "add session = \"none\" to that request";
            return Err(self.source.error(
                login.span(),
                "the login request is sent as a user, who would have to log in first",
                hint,
            ));
        }
        Ok(())
    }

    fn requests(&self) -> Check {
        for (name, request) in &self.target.request {
            let expect = request.expect.as_ref();
            if expect.is_empty() {
                let message = format!("request `{name}` expects no status at all");
                return Err(self.source.error(
                    request.expect.span(),
                    message,
                    "list those that mean done, as expect = [200]",
                ));
            }
            if request.via == Via::Gateway
                && self.target.start.gateway.is_none()
                && self.target.start.origin() == Origin::Started
            {
                let message = format!("request `{name}` goes via the gateway, and the target names none");
                let hint =
                    "add gateway = \"http://127.0.0.1:{port.gateway}\" to [target], and the process that serves it";
                return Err(self.source.error(request.path.span(), message, hint));
            }
            if let Some(both) = expect.iter().find(|status| request.refuse.contains(status)) {
                let message = format!("request `{name}` both expects and refuses {}", both.code());
                return Err(self.source.error(request.expect.span(), message, "a status means one or the other"));
            }
        }
        Ok(())
    }

    fn ids(&self) -> Check {
        let mut seen = BTreeSet::new();
        let rows = self.target.rows();
        let ids = rows.iter().map(row_id).chain(self.target.workload.iter().map(|workload| &workload.id));
        for id in ids {
            if !seen.insert(id.as_ref().clone()) {
                let message = format!("two rows or workloads are called `{}`", id.as_ref());
                return Err(self.source.error(id.span(), message, "give each row an id of its own"));
            }
        }
        Ok(())
    }

    /// What has a value once a user is logged in and the set-up is done.
    fn setup(&self, user: &Ref, steps: &[Ref]) -> Result<Known, TargetError> {
        let mut known = self.session_scope(user)?.with(["units"]);
        for step in steps {
            known = self.run(self.request(step)?, step, known)?;
        }
        Ok(known)
    }

    fn session_scope(&self, user: &Ref) -> Result<Known, TargetError> {
        if !self.target.user.contains_key(user.as_ref().as_str()) {
            return Err(self.unknown("user", user, self.target.user.keys().map(String::as_str)));
        }
        let known = self.user_fields(user.as_ref());
        match &self.target.session.login {
            Some(login) => Ok(known.with(self.request(login)?.take.keys().map(String::as_str))),
            None => Ok(known),
        }
    }

    fn user_fields(&self, user: &str) -> Known {
        let fields = self.target.user.get(user).into_iter().flat_map(|user| user.keys().map(String::as_str));
        Known(BTreeSet::new()).with(BUILT_IN_SLOTS).with(fields)
    }

    /// Checks one request's slots and gives what is known after it.
    fn run(&self, request: &Request, at: &Ref, known: Known) -> Result<Known, TargetError> {
        self.slots_known(request.slots().into_iter(), &known, &format!("request `{}`", at.as_ref()))?;
        Ok(known.with(request.take.keys().map(String::as_str)))
    }

    fn slots_known<'s>(
        &self,
        slots: impl Iterator<Item = (&'s str, Range<usize>)>,
        known: &Known,
        place: &str,
    ) -> Check {
        for (slot, span) in slots {
            if !known.0.contains(slot) {
                let names = known.0.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ");
                let message = format!("slot `{{{slot}}}` has no value where a row uses {place}");
                return Err(self.source.error(span, message, format!("known there: {names}")));
            }
        }
        Ok(())
    }

    fn request(&self, name: &Ref) -> Result<&Request, TargetError> {
        self.target
            .request
            .get(name.as_ref().as_str())
            .ok_or_else(|| self.unknown("request", name, self.target.request.keys().map(String::as_str)))
    }

    fn unknown<'n>(&self, kind: &str, name: &Ref, present: impl Iterator<Item = &'n str> + Clone) -> TargetError {
        let hint = match nearest(name.as_ref(), present.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", present.collect::<Vec<_>>().join(", ")),
        };
        self.source.error(name.span(), format!("no {kind} is called `{}`", name.as_ref()), hint)
    }

    fn must_take(&self, request: &Request, at: &Ref, names: &[&str]) -> Check {
        match names.iter().find(|name| !request.take.contains_key(**name)) {
            None => Ok(()),
            Some(name) => {
                let message = format!("request `{}` must take `{name}` to be judged in this role", at.as_ref());
                Err(self.source.error(
                    at.span(),
                    message,
                    format!("add take = {{ {name} = \"/pointer/to/it\" }} to it"),
                ))
            }
        }
    }

    fn must_refuse(&self, at: &Ref) -> Check {
        if !self.request(at)?.refuse.is_empty() {
            return Ok(());
        }
        let message = format!("request `{}` names no status of a refusal, which this row has to see", at.as_ref());
        Err(self.source.error(at.span(), message, "add it, as refuse = [409]"))
    }

    fn together(&self, count: u32, at: &Ref) -> Check {
        self.demand(
            (1..=MAX_TOGETHER).contains(&count),
            at,
            "at least 1 and at most 1000 calls can be released together",
        )
    }

    fn demand(&self, holds: bool, at: &Ref, otherwise: &str) -> Check {
        if holds {
            return Ok(());
        }
        Err(self.source.error(at.span(), format!("row `{}`: {otherwise}", at.as_ref()), "change the row's numbers"))
    }
}

fn row_id<'r>(row: &Row<'r>) -> &'r Ref {
    match row {
        Row::Load(row) => &row.id,
        Row::Stock(row) => &row.id,
        Row::Concurrency(row) => &row.id,
        Row::RateLimit(row) => &row.id,
        Row::Lock(row) => &row.id,
        Row::Exclusive(row) => &row.id,
        Row::Checked(row) => &row.id,
    }
}
