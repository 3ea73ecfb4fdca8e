//! A lock: nobody holds it, or the holder of one token does.
//!
//! A grant ends by its release, or by itself when its lease is over: at the earliest its time to live after the grant or the
//! last renewal was asked for, shortened by what two clocks may drift apart. That end is a call nobody made, which may take
//! effect from then until something else shows that the grant has ended.
//! A grant that nobody was told of has a token that nobody knows.
//! Absent on purpose: fences and what they guard, waiting times, and that an abandoned lock becomes free in time.

use std::collections::HashMap;

use super::{Blame, Subject, bad_field, doubt, effective, observed, unknown_word};
use crate::check::search::{Call, Duty, SequentialModel};
use crate::check::{Finding, Findings};
use crate::history::{BadField, Heading, Operation, Outcome};

/// What clocks may differ by, in parts of a million, unless the heading tells.
const DRIFT_PPM: i64 = 10_000;
const MILLION: u128 = 1_000_000;
const NS_IN_MS: u64 = 1_000_000;

/// The number of a token.
pub type Token = u32;

/// One answered call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LockOp {
    /// It was granted.
    Acquire(Token),
    /// It was given back, or its lease ended.
    Release(Token),
    /// The lease was made longer.
    Renew(Token),
    /// Somebody held it.
    Busy,
    /// This token did not hold it.
    NotOwner(Token),
    /// Whether anybody held it was asked.
    Exists(bool),
}

/// A lock.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    /// By token, the operation that was granted it.
    grants: Vec<Option<u64>>,
}

impl SequentialModel for Lock {
    type State = Option<Token>;
    type Op = LockOp;

    const COMMUTES: bool = false;

    fn initial(&self) -> Option<Token> {
        None
    }

    fn step(&self, holder: &Option<Token>, op: &LockOp) -> Option<Option<Token>> {
        match op {
            LockOp::Acquire(token) => holder.is_none().then_some(Some(*token)),
            LockOp::Release(token) => (*holder == Some(*token)).then_some(None),
            LockOp::Renew(token) => (*holder == Some(*token)).then_some(*holder),
            LockOp::Busy => holder.is_some().then_some(*holder),
            LockOp::NotOwner(token) => (*holder != Some(*token)).then_some(*holder),
            LockOp::Exists(held) => (holder.is_some() == *held).then_some(*holder),
        }
    }

    fn is_no_op(&self, op: &LockOp) -> bool {
        !matches!(op, LockOp::Acquire(_) | LockOp::Release(_))
    }
}

impl Subject for Lock {
    fn read(heading: &Heading, operations: &[&Operation], doubts: &mut Findings) -> Option<(Self, Vec<Call<LockOp>>)> {
        let drift_ppm = match heading.settings.integer("drift_ppm") {
            Ok(drift_ppm) => drift_ppm.unwrap_or(DRIFT_PPM).clamp(0, MILLION as i64) as u128,
            Err(bad) => {
                let key = operations.first().map_or("", |operation| &operation.key);
                doubts.doubt(Finding::new("bad-field", key, format!("the heading's settings: {bad}")));
                return None;
            }
        };
        let mut reader = Reader { drift_ppm, tokens: HashMap::new(), leases: Vec::new() };
        let mut calls = Vec::with_capacity(operations.len());
        for operation in operations {
            match reader.call_of(operation) {
                Ok(call) => calls.extend(call),
                // Without its token a grant's end is not known either, and everything after it would be a guess.
                Err(Unreadable::Grant(finding)) => {
                    doubts.doubt(finding);
                    return None;
                }
                Err(Unreadable::Operation(finding)) => doubts.doubt(finding),
            }
        }
        reader.expire(&mut calls);
        Some((Self { grants: reader.leases.iter().map(|lease| lease.grant.map(|grant| grant.id)).collect() }, calls))
    }

    fn blame(&self, _word: &str, op: &LockOp, _holders: &[Option<Token>]) -> Blame {
        match op {
            LockOp::Acquire(_) => Blame::Rule("granted-twice"),
            LockOp::Release(_) => Blame::Rule("released-by-stranger"),
            LockOp::Busy | LockOp::NotOwner(_) => Blame::Rule("refused-without-cause"),
            LockOp::Renew(_) => Blame::Rule("not-linearizable"),
            LockOp::Exists(_) => Blame::Reading("not-linearizable"),
        }
    }

