//! When a chaos run gives up: so large a share of failed requests for so many seconds in a row.
//!
//! Invariant: a second in which nothing was answered at all counts as one in which all failed; a second before the first request
//! does not.

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AbortRule {
    /// The share of failures from which a second is bad, 0 to 1.
    pub share: f64,
    /// How many bad seconds in a row end the run.
    pub seconds: u32,
}

/// What a second was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondSeen {
    /// Which, from 0.
    pub second: u32,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
}

impl AbortRule {
    /// Why to give up, if the latest seconds say so.
    pub fn broken(&self, recent: &[SecondSeen]) -> Option<String> {
        let newest = recent.last()?.second;
        let first = (newest + 1).checked_sub(self.seconds)?;
        let seen = |second| recent.iter().find(|seen| seen.second == second);
        let any_before = recent.iter().any(|seen| seen.second <= first && seen.succeeded + seen.failed > 0);
        let all_bad = (first..=newest).all(|second| seen(second).is_none_or(|seen| self.is_bad(*seen)));
        (any_before && all_bad).then(|| {
            let share = self.share * 100.0;
            format!("{share:.0} % or more of the requests failed for {} s", self.seconds)
        })
    }

    fn is_bad(&self, seen: SecondSeen) -> bool {
        let all = seen.succeeded + seen.failed;
        all == 0 || seen.failed as f64 >= self.share * all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bad_seconds_in_a_row_give_up() {
        let rule = AbortRule { share: 0.5, seconds: 2 };
        let seconds = |seen: &[(u64, u64)]| -> Vec<SecondSeen> {
            let numbered = seen.iter().zip(0..);
            numbered.map(|(&(succeeded, failed), second)| SecondSeen { second, succeeded, failed }).collect()
        };
        assert_eq!(rule.broken(&[]), None);
        assert_eq!(rule.broken(&seconds(&[(9, 0), (5, 5)])), None, "one second is not two");
        assert!(rule.broken(&seconds(&[(9, 0), (5, 5), (0, 3)])).is_some());
        assert!(rule.broken(&seconds(&[(9, 0), (0, 0), (0, 0)]).clone()).is_none_or(|why| why.contains("2 s")));
        assert_eq!(rule.broken(&seconds(&[(0, 9), (9, 0), (0, 9)])), None);
        assert_eq!(rule.broken(&seconds(&[(0, 0), (0, 0)])), None, "before the first request");
    }
}
