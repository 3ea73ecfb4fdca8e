//! One client: a connection, a user, a habit, one operation at a time.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use http::Method;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use stampede_model::check::AUDIT;
use stampede_model::history::{Fields, Operation, Outcome};
use stampede_model::interval::Interval;
use stampede_model::row::Outcome as Seen;
use stampede_model::target::{Ref, Role, Roles, Scope, Workload};
use tokio::time::{sleep, timeout};

use super::super::caller::{Bench, Caller};
use super::super::error::RowError;
use super::super::exchange::{Answered, Line, Prepared};
use super::WorkloadError;
use super::look::Look;
use super::manner::Manner;
use super::recorder::Recorder;

/// Pause before another try to connect, so that a target that is away is not hammered.
const RECONNECT: Duration = Duration::from_millis(20);
/// Pause before something at rest is asked for again.
const INSIST: Duration = Duration::from_millis(100);
/// The note of an operation that never left.
const UNSENT: &str = "no connection, nothing was sent";
/// Longest time after which a client that gives a request up does so.
const GIVE_UP: Duration = Duration::from_millis(3);
/// Characters of an audit's answer that are kept.
const EXCERPT: usize = 400;
/// The header by which a request can be sent again without a second effect.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What the clients of a workload share.
pub(super) struct Shared<'r, 't, W: Write> {
    pub(super) workload: &'t Workload,
    pub(super) manner: Manner,
    /// The same target at each of its addresses.
    pub(super) benches: &'r [Bench<'t>],
    /// What the set-up gave for each object, and its name in the history.
    pub(super) objects: Vec<Object>,
    pub(super) recorder: RefCell<Recorder<'t, W>>,
}

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) scope: Scope,
}

/// What a habit wants to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Intent {
    /// An operation of the model.
    pub(super) role: &'static str,
    /// The history's word for it, when it is not the operation's name.
    pub(super) op: Option<&'static str>,
    /// Which object, by its number.
    pub(super) object: usize,
    /// The history's key, when it is not the object's name.
    pub(super) key: Option<String>,
    /// What is asked, as the history has it.
    pub(super) input: Fields,
    /// Values of slots beside the object's.
    pub(super) slots: Scope,
    /// Time beyond an ordinary answer's: for a wait that was asked for.
    pub(super) patience: Duration,
    /// Never given up on purpose.
    pub(super) is_kept: bool,
    /// What is read out of the answer beyond what its request takes.
    pub(super) look: Look,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) operation: Operation,
    /// What was taken out of the answer.
    pub(super) taken: Scope,
}

impl Done {
    pub(super) fn is_ok(&self) -> bool {
        self.operation.outcome == Outcome::Ok
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.operation.output.integer(name).ok().flatten()
    }
}

/// A client.
pub(super) struct Client<'r, 't, W: Write> {
    pub(super) shared: &'r Shared<'r, 't, W>,
    pub(super) number: usize,
    pub(super) bench: &'r Bench<'t>,
    pub(super) user: &'t Ref,
    pub(super) caller: Caller,
    line: Option<Line>,
    process: u64,
    turn: usize,
    pub(super) rng: SmallRng,
}

impl<'r, 't, W: Write> Client<'r, 't, W> {
    /// Logs the client's user in; connects nothing yet.
    pub(super) async fn new(shared: &'r Shared<'r, 't, W>, number: usize, rng: SmallRng) -> Result<Self, RowError> {
        let users = shared.workload.users.as_ref();
        let user = &users[number % users.len()];
        // Clients of one user go through different replicas.
        let bench = &shared.benches[number / users.len() % shared.benches.len()];
        let caller = bench.caller(user).await?;
        let process = shared.recorder.borrow_mut().process();
        Ok(Self { shared, number, bench, user, caller, line: None, process, turn: number, rng })
    }

    /// The client's tenant: a field of its user, or nothing.
    pub(super) fn tenant(&self) -> String {
        self.caller.scope.get("tenant").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }

    /// Now, on the history's clock.
    pub(super) fn now_ns(&self) -> u64 {
        self.bench.now_ns()
    }

    /// Opens the connection, so that a round's first requests leave together.
    pub(super) async fn connect(&mut self) {
        if let Some(line) = &mut self.line
            && line.is_ready().await
        {
            return;
        }
        self.line = self.bench.open_line().await.ok();
    }

