//! What a fault may cost clients.
//!
//! Invariants: what could not be seen was not kept; a time in which nobody was answered is no recovery, failed or not.

use serde::{Deserialize, Serialize};

use super::recovery::Recovery;
use crate::failure::FailureKind;
use crate::units::show_ns;

/// The limits of one fault; where nothing is said nothing is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// How soon after the injection clients must be served again. The name is that of the file's first version.
    #[serde(rename = "limit_ns")]
    pub recovery_ns: Option<u64>,
    /// How soon after the undo.
    #[serde(rename = "after_undo_limit_ns", skip_serializing_if = "Option::is_none")]
    pub after_undo_ns: Option<u64>,
    /// As what requests may fail; none of another kind.
    #[serde(rename = "failure_kinds", skip_serializing_if = "Option::is_none")]
    pub failures: Option<Vec<FailureKind>>,
    /// How long a request may take to fail: a client that is told so soon can turn to something else.
    #[serde(rename = "failure_limit_ns", skip_serializing_if = "Option::is_none")]
    pub failures_within_ns: Option<u64>,
}

impl Expected {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each limit in words, and whether it was kept.
    pub fn judge(&self, seen: &Recovery) -> Vec<(String, bool)> {
        let mut judged = Vec::new();
        let within = |after: Option<u64>, limit: u64| after.is_some_and(|after| after <= limit);
        let any = seen.good + seen.bad() > 0;
        if let Some(limit) = self.recovery_ns {
            let silence = seen.longest_dark_ns;
            let is_silent = silence > limit && within(seen.recovered_after_ns, limit);
            let met =
                if is_silent { format!(" (nobody was answered for {})", show_ns(silence)) } else { String::new() };
            judged.push((show_ns(limit) + &met, within(seen.recovered_after_ns, limit) && silence <= limit));
        }
        if let Some(limit) = self.after_undo_ns {
            judged.push((format!("{} after the undo", show_ns(limit)), within(seen.after_undo_ns, limit)));
        }
        if let Some(kinds) = &self.failures {
            let others: Vec<&str> =
                seen.errors.keys().filter(|kind| !kinds.contains(kind)).map(|kind| kind.label()).collect();
            let words = kinds.iter().map(|kind| kind.label()).collect::<Vec<_>>().join(", ");
            let words = if words.is_empty() { "no failures".to_owned() } else { format!("only {words}") };
            let met = if others.is_empty() { String::new() } else { format!(" (there were: {})", others.join(", ")) };
            judged.push((words + &met, any && others.is_empty()));
        }
        if let Some(limit) = self.failures_within_ns {
            let slowest = seen.slowest_failure_ns;
            let met = if slowest > limit { format!(" (one took {})", show_ns(slowest)) } else { String::new() };
            judged.push((format!("told within {}{met}", show_ns(limit)), any && slowest <= limit));
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn kept(expected: &Expected, seen: &Recovery) -> Vec<bool> {
        expected.judge(seen).into_iter().map(|(_, kept)| kept).collect()
    }

    #[test]
    fn each_limit_is_judged_by_itself_and_what_was_not_seen_was_not_kept() {
        let all = Expected {
            recovery_ns: Some(5 * SECOND),
            after_undo_ns: Some(SECOND),
            failures: Some(vec![FailureKind::Status5xx]),
            failures_within_ns: Some(SECOND),
        };
        let seen = Recovery {
            recovered_after_ns: Some(4 * SECOND),
            after_undo_ns: Some(0),
            errors: [(FailureKind::Status5xx, 7)].into(),
            slowest_failure_ns: SECOND / 2,
            ..Recovery::default()
        };
        assert_eq!(kept(&all, &seen), [true; 4]);
        let dark = Recovery { recovered_after_ns: None, after_undo_ns: None, ..seen.clone() };
        assert_eq!(kept(&all, &dark), [false, false, true, true]);
        let silent = Recovery { longest_dark_ns: 6 * SECOND, ..seen.clone() };
        assert_eq!(kept(&all, &silent), [false, true, true, true], "slow answers are no service either");
        assert_eq!(kept(&all, &Recovery::default()), [false; 4], "nobody asked");
        let reset = Recovery { errors: [(FailureKind::Reset, 1)].into(), slowest_failure_ns: 2 * SECOND, ..seen };
        assert_eq!(kept(&all, &reset), [true, true, false, false]);
        let words: Vec<String> = all.judge(&reset).into_iter().map(|(words, _)| words).collect();
        assert_eq!(words[2], "only status 5xx (there were: connection reset)");
        assert_eq!(words[3], "told within 1.00 s (one took 2.00 s)");
        assert!(Expected::default().is_empty() && Expected::default().judge(&reset).is_empty());
    }
}
