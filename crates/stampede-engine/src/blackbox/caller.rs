//! The bench as the target's clients: who is logged in, which values are known, one connection for set-up.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use stampede_model::target::{Ref, Request, Scope, SessionUse, Target, Via};

use super::error::RowError;
use super::exchange::{Answered, Line, Prepared};
use crate::clock::Clock;
use crate::http::origin::{Dialer, Origin};
use crate::http::{BadUrl, Endpoint, RequestPlan};
use crate::process::raise_open_files;

/// A target being asked. Logs each user in once and remembers what that gave.
#[derive(Debug)]
pub struct Bench<'t> {
    target: &'t Target,
    url: String,
    dialer: Dialer,
    /// The gateway to the target's servers: its URL and the way there.
    gateway: Option<(String, Dialer)>,
    clock: Clock,
    started_unix_ns: u64,
    /// Distinguishes this run's objects from those of any other.
    run: String,
    /// Distinguishes benches of one run that stand at different addresses.
    mark: String,
    made: Cell<u64>,
    sessions: RefCell<BTreeMap<String, Scope>>,
    environment: Scope,
}

/// A user and what his requests may use.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// What his session headers are made of. A row's own values never get in: a lock's `token` is not the session's.
    session: Scope,
    pub(super) scope: Scope,
}

impl Caller {
    /// The same user with one value more.
    pub(super) fn with(&self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        Self { session: self.session.clone(), scope: self.scope.clone().with(name, value) }
    }
}

impl<'t> Bench<'t> {
    /// A bench for a target that answers at `url`. `run` must differ from run to run; `environment` holds the `env.NAME` values.
    ///
    /// # Errors
    /// When the URL cannot be called or nobody listens there.
    pub fn new(target: &'t Target, url: &str, run: &str, environment: Scope) -> Result<Self, BenchError> {
        let endpoint = Endpoint::parse(url)?;
        let address = endpoint.reach(target.start.timeout)?;
        let (clock, started_unix_ns) = (Clock::start(), unix_ns());
        // A row may hold a thousand connections; the usual soft limit is about as many files.
        raise_open_files();
        Ok(Self {
            target,
            url: url.trim_end_matches('/').to_owned(),
            dialer: Dialer::new(Origin::singly(&endpoint, address), clock),
            gateway: None,
            clock,
            started_unix_ns,
            run: run.to_owned(),
            mark: String::new(),
            made: Cell::new(0),
            sessions: RefCell::default(),
            environment,
        })
    }

    /// With a gateway to the target's servers, for the requests that go there.
    ///
    /// # Errors
    /// When its URL cannot be called or nobody listens there.
    pub fn with_gateway(mut self, url: Option<&str>) -> Result<Self, BenchError> {
        if let Some(url) = url {
            let endpoint = Endpoint::parse(url)?;
            let address = endpoint.reach(self.timeout())?;
            let dialer = Dialer::new(Origin::singly(&endpoint, address), self.clock);
            self.gateway = Some((url.trim_end_matches('/').to_owned(), dialer));
        }
        Ok(self)
    }

    /// The same target at another of its addresses, on the same clock; users log in there anew. `number` tells it from
    /// the others.
    ///
    /// # Errors
    /// When the URL cannot be called or nobody listens there.
    pub fn also_at(&self, url: &str, number: usize) -> Result<Self, BenchError> {
        let mut other = Self::new(self.target, url, &self.run, self.environment.clone())?;
        let endpoint = Endpoint::parse(url)?;
        let address = endpoint.reach(self.timeout())?;
        other.dialer = Dialer::new(Origin::singly(&endpoint, address), self.clock);
        (other.clock, other.started_unix_ns) = (self.clock, self.started_unix_ns);
        other.mark = format!("r{number}");
        other.gateway.clone_from(&self.gateway);
        Ok(other)
    }

    /// Nanoseconds on the clock of all records.
    pub(super) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// When that clock began, nanoseconds since 1970.
    pub(super) fn started_unix_ns(&self) -> u64 {
        self.started_unix_ns
    }

