//! Errors in the logs, grouped by what they say.

use super::{Finding, Kind, Severity};
use crate::logs::LogGroup;
use crate::units::thousands;

/// So many of one kind while it was looked at are a burst.
const BURST: u64 = 5;

/// One group of a log's errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedErrors {
    /// The group.
    pub group: LogGroup,
    /// How many of them came while it was looked at.
    pub fresh: u64,
}

impl LoggedErrors {
    pub(super) fn finding(&self) -> Finding {
        let LogGroup { message, count, of, last } = &self.group;
        let severity = if self.fresh >= BURST { Severity::Now } else { Severity::Look };
        let fresh = match self.fresh {
            0 => String::new(),
            fresh => format!(", {} of them while it was looked at", thousands(fresh)),
        };
        let text = format!("{} errors logged{fresh}: {message}", thousands(*count));
        let of: Vec<String> = of.iter().map(|(name, count)| format!("{name} {}", thousands(*count))).collect();
        let names: Vec<&str> = self.group.of.keys().map(String::as_str).take(3).collect();
        let hint = format!("`stampede cluster logs {}` has what came before", names.join(" "));
        Finding::new((severity, Kind::Errors), text, hint).with([of.join(", "), format!("the last: {last}")])
    }
}