    /// Does one operation and records it.
    ///
    /// # Cancel safety
    /// None: dropping the future loses the operation. Clients run to the end of their rounds.
    pub(super) async fn perform(&mut self, intent: Intent) -> Result<Done, WorkloadError> {
        let role = self.role(&intent);
        let prepared = self.prepare(role, &intent)?;
        let gives_up = self.gives_up(&prepared, &intent);
        self.connect().await;
        let (id, process) = (self.shared.recorder.borrow_mut().operation(), self.process);
        let Some(mut line) = self.line.take() else {
            sleep(RECONNECT).await;
            return self.never_sent(id, &intent);
        };
        let called_ns = self.bench.now_ns();
        let answered = match gives_up {
            None => Some(line.call(&prepared).await),
            Some(after) => timeout(after, line.call(&prepared)).await.ok(),
        };
        let is_over = answered.as_ref().is_none_or(|answered| matches!(answered.outcome, Seen::NoAnswer { .. }));
        if !is_over {
            self.line = Some(line);
        }
        let done = self.read(role, &intent, (id, process, called_ns), (answered, &prepared));
        if done.operation.outcome == Outcome::Info {
            self.process = self.shared.recorder.borrow_mut().process();
        }
        if role.is_trouble() {
            return Ok(done);
        }
        let keep = is_write(&prepared).then_some(prepared);
        let keep = keep.map(|prepared| (prepared, intent.look, self.caller.clone()));
        self.shared.recorder.borrow_mut().ended(done.operation.clone(), keep).map_err(WorkloadError::History)?;
        Ok(done)
    }

    /// Does one operation at rest, again until it is answered as expected or that was tried often enough.
    pub(super) async fn insist(&mut self, intent: Intent) -> Result<Done, WorkloadError> {
        let mut done = self.perform(intent.clone()).await?;
        for _ in 1..self.shared.manner.patience.at_rest() {
            if done.operation.outcome != Outcome::Info && !is_unsent(&done.operation) {
                break;
            }
            sleep(INSIST).await;
            done = self.perform(intent.clone()).await?;
        }
        Ok(done)
    }

    /// Asks the target what it knows of its own soundness. Its refusal is the finding.
    pub(super) async fn audit(&mut self, name: &Ref) -> Result<(), WorkloadError> {
        let prepared = self.bench.prepare(name, &self.caller)?;
        let mut tries = self.shared.manner.patience.at_rest();
        let (call_ns, answered) = loop {
            let mut line = self.bench.open_line().await?;
            let call_ns = self.bench.now_ns();
            let answered = line.call(&prepared).await;
            tries = tries.saturating_sub(1);
            if tries == 0 || matches!(answered.outcome, Seen::Accepted { .. } | Seen::Refused { .. }) {
                break (call_ns, answered);
            }
            sleep(INSIST).await;
        };
        let (id, process) = {
            let mut recorder = self.shared.recorder.borrow_mut();
            (recorder.operation(), recorder.process())
        };
        let input = Fields::new().with("audit", name.as_ref().as_str());
        let intent = Intent { op: Some(AUDIT), key: Some(String::new()), input, ..Intent::default() };
        let mut operation = self.blank(&intent, (id, process, call_ns));
        operation.return_ns = Some(answered.interval.return_ns);
        operation.note = format!("{} {}", prepared.plan.method(), answered.outcome);
        match &answered.outcome {
            Seen::Accepted { .. } => operation.outcome = Outcome::Ok,
            Seen::Refused { .. } => {
                operation.outcome = Outcome::Fail;
                operation.refused = Some("unsound".to_owned());
                let shown: String = String::from_utf8_lossy(&answered.body).chars().take(EXCERPT).collect();
                operation.output.set("answer", shown);
            }
            _ => {}
        }
        self.shared.recorder.borrow_mut().write(&operation).map_err(WorkloadError::History)
    }

    /// Records what happened without a call.
    pub(super) fn note(
        &self,
        role: &'static str,
        (object, input): (usize, Fields),
        when: Interval,
    ) -> Result<(), WorkloadError> {
        let mut recorder = self.shared.recorder.borrow_mut();
        let (id, process) = (recorder.operation(), recorder.process());
        let intent = Intent { role, object, input, ..Intent::default() };
        let mut operation = self.blank(&intent, (id, process, when.call_ns));
        (operation.return_ns, operation.outcome) = (Some(when.return_ns), Outcome::Ok);
        "its time was over".clone_into(&mut operation.note);
        recorder.write(&operation).map_err(WorkloadError::History)
    }

    /// The name in the history. What no request does, such as an expiry, is called as it is.
    fn op_of(&self, role: &'static str) -> &'static str {
        Roles::of(*self.shared.workload.model.as_ref()).get(role).map_or(role, Role::word)
    }

    fn role(&self, intent: &Intent) -> &'static Role {
        let roles = Roles::of(*self.shared.workload.model.as_ref());
        roles.get(intent.role).unwrap_or_else(|| unreachable!("habits act by the roles of their own model"))
    }

