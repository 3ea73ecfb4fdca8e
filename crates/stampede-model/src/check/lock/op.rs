//! The operations of one lock, read into what the rules ask for.

use std::collections::HashMap;

use crate::check::reading::{BadOperation, End, Span, count, ms, need_truth};
use crate::history::{BadField, Fields, Operation, Outcome};

/// A token, numbered within its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Token(pub(super) u32);

impl Token {
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Acquire {
    pub(super) span: Span,
    pub(super) ttl_ns: u64,
    pub(super) wait_ns: u64,
    pub(super) end: AcquireEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AcquireEnd {
    Granted {
        token: Token,
        fence: Option<i64>,
    },
    Busy,
    Nothing,
    /// With the token that the client chose himself, if he did.
    Unknown {
        chosen: Option<Token>,
    },
}

impl Acquire {
    /// How long it took, if it was answered.
    pub(super) fn answered_after_ns(&self) -> Option<u64> {
        let is_answered = matches!(self.end, AcquireEnd::Granted { .. } | AcquireEnd::Busy);
        is_answered.then(|| self.span.end.saturating_sub(self.span.call))
    }

    /// Not granted, yet it may have stood in the line meanwhile.
    pub(super) fn may_have_queued(&self) -> bool {
        match self.end {
            AcquireEnd::Busy => self.wait_ns > 0,
            AcquireEnd::Nothing => true,
            AcquireEnd::Granted { .. } | AcquireEnd::Unknown { .. } => false,
        }
    }
}

/// A release, or a renewal with its lease.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByToken {
    pub(super) span: Span,
    pub(super) token: Token,
    pub(super) end: End,
    /// Asked by somebody who must not.
    pub(super) foreign: bool,
    /// The renewed lease; nothing for a release.
    pub(super) ttl_ns: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) span: Span,
    pub(super) held: bool,
}

/// A guarded write or, with what it saw, a read of the guarded row.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) span: Span,
    pub(super) fence: Option<i64>,
    pub(super) version: Option<i64>,
    pub(super) value: Option<String>,
    pub(super) end: End,
}

/// What was done with one lock, each list in the order of the calls.
#[derive(Debug)]
pub(super) struct LockKey<'a> {
    pub(super) key: &'a str,
    pub(super) acquires: Vec<Acquire>,
    pub(super) releases: Vec<ByToken>,
    pub(super) renewals: Vec<ByToken>,
    pub(super) looks: Vec<Look>,
    pub(super) writes: Vec<Guarded>,
    pub(super) reads: Vec<Guarded>,
    tokens: HashMap<String, Token>,
}

impl<'a> LockKey<'a> {
    pub(super) fn new(key: &'a str) -> Self {
        Self {
            key,
            acquires: Vec::new(),
            releases: Vec::new(),
            renewals: Vec::new(),
            looks: Vec::new(),
            writes: Vec::new(),
            reads: Vec::new(),
            tokens: HashMap::new(),
        }
    }

    /// How many tokens were seen.
    pub(super) fn token_count(&self) -> usize {
        self.tokens.len()
    }

    pub(super) fn add(&mut self, operation: &Operation, ttl_ns: Option<u64>) -> Result<(), BadOperation> {
        match operation.op.as_str() {
            "acquire" => {
                let acquire = self.acquire(operation, ttl_ns)?;
                self.acquires.push(acquire);
            }
            "release" => {
                let release = self.by_token(operation, 0)?;
                self.releases.push(release);
            }
            "renew" => {
                let renewal = self.by_token(operation, ttl_of(&operation.input, ttl_ns)?)?;
                self.renewals.push(renewal);
            }
            "exists" if operation.outcome == Outcome::Ok => {
                let held = need_truth(&operation.output, "held")?;
                self.looks.push(Look { span: Span::of(operation), held });
            }
            "write" => self.writes.push(write(operation)?),
            "read-guarded" if operation.outcome == Outcome::Ok => self.reads.push(read(operation)?),
            "exists" | "read-guarded" => {}
            other => return Err(BadOperation::Word(other.to_owned())),
        }
        Ok(())
    }

    fn acquire(&mut self, operation: &Operation, ttl_ns: Option<u64>) -> Result<Acquire, BadOperation> {
        let chosen = operation.input.text("token")?;
        let end = match End::of(operation, "busy") {
            End::Done => {
                let token = match (operation.output.text("token")?, chosen) {
                    (Some(told), _) => told,
                    (None, Some(chosen)) => chosen,
                    (None, None) => operation.output.need_text("token")?,
                };
                AcquireEnd::Granted { token: self.token(token), fence: operation.output.integer("fence")? }
            }
            End::Refused => AcquireEnd::Busy,
            End::Nothing => AcquireEnd::Nothing,
            End::Unknown => AcquireEnd::Unknown { chosen: chosen.map(|chosen| self.token(chosen)) },
        };
        let wait_ns = ms(count(&operation.input, "wait_ms")?.unwrap_or(0));
        Ok(Acquire { span: Span::of(operation), ttl_ns: ttl_of(&operation.input, ttl_ns)?, wait_ns, end })
    }

    fn by_token(&mut self, operation: &Operation, ttl_ns: u64) -> Result<ByToken, BadOperation> {
        let token = self.token(operation.input.need_text("token")?);
        let foreign = operation.input.truth("foreign")?.unwrap_or(false);
        Ok(ByToken { span: Span::of(operation), token, end: End::of(operation, "not-owner"), foreign, ttl_ns })
    }

    fn token(&mut self, text: String) -> Token {
        let next = Token(self.tokens.len() as u32);
        *self.tokens.entry(text).or_insert(next)
    }
}

fn ttl_of(input: &Fields, otherwise_ns: Option<u64>) -> Result<u64, BadField> {
    let wanted = "a whole number, here or in the settings";
    count(input, "ttl_ms")?
        .map(ms)
        .or(otherwise_ns)
        .ok_or_else(|| BadField::Missing { name: "ttl_ms".to_owned(), wanted })
}

fn write(operation: &Operation) -> Result<Guarded, BadField> {
    Ok(Guarded {
        span: Span::of(operation),
        fence: Some(operation.input.need_integer("fence")?),
        version: operation.output.integer("version")?,
        value: operation.input.text("value")?,
        end: End::of(operation, "stale-fence"),
    })
}

fn read(operation: &Operation) -> Result<Guarded, BadField> {
    Ok(Guarded {
        span: Span::of(operation),
        fence: operation.output.integer("fence")?,
        version: operation.output.integer("version")?,
        value: operation.output.text("value")?,
        end: End::Done,
    })
}