    /// Where it is asked.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The target.
    pub fn target(&self) -> &'t Target {
        self.target
    }

    /// A text no other request of this or another run has.
    pub(super) fn unique(&self) -> String {
        self.made.set(self.made.get() + 1);
        format!("{}{}-{}", self.run, self.mark, self.made.get())
    }

    pub(super) fn timeout(&self) -> Duration {
        self.target.start.timeout
    }

    /// Opens a connection and sends nothing.
    pub(super) async fn open_line(&self) -> Result<Line, RowError> {
        Ok(Line::open(&self.dialer, self.clock, self.timeout()).await?)
    }

    pub(super) fn request(&self, name: &Ref) -> Result<&'t Request, RowError> {
        let name = name.as_ref();
        self.target.request.get(name).ok_or_else(|| RowError::NoRequest { request: name.clone() })
    }

    /// A user with an open session.
    pub(super) async fn caller(&self, user: &Ref) -> Result<Caller, RowError> {
        let name = user.as_ref();
        if let Some(scope) = self.sessions.borrow().get(name) {
            return Ok(Caller { session: scope.clone(), scope: scope.clone() });
        }
        let mut scope = Scope::default().with("run", self.run.as_str());
        for (field, value) in self.target.user.get(name).into_iter().flatten() {
            let text = value.as_ref().render(&self.environment);
            let text = text.map_err(|source| RowError::Slot { request: format!("user {name}"), source })?;
            scope.set(field.as_str(), text);
        }
        let mut caller = Caller { session: scope.clone(), scope };
        if let Some(login) = &self.target.session.login {
            let mut line = self.open_line().await?;
            let answered = self.step(&mut line, login, &caller).await?;
            caller.scope.extend(&answered.taken);
            caller.session = caller.scope.clone();
        }
        self.sessions.borrow_mut().insert(name.clone(), caller.scope.clone());
        Ok(caller)
    }

    /// Fills a request's slots.
    pub(super) fn prepare(&self, name: &Ref, caller: &Caller) -> Result<Prepared<'t>, RowError> {
        let request = self.request(name)?;
        let scope = caller.scope.clone().with("unique", self.unique());
        let slot = |source| RowError::Slot { request: name.as_ref().clone(), source };
        let unsendable = |source| RowError::Unsendable { request: name.as_ref().clone(), source };
        let path = request.path.as_ref().render_for_url(&scope).map_err(slot)?;
        let (url, aside) = match (request.via, &self.gateway) {
            (Via::Target, _) => (&self.url, None),
            (Via::Gateway, Some((url, dialer))) => (url, Some(dialer.clone())),
            (Via::Gateway, None) => return Err(RowError::NoGateway { request: name.as_ref().clone() }),
        };
        let mut plan = RequestPlan::new(request.method.as_str(), &format!("{url}{path}")).map_err(unsendable)?;
        let session = match (request.session, request.via) {
            (SessionUse::User, Via::Target) => Some(&self.target.session.headers),
            (SessionUse::None, _) | (_, Via::Gateway) => None,
        };
        let session = session.into_iter().flatten().map(|(name, value)| (name, value, &caller.session));
        for (header, value, scope) in session.chain(request.headers.iter().map(|(name, value)| (name, value, &scope))) {
            let value = value.as_ref().render(scope).map_err(slot)?;
            plan = plan.header(header.as_str(), &value).map_err(unsendable)?;
        }
        if let Some(json) = &request.json {
            let body = json.as_ref().render(&scope).map_err(slot)?.to_string();
            plan = plan.body(Bytes::from(body), HeaderValue::from_static("application/json"));
        }
        Ok(Prepared { plan, request, wait: self.timeout(), aside })
    }

    /// Makes one call and records it, on the given connection or, when the server has closed that, on a new one.
    pub(super) async fn call(&self, line: &mut Line, name: &Ref, caller: &Caller) -> Result<Answered, RowError> {
        self.call_prepared(line, &self.prepare(name, caller)?).await
    }

    pub(super) async fn call_prepared(&self, line: &mut Line, prepared: &Prepared<'_>) -> Result<Answered, RowError> {
        if !line.is_ready().await {
            *line = self.open_line().await?;
        }
        let answered = line.call(prepared).await;
        if matches!(answered.outcome, stampede_model::row::Outcome::NoAnswer { .. }) {
            *line = self.open_line().await?;
        }
        Ok(answered)
    }

    /// Makes one call that must come out as expected.
    pub(super) async fn step(&self, line: &mut Line, name: &Ref, caller: &Caller) -> Result<Answered, RowError> {
        let answered = self.call(line, name, caller).await?;
        if answered.is_accepted() {
            return Ok(answered);
        }
        Err(RowError::SetUp { request: name.as_ref().clone(), outcome: answered.outcome })
    }

    /// Makes the set-up's calls in order; each may use what the ones before it took.
    pub(super) async fn set_up(&self, line: &mut Line, steps: &[Ref], mut caller: Caller) -> Result<Caller, RowError> {
        for step in steps {
            let answered = self.step(line, step, &caller).await?;
            caller.scope.extend(&answered.taken);
        }
        Ok(caller)
    }
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// A target that cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Its URL.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// Nobody there.
    #[error(transparent)]
    Unreachable(#[from] crate::http::endpoint::Unreachable),
}
