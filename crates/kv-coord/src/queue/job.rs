//! What a job is: a few short words, checked at the edge.
//!
//! Invariant: ids, kinds and unique keys hold letters, digits and a few marks, never a bar, a space or a control character, so
//! a script can keep them side by side in one text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kv_types::TenantId;
use thiserror::Error;

/// Why a text is not part of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadJob {
    /// Nothing, or too much.
    #[error("{what} has 1 to {max_bytes} bytes, not {bytes}")]
    Length {
        /// Which part.
        what: &'static str,
        /// The most it may have.
        max_bytes: usize,
        /// How many there were.
        bytes: usize,
    },
    /// A character that is not allowed.
    #[error("{what} cannot hold {found:?}; use letters, digits and - _ . : @ +")]
    Character {
        /// Which part.
        what: &'static str,
        /// The first one.
        found: char,
    },
    /// A number outside its range.
    #[error("{what} is 1 to {max}, not {raw}")]
    Range {
        /// Which part.
        what: &'static str,
        /// The most it may be.
        max: u32,
        /// What was given.
        raw: u32,
    },
}

fn check_length(what: &'static str, raw: &str, max_bytes: usize) -> Result<(), BadJob> {
    if (1..=max_bytes).contains(&raw.len()) {
        return Ok(());
    }
    Err(BadJob::Length { what, max_bytes, bytes: raw.len() })
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '+')
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest one.
            pub const MAX_BYTES: usize = $max;

            /// Checks a text from outside.
            ///
            /// # Errors
            /// [`BadJob`] when it is empty, too long or holds a character that is not allowed.
            pub fn parse(raw: &str) -> Result<Self, BadJob> {
                check_length($what, raw, Self::MAX_BYTES)?;
                match raw.chars().find(|&c| !is_allowed(c)) {
                    Some(found) => Err(BadJob::Character { what: $what, found }),
                    None => Ok(Self(raw.into())),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadJob;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                Self::parse(raw)
            }
        }
    };
}

word!(
    /// A job's id, given by whoever has the truth about it: pushed twice, it is one job.
    JobId,
    "a job's id",
    64
);
word!(
    /// What kind of work it is, which decides who handles it.
    Kind,
    "a job's kind",
    64
);
word!(
    /// Of jobs of one tenant and kind with the same unique key, one at a time is known; it is free again when that one is done
    /// or dead.
    UniqueKey,
    "a job's unique key",
    128
);

word!(
    /// What tells the keys of one queue from those of another in the same database.
    QueueTag,
    "a queue's tag",
    64
);

/// Where the work's details are; what it says is between who enqueues and who handles.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadRef(Arc<str>);

impl PayloadRef {
    /// The longest one: it is a reference, the payload itself stays in PostgreSQL.
    pub const MAX_BYTES: usize = 512;

    /// Checks a text from outside; empty is fine.
    ///
    /// # Errors
    /// [`BadJob::Length`] when it is too long.
    pub fn parse(raw: &str) -> Result<Self, BadJob> {
        if raw.len() > Self::MAX_BYTES {
            return Err(BadJob::Length { what: "a payload reference", max_bytes: Self::MAX_BYTES, bytes: raw.len() });
        }
        Ok(Self(raw.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of the three queues a job is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Of 16 jobs handed out 12, as long as there are jobs in all three.
    High,
    /// Where a job belongs that nobody waits for; of 16 jobs 3.
    #[default]
    Default,
    /// Behind the others, but not for ever: of 16 jobs 1.
    Low,
}

impl Priority {
    /// All three, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Default, Self::Low];

    /// As its list is called: `queue:high`, `queue:default`, `queue:low`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Default => "default",
            Self::Low => "low",
        }
    }

    /// The one that is called so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str() == name)
    }
}

/// Which of the three queues a worker takes jobs from: one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queues([bool; 3]);

impl Queues {
    /// All three.
    pub const ALL: Self = Self([true; 3]);

    /// Some of them; `None` for none.
    pub fn of(priorities: impl IntoIterator<Item = Priority>) -> Option<Self> {
        let mut queues = [false; 3];
        for priority in priorities {
            queues[priority as usize] = true;
        }
        queues.contains(&true).then_some(Self(queues))
    }