    fn say(&self, holder: &Option<Token>) -> String {
        match holder {
            None => "free".to_owned(),
            Some(_) => self.origin(holder).map_or_else(
                || "held by somebody".to_owned(),
                |grant| format!("held by the grant of operation {grant}"),
            ),
        }
    }

    fn instead(&self, op: &LockOp) -> &'static str {
        match op {
            LockOp::Acquire(_) => "a refusal as busy",
            LockOp::Release(_) | LockOp::Renew(_) => "a refusal as not the owner",
            LockOp::Busy => "a grant",
            LockOp::NotOwner(_) => "success",
            LockOp::Exists(_) => "the opposite",
        }
    }

    fn size(&self, _op: &LockOp) -> (u64, &'static str) {
        (1, "grants or releases")
    }

    fn origin(&self, holder: &Option<Token>) -> Option<u64> {
        self.grants.get(holder.as_ref().copied()? as usize).copied()?
    }
}

/// When a token was granted, and how long it is safe.
#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    grant: Option<Grant>,
    /// Its end is possible from here on; never without a time to live.
    ends_from_ns: Option<u64>,
    /// The last renewal that is surely in force was answered here.
    renewed_ns: u64,
    /// Something showed that it had ended by here.
    ended_by_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    id: u64,
    return_ns: u64,
}

enum Unreadable {
    Operation(Finding),
    Grant(Finding),
}

/// Reads the operations on one lock.
struct Reader {
    drift_ppm: u128,
    tokens: HashMap<String, Token>,
    leases: Vec<Lease>,
}

impl Reader {
    fn call_of(&mut self, operation: &Operation) -> Result<Option<Call<LockOp>>, Unreadable> {
        let bad = |bad: BadField| Unreadable::Operation(bad_field(operation, &bad));
        let refused = operation.refused.as_deref();
        match operation.op.as_str() {
            "acquire" if operation.is_refused() => {
                Ok(observed(operation, LockOp::Busy).filter(|_| refused == Some("busy")))
            }
            "acquire" if operation.outcome == Outcome::Fail => Ok(None),
            "acquire" => self.grant(operation),
            "release" | "renew" => {
                let token = operation.input.need_text("token").map_err(bad)?;
                let token = self.token(token);
                if operation.is_refused() {
                    // Somebody else's attempt with the holder's own token says nothing of who holds it.
                    let is_telling = refused == Some("not-owner")
                        && !operation.input.truth("foreign").map_err(bad)?.unwrap_or(false);
                    if is_telling {
                        self.ended(token, operation);
                    }
                    return Ok(observed(operation, LockOp::NotOwner(token)).filter(|_| is_telling));
                }
                if operation.op == "renew" {
                    self.renew(token, operation).map_err(bad)?;
                    return Ok(observed(operation, LockOp::Renew(token)));
                }
                if operation.outcome == Outcome::Ok {
                    self.ended(token, operation);
                }
                Ok(effective(operation, LockOp::Release(token)))
            }
            "exists" if operation.outcome != Outcome::Ok => Ok(None),
            "exists" => {
                let Some(held) = operation.output.truth("held").map_err(bad)? else {
                    let missing = BadField::Missing { name: "held".to_owned(), wanted: "true or false" };
                    return Err(bad(missing));
                };
                Ok(observed(operation, LockOp::Exists(held)))
            }
            // What a fence guards is another object.
            "write" | "read-guarded" => Ok(None),
            _ => Err(Unreadable::Operation(unknown_word(operation))),
        }
    }

    fn grant(&mut self, operation: &Operation) -> Result<Option<Call<LockOp>>, Unreadable> {
        let bad = |bad: BadField| Unreadable::Grant(bad_field(operation, &bad));
        let token = if operation.outcome == Outcome::Info {
            // Nobody was told, so no name can be equal to this one.
            self.leases.push(Lease::default());
            self.leases.len() as Token - 1
        } else {
            let token = operation.output.text("token").map_err(bad)?;
            let fence = operation.output.text("fence").map_err(bad)?;
            let Some(token) = token.or(fence) else {
                return Err(Unreadable::Grant(doubt("no-witness", operation, "a grant without token and fence")));
            };
            self.token(token)
        };
        let ends_from_ns = self.safe_until_ns(operation).map_err(bad)?;
        let lease = &mut self.leases[token as usize];
        if let Some(Grant { id, .. }) = lease.grant {
            let why = format!("its token was granted to operation {id} before");
            return Err(Unreadable::Grant(doubt("no-witness", operation, why)));
        }
        lease.grant = Some(Grant { id: operation.id, return_ns: operation.end_ns() });
        lease.ends_from_ns = ends_from_ns;
        Ok(effective(operation, LockOp::Acquire(token)))
    }

