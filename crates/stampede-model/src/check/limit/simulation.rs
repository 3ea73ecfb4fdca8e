//! A limiter of each kind on a clock of its own, right or with one fault, and the history its users write.
//!
//! The instant of each decision falls anywhere between call and answer; requests and answers get lost, requests arrive late.
//! Everything follows from the seed.

use std::collections::{BTreeMap, VecDeque};

use super::Kind;
use crate::check::dice::Dice;
use crate::history::{Fields, Heading, Model, Operation, Outcome};

const MS: u64 = 1_000_000;
const DRIFT_PPM: u64 = 10_000;
const SKEW_MS: u64 = 300;
const STARTED_UNIX_NS: u64 = 1_700_000_000_123_456_789;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    AdmitsMore,
    RefusesEarly,
    RepeatsRemaining,
    WrongRemaining,
    NeverResets,
    SharesCounter,
    CountsRefused,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) kind: Kind,
    pub(super) users: u64,
    pub(super) bursts: u64,
    pub(super) limit: u64,
    pub(super) window_ms: u64,
    pub(super) refused_counts: bool,
    pub(super) aligned: bool,
    /// Whether answers tell a reset.
    pub(super) resets: bool,
    pub(super) lost: u64,
    /// What the users' clock counts in: calls are noted too early and answers too late by up to that, and many at one instant.
    pub(super) tick_ns: u64,
    pub(super) fault: Option<Fault>,
}

/// What the limiter keeps of one user.
#[derive(Default)]
struct Account {
    window_end: u64,
    count: u64,
    log: VecDeque<u64>,
    missing: f64,
    filled_at: u64,
    last_told: u64,
}

struct Answer {
    passes: bool,
    remaining: u64,
    reset_ns: u64,
}

/// A call before it is decided.
struct Planned {
    user: u64,
    call: u64,
    decided: u64,
    end: u64,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    NeverArrived,
    Unanswered,
    Failed,
}

pub(super) fn history(plan: Plan) -> (Heading, Vec<Operation>) {
    let mut dice = Dice(plan.seed);
    let mut calls = planned(plan, &mut dice);
    calls.sort_by_key(|call| call.decided);
    // A clock that sets windows by the time of day is set itself.
    let rate_ppm = if plan.aligned { 1_000_000 } else { dice.clock_ppm(DRIFT_PPM) };
    let offset_ns = STARTED_UNIX_NS - SKEW_MS * MS / 2 + dice.below(SKEW_MS * MS);
    let mut accounts: BTreeMap<u64, Account> = BTreeMap::new();
    let mut operations: Vec<Operation> = Vec::new();
    for (id, call) in calls.iter().enumerate() {
        let server_ns = offset_ns + (u128::from(call.decided) * u128::from(rate_ppm) / 1_000_000) as u64;
        let whose = if plan.fault == Some(Fault::SharesCounter) { 0 } else { call.user };
        let account = accounts.entry(whose).or_default();
        let answer = match call.fate {
            Fate::NeverArrived => None,
            // Whatever failed may have failed before the limiter or after it.
            Fate::Failed if dice.percent(50) => None,
            _ => Some(account.decide(server_ns, plan, &mut dice)),
        };
        operations.push(operation(id as u64, call, answer.as_ref(), plan));
    }
    for operation in &mut operations {
        operation.call_ns -= operation.call_ns % plan.tick_ns;
        operation.return_ns = operation.return_ns.map(|at| at.next_multiple_of(plan.tick_ns));
    }
    operations.sort_by_key(|operation| (operation.call_ns, operation.id));
    (heading(plan), operations)
}

fn heading(plan: Plan) -> Heading {
    let mut heading = Heading::of(Model::RateLimit);
    heading.started_unix_ns = STARTED_UNIX_NS;
    let kind = match plan.kind {
        Kind::Fixed => "fixed",
        Kind::Sliding => "sliding",
        Kind::Bucket => "bucket",
    };
    heading.settings = Fields::new()
        .with("limit", plan.limit)
        .with("window_ms", plan.window_ms)
        .with("kind", kind)
        .with("refused_counts", plan.refused_counts)
        .with("aligned", plan.aligned)
        .with("skew_ms", SKEW_MS);
    heading
}

fn planned(plan: Plan, dice: &mut Dice) -> Vec<Planned> {
    let mut calls = Vec::new();
    for user in 0..plan.users {
        let mut now = dice.below(plan.window_ms * MS);
        for _ in 0..plan.bursts {
            let spread = [1, 20, plan.window_ms][dice.below(3) as usize] * MS;
            for _ in 0..=dice.below(2 * plan.limit) {
                let call = now + dice.below(spread);
                let slow = if dice.percent(5) { plan.window_ms / 3 } else { 3 };
                let decided = call + dice.below(slow * MS);
                let end = decided + dice.below(slow * MS);
                calls.push(with_fate(Planned { user, call, decided, end, fate: Fate::Answered }, plan, dice));
            }
            now += dice.below(3 * plan.window_ms * MS / 2);
        }
    }
    calls
}