    fn prepare(&mut self, role: &Role, intent: &Intent) -> Result<Prepared<'t>, RowError> {
        self.turn += 1;
        let name = self.shared.workload.bound(role.name, self.turn);
        let Some(name) = name else { return Err(RowError::NoRequest { request: role.name.to_owned() }) };
        let mut caller = self.caller.clone();
        if let Some(object) = self.shared.objects.get(intent.object) {
            caller.scope.extend(&object.scope);
        }
        caller.scope.extend(&intent.slots);
        let mut prepared = self.bench.prepare(name, &caller)?;
        prepared.wait += intent.patience;
        Ok(prepared)
    }

    /// After which time this request is given up on purpose, if it is one of those.
    fn gives_up(&mut self, prepared: &Prepared<'_>, intent: &Intent) -> Option<Duration> {
        let percent = self.shared.workload.cancelled_percent;
        if percent == 0 || intent.is_kept || !is_write(prepared) || self.rng.random_range(0..100) >= percent {
            return None;
        }
        Some(Duration::from_micros(self.rng.random_range(0..=GIVE_UP.as_micros() as u64)))
    }

    /// The operation when no connection could be had: nothing was sent.
    fn never_sent(&mut self, id: u64, intent: &Intent) -> Result<Done, WorkloadError> {
        let now_ns = self.bench.now_ns();
        let mut operation = self.blank(intent, (id, self.process, now_ns));
        operation.return_ns = Some(now_ns);
        operation.outcome = Outcome::Fail;
        UNSENT.clone_into(&mut operation.note);
        self.shared.recorder.borrow_mut().ended(operation.clone(), None).map_err(WorkloadError::History)?;
        Ok(Done { operation, taken: Scope::default() })
    }

    fn blank(&self, intent: &Intent, (id, process, call_ns): (u64, u64, u64)) -> Operation {
        let of_object = || self.shared.objects.get(intent.object).map(|object| object.key.clone());
        Operation {
            id,
            process,
            key: intent.key.clone().or_else(of_object).unwrap_or_default(),
            op: intent.op.unwrap_or_else(|| self.op_of(intent.role)).to_owned(),
            input: intent.input.clone(),
            call_ns,
            return_ns: None,
            outcome: Outcome::Info,
            refused: None,
            output: Fields::new(),
            note: String::new(),
            idempotency_key: None,
        }
    }

    fn read(
        &self,
        role: &Role,
        intent: &Intent,
        begun: (u64, u64, u64),
        (answered, prepared): (Option<Answered>, &Prepared<'_>),
    ) -> Done {
        let mut operation = self.blank(intent, begun);
        let line = format!("{} {}", prepared.plan.method(), prepared.plan.endpoint().path());
        operation.idempotency_key =
            prepared.plan.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok()).map(str::to_owned);
        let Some(answered) = answered else {
            operation.note = format!("{line}: given up by the client on purpose");
            return Done { operation, taken: Scope::default() };
        };
        operation.call_ns = answered.interval.call_ns;
        operation.note = format!("{line}: {}", answered.outcome);
        let (outcome, refused) = proves(&answered.outcome, role);
        (operation.outcome, operation.refused) = (outcome, refused);
        if outcome != Outcome::Info {
            operation.return_ns = Some(answered.interval.return_ns);
        }
        intent.look.at(&mut operation, &answered);
        note_error(&mut operation, &answered.outcome);
        Done { operation, taken: answered.taken }
    }
}

/// Keeps what a server said of its own failure, whatever is learned of the operation later.
fn note_error(operation: &mut Operation, seen: &Seen) {
    if let Seen::Unexpected { status: status @ 500.., body } = seen {
        operation.output.set("status", *status);
        operation.output.set("error", body.as_str());
    }
}

/// What an answer proves: an expected status that it happened, a refusal or another 4xx that it did not.
fn proves(seen: &Seen, role: &Role) -> (Outcome, Option<String>) {
    match seen {
        Seen::Accepted { .. } | Seen::Malformed { .. } => (Outcome::Ok, None),
        Seen::Refused { .. } => (Outcome::Fail, role.refused.map(str::to_owned)),
        Seen::Unexpected { status, .. } if (400..500).contains(status) => (Outcome::Fail, None),
        Seen::Unexpected { .. } | Seen::NoAnswer { .. } => (Outcome::Info, None),
    }
}

fn is_unsent(operation: &Operation) -> bool {
    operation.note == UNSENT
}

pub(super) fn is_write(prepared: &Prepared<'_>) -> bool {
    !matches!(*prepared.plan.method(), Method::GET | Method::HEAD)
}