    /// Whether one is among them.
    pub const fn has(self, priority: Priority) -> bool {
        self.0[priority as usize]
    }
}

impl fmt::Display for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Priority::ALL.into_iter().filter(|priority| self.has(*priority)).map(Priority::as_str).collect();
        f.write_str(&names.join(","))
    }
}

/// How much a job may suffer before it is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobLimits {
    attempts_max: u32,
    losses_max: u32,
}

impl JobLimits {
    /// The most of either.
    pub const MAX: u32 = 1_000;
    /// Five attempts in all; three lost leases, because a job that kills its workers should not have five.
    pub const DEFAULT: Self = Self { attempts_max: 5, losses_max: 3 };

    /// Checks numbers from outside: attempts in all, and attempts that ended with their lease and no word.
    ///
    /// # Errors
    /// [`BadJob::Range`] for zero or more than [`JobLimits::MAX`].
    pub const fn new(attempts_max: u32, losses_max: u32) -> Result<Self, BadJob> {
        if attempts_max == 0 || attempts_max > Self::MAX {
            return Err(BadJob::Range { what: "a job's attempts_max", max: Self::MAX, raw: attempts_max });
        }
        if losses_max == 0 || losses_max > Self::MAX {
            return Err(BadJob::Range { what: "a job's losses_max", max: Self::MAX, raw: losses_max });
        }
        Ok(Self { attempts_max, losses_max })
    }

    /// Attempts in all.
    pub const fn attempts_max(self) -> u32 {
        self.attempts_max
    }

    /// Attempts that ended with their lease and no word.
    pub const fn losses_max(self) -> u32 {
        self.losses_max
    }
}

/// One piece of work, as it is enqueued and as its worker sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is.
    pub kind: Kind,
    /// Where its details are.
    pub payload: PayloadRef,
    /// Which queue it is in.
    pub priority: Priority,
    /// Not to be worked on before this time, in milliseconds since 1970; zero for at once, and for a job that was ready once.
    pub not_before_ms: u64,
    /// What only one known job of its tenant and kind may have.
    pub unique: Option<UniqueKey>,
    /// When it is given up.
    pub limits: JobLimits,
}

impl Job {
    /// A job of the default queue, for at once.
    pub fn new(id: JobId, tenant: TenantId, kind: Kind, payload: PayloadRef) -> Self {
        Self {
            id,
            tenant,
            kind,
            payload,
            priority: Priority::Default,
            not_before_ms: 0,
            unique: None,
            limits: JobLimits::DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_plain() {
        assert!(JobId::parse("01960000-0000-7000-8000-000000000001").is_ok());
        assert!(Kind::parse("order.confirmed").is_ok());
        for raw in ["a b", "a|b", "a{b", "a*b", "é", "a\n"] {
            assert!(matches!(JobId::parse(raw), Err(BadJob::Character { .. })), "{raw}");
        }
        assert!(matches!(JobId::parse(""), Err(BadJob::Length { bytes: 0, .. })));
        assert!(JobId::parse(&"a".repeat(64)).is_ok());
        assert!(JobId::parse(&"a".repeat(65)).is_err());
        assert!(PayloadRef::parse("").is_ok());
        assert!(PayloadRef::parse(&"x".repeat(513)).is_err());
    }

    #[test]
    fn limits_begin_at_one() {
        assert!(JobLimits::new(1, 1).is_ok());
        for (attempts, losses) in [(0, 1), (1, 0), (1_001, 1), (1, 1_001)] {
            assert!(matches!(JobLimits::new(attempts, losses), Err(BadJob::Range { .. })));
        }
    }

    #[test]
    fn queues_are_written_as_they_are_named() {
        assert_eq!(Queues::ALL.to_string(), "high,default,low");
        let some = Queues::of([Priority::Low, Priority::High]).expect("two");
        assert_eq!((some.to_string().as_str(), some.has(Priority::Default)), ("high,low", false));
        assert_eq!(Queues::of([]), None);
    }

    #[test]
    fn a_priority_is_found_by_its_name() {
        for priority in Priority::ALL {
            assert_eq!(Priority::from_name(priority.as_str()), Some(priority));
        }
        assert_eq!(Priority::from_name("urgent"), None);
    }
}
