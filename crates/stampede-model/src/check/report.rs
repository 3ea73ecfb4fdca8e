//! What a checker says: holds, violated or unknown, how strongly, and by which operations.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Findings and doubts kept with their words; the rest is counted.
const KEPT: usize = 20;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Every operation can be explained.
    Holds,
    /// It cannot be told.
    Unknown,
    /// No correct system can have shown this.
    Violated,
}

/// How strong a "holds" is, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Nothing was decided.
    Nothing,
    /// Only each answer by itself, or sums at the end.
    Rules,
    /// What can be said from the calls' intervals alone; an error that another pending call could explain is not seen.
    Bounds,
    /// A search found an order that explains every operation.
    Exact,
    /// The system itself named what decides it: the order (versions, fences, remaining), or where no order matters, whose a value is,
    /// what a key made, which jobs took effect. It explains every operation, and nothing had to be assumed.
    Witness,
}

impl Strength {
    /// In words, for a table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "unknown",
            Self::Rules => "rules only",
            Self::Bounds => "bounds only",
            Self::Exact => "exact",
            Self::Witness => "proved by witness",
        }
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The rule that was broken, a stable name such as `oversold` or `lost-update`.
pub type Rule = &'static str;

/// One violation or doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule: `oversold`, `lost-update`, `granted-twice`, ..
    pub rule: String,
    /// The object.
    pub key: String,
    /// The operations that contradict each other, by id; the first is the impossible one.
    pub operations: Vec<u64>,
    /// What happened, in a sentence a stranger understands.
    pub what: String,
    /// What would have been allowed instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub allowed: String,
}

impl Finding {
    /// A finding of `rule` about `key`.
    pub fn new(rule: Rule, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            key: key.into(),
            operations: Vec::new(),
            what: what.into(),
            allowed: String::new(),
        }
    }

    /// With the operations that show it.
    #[must_use]
    pub fn by(mut self, operations: impl IntoIterator<Item = u64>) -> Self {
        self.operations.extend(operations);
        self
    }

    /// With what would have been allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = allowed.into();
        self
    }
}

/// What a checker says of one history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The check: `stock`, `lock`, ..
    pub check: String,
    /// How it came out.
    pub answer: Answer,
    /// How strong a "holds" is; of a history with several keys, the weakest.
    pub strength: Strength,
    /// Operations that were looked at.
    pub operations: u64,
    /// Objects they touched.
    pub keys: u64,
    /// Operations whose outcome nobody knows.
    pub indeterminate: u64,
    /// What those could hide, in words; empty without any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub could_hide: String,
    /// Violations, the first ones with their words.
    pub violations: Vec<Finding>,
    /// How many there were.
    pub violation_count: u64,
    /// Why it is unknown, or weaker than it could be.
    pub doubts: Vec<Finding>,
    /// How many there were.
    pub doubt_count: u64,
}

/// Violations and doubts gathered by a check, bounded.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    violations: Pile,
    doubts: Pile,
}

#[derive(Clone, Debug, Default)]
struct Pile {
    kept: Vec<Finding>,
    count: u64,
}

impl Pile {
    /// Keeps the first findings of each rule, so that one noisy rule does not hide another.
    fn add(&mut self, finding: Finding) {
        const OF_ONE_RULE: usize = 5;
        self.count += 1;
        let same = self.kept.iter().filter(|kept| kept.rule == finding.rule).count();
        if self.kept.len() < KEPT && same < OF_ONE_RULE {
            self.kept.push(finding);
        }
    }

    fn absorb(&mut self, other: Self) {
        let counted = other.count - other.kept.len() as u64;
        other.kept.into_iter().for_each(|finding| self.add(finding));
        self.count += counted;
    }
}

impl Findings {
    /// Adds a proof that the system was wrong.
    pub fn violation(&mut self, finding: Finding) {
        self.violations.add(finding);
    }

    /// Adds something that cannot be told.
    pub fn doubt(&mut self, finding: Finding) {
        self.doubts.add(finding);
    }

    /// Whether anything was proven.
    pub fn is_violated(&self) -> bool {
        self.violations.count > 0
    }

    /// Whether anything cannot be told.
    pub fn is_doubtful(&self) -> bool {
        self.doubts.count > 0
    }

    /// Takes over what another check found.
    pub fn absorb(&mut self, other: Self) {
        self.violations.absorb(other.violations);
        self.doubts.absorb(other.doubts);
    }

    /// The report of a check that looked at `operations` on `keys` objects; `strength` is what it has if nothing was found.
    pub fn conclude(self, check: &str, strength: Strength, operations: u64, keys: u64) -> CheckReport {
        let answer = match (self.violations.count, self.doubts.count) {
            (0, 0) if operations > 0 => Answer::Holds,
            (0, _) => Answer::Unknown,
            _ => Answer::Violated,
        };
        CheckReport {
            check: check.to_owned(),
            answer,
            strength: if answer == Answer::Unknown { Strength::Nothing } else { strength },
            operations,
            keys,
            indeterminate: 0,
            could_hide: String::new(),
            violations: self.violations.kept,
            violation_count: self.violations.count,
            doubts: self.doubts.kept,
            doubt_count: self.doubts.count,
        }
    }
}

impl CheckReport {
    /// With how many outcomes stayed unknown, and what they could hide.
    #[must_use]
    pub fn with_indeterminate(mut self, count: u64, could_hide: impl Into<String>) -> Self {
        self.indeterminate = count;
        self.could_hide = if count == 0 { String::new() } else { could_hide.into() };
        self
    }

    /// The violation to show first.
    pub fn first_violation(&self) -> Option<&Finding> {
        self.violations.first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_outweighs_doubts_and_nothing_looked_at_is_unknown() {
        let mut findings = Findings::default();
        assert_eq!(findings.clone().conclude("stock", Strength::Exact, 0, 0).answer, Answer::Unknown);
        assert_eq!(findings.clone().conclude("stock", Strength::Exact, 1, 1).answer, Answer::Holds);
        findings.doubt(Finding::new("budget", "k", "the search was given up"));
        let report = findings.clone().conclude("stock", Strength::Exact, 1, 1);
        assert_eq!((report.answer, report.strength), (Answer::Unknown, Strength::Nothing));
        findings.violation(Finding::new("oversold", "k", "one too many").by([3]));
        assert_eq!(findings.conclude("stock", Strength::Exact, 1, 1).answer, Answer::Violated);
    }

    #[test]
    fn a_noisy_rule_leaves_room_for_others_and_all_are_counted() {
        let mut findings = Findings::default();
        for number in 0..100 {
            findings.violation(Finding::new("noisy", "k", number.to_string()));
        }
        let mut others = Findings::default();
        others.violation(Finding::new("quiet", "k", "hardly heard"));
        findings.absorb(others);
        let report = findings.conclude("lock", Strength::Rules, 1, 1);
        assert_eq!((report.violation_count, report.violations.len()), (101, 6));
        assert_eq!(report.violations[5].rule, "quiet");
    }
}