fn with_fate(call: Planned, plan: Plan, dice: &mut Dice) -> Planned {
    if !dice.percent(plan.lost) {
        return call;
    }
    match dice.below(4) {
        0 => Planned { fate: Fate::NeverArrived, ..call },
        1 => Planned { fate: Fate::Failed, ..call },
        2 => Planned { fate: Fate::Unanswered, ..call },
        _ => {
            let decided = call.call + dice.below(2 * plan.window_ms * MS);
            Planned { fate: Fate::Unanswered, decided, ..call }
        }
    }
}

impl Account {
    fn decide(&mut self, now: u64, plan: Plan, dice: &mut Dice) -> Answer {
        let mut answer = match plan.kind {
            Kind::Fixed => self.fixed(now, plan, dice),
            Kind::Sliding => self.sliding(now, plan, dice),
            Kind::Bucket => self.bucket(now, plan, dice),
        };
        if plan.fault == Some(Fault::RepeatsRemaining) && dice.percent(20) && self.last_told > 0 {
            answer.remaining = if answer.passes { self.last_told } else { 0 };
        }
        if plan.fault == Some(Fault::WrongRemaining) && dice.percent(20) && answer.passes {
            answer.remaining += 2;
        }
        self.last_told = answer.remaining;
        answer
    }

    fn lets_pass(has_room: bool, plan: Plan, dice: &mut Dice) -> bool {
        match plan.fault {
            Some(Fault::AdmitsMore) if dice.percent(20) => true,
            Some(Fault::RefusesEarly) if dice.percent(20) => false,
            _ => has_room,
        }
    }

    fn fixed(&mut self, now: u64, plan: Plan, dice: &mut Dice) -> Answer {
        let window = plan.window_ms * MS;
        let never = plan.fault == Some(Fault::NeverResets) && self.window_end > 0;
        if now >= self.window_end && !never {
            self.window_end = if plan.aligned { (now / window + 1) * window } else { now + window };
            self.count = 0;
        }
        let passes = Self::lets_pass(self.count < plan.limit, plan, dice);
        self.count += u64::from(passes);
        let remaining = plan.limit.saturating_sub(self.count);
        Answer { passes, remaining, reset_ns: self.window_end }
    }

    fn sliding(&mut self, now: u64, plan: Plan, dice: &mut Dice) -> Answer {
        let window = plan.window_ms * MS;
        while plan.fault != Some(Fault::NeverResets) && self.log.front().is_some_and(|first| first + window <= now) {
            self.log.pop_front();
        }
        let passes = Self::lets_pass((self.log.len() as u64) < plan.limit, plan, dice);
        if passes || plan.refused_counts || plan.fault == Some(Fault::CountsRefused) {
            self.log.push_back(now);
        }
        let remaining = plan.limit.saturating_sub(self.log.len() as u64);
        Answer { passes, remaining, reset_ns: self.log.front().map_or(now, |first| first + window) }
    }

    fn bucket(&mut self, now: u64, plan: Plan, dice: &mut Dice) -> Answer {
        let filled = (now - self.filled_at) as f64 * plan.limit as f64 / (plan.window_ms * MS) as f64;
        let burst = plan.limit as f64;
        if plan.fault != Some(Fault::NeverResets) {
            self.missing = (self.missing - filled).max(0.0);
        }
        self.filled_at = now;
        let passes = Self::lets_pass(burst - self.missing >= 1.0, plan, dice);
        if passes || plan.fault == Some(Fault::CountsRefused) {
            self.missing += 1.0;
        }
        let remaining = if passes { (burst - self.missing).max(0.0).floor() as u64 } else { 0 };
        Answer { passes, remaining, reset_ns: now }
    }
}

fn operation(id: u64, call: &Planned, answer: Option<&Answer>, plan: Plan) -> Operation {
    let seen = answer.filter(|_| call.fate == Fate::Answered);
    let mut output = Fields::new();
    if let Some(answer) = seen {
        output.set("limit", plan.limit).set("remaining", answer.remaining);
        if plan.resets {
            // In whole seconds where windows are long, as headers tell it.
            let coarse = if plan.window_ms >= 3_000 { 1_000 } else { 1 };
            output.set("reset_ms", answer.reset_ns.div_ceil(coarse * MS) * coarse);
        }
    }
    let (outcome, return_ns) = match (call.fate, seen) {
        (Fate::Answered, Some(answer)) if answer.passes => (Outcome::Ok, Some(call.end)),
        (Fate::Answered | Fate::Failed, _) => (Outcome::Fail, Some(call.end)),
        (Fate::NeverArrived | Fate::Unanswered, _) => (Outcome::Info, None),
    };
    Operation {
        id,
        process: id,
        key: format!("user-{}", call.user),
        op: "call".into(),
        input: Fields::new(),
        call_ns: call.call,
        return_ns,
        outcome,
        refused: seen.filter(|answer| !answer.passes).map(|_| "limited".into()),
        output,
        note: String::new(),
        idempotency_key: None,
    }
}