    fn renew(&mut self, token: Token, operation: &Operation) -> Result<(), BadField> {
        let until_ns = self.safe_until_ns(operation)?;
        let lease = &mut self.leases[token as usize];
        let (Some(until_ns), Some(before_ns)) = (until_ns, lease.ends_from_ns) else { return Ok(()) };
        let is_in_force = operation.outcome == Outcome::Ok && lease.renewed_ns < operation.call_ns;
        // Which of two renewals that overlap, or that nobody answered, came last is not known.
        lease.ends_from_ns = Some(if is_in_force { until_ns } else { until_ns.min(before_ns) });
        if operation.outcome == Outcome::Ok {
            lease.renewed_ns = lease.renewed_ns.max(operation.end_ns());
        }
        Ok(())
    }

    /// Until when a lease that was asked for by `operation` cannot have ended by itself.
    fn safe_until_ns(&self, operation: &Operation) -> Result<Option<u64>, BadField> {
        let Some(ttl_ms) = operation.input.integer("ttl_ms")? else { return Ok(None) };
        let lease_ns = u64::try_from(ttl_ms).unwrap_or(0).saturating_mul(NS_IN_MS);
        let safe_ns = u128::from(lease_ns) * (MILLION - self.drift_ppm) / MILLION;
        Ok(Some(operation.call_ns.saturating_add(safe_ns as u64)))
    }

    /// By the end of `operation` the grant of `token` was over.
    fn ended(&mut self, token: Token, operation: &Operation) {
        let by_ns = &mut self.leases[token as usize].ended_by_ns;
        *by_ns = Some(by_ns.map_or(operation.end_ns(), |earlier| earlier.min(operation.end_ns())));
    }

    fn token(&mut self, text: String) -> Token {
        let next = self.leases.len() as Token;
        let token = *self.tokens.entry(text).or_insert(next);
        if token == next {
            self.leases.push(Lease::default());
        }
        token
    }

    /// Adds the ends that leases may have had by themselves.
    fn expire(&self, calls: &mut Vec<Call<LockOp>>) {
        let superseded = Superseded::by(calls);
        for (token, lease) in self.leases.iter().enumerate() {
            let (Some(grant), Some(from_ns)) = (lease.grant, lease.ends_from_ns) else { continue };
            let by_ns = superseded.after_ns(grant.return_ns).min(lease.ended_by_ns.unwrap_or(u64::MAX));
            if from_ns < by_ns {
                let op = LockOp::Release(token as Token);
                calls.push(Call { id: grant.id, call_ns: from_ns, return_ns: by_ns, duty: Duty::May, op });
            }
        }
    }
}

/// When a later grant shows that an earlier one was over.
struct Superseded {
    /// By the time of the call, when this or any later grant returned first.
    grants: Vec<(u64, u64)>,
}

impl Superseded {
    fn by(calls: &[Call<LockOp>]) -> Self {
        let certain = |call: &&Call<LockOp>| call.duty == Duty::Must && matches!(call.op, LockOp::Acquire(_));
        let mut grants: Vec<(u64, u64)> =
            calls.iter().filter(certain).map(|call| (call.call_ns, call.return_ns)).collect();
        grants.sort_unstable();
        let mut first = u64::MAX;
        for (_, return_ns) in grants.iter_mut().rev() {
            first = first.min(*return_ns);
            *return_ns = first;
        }
        Self { grants }
    }

    /// When the first grant returned of those asked for after `time_ns`.
    fn after_ns(&self, time_ns: u64) -> u64 {
        let from = self.grants.partition_point(|(call_ns, _)| *call_ns <= time_ns);
        self.grants.get(from).map_or(u64::MAX, |(_, return_ns)| *return_ns)
    }
}
