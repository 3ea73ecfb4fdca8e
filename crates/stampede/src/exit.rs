//! The exit codes of every subcommand, and which one wins.
//!
//! Invariant: a run that met several ends reports the gravest: correctness before an untrustworthy measurement before a
//! broken threshold before a regression; an interruption by the user stands above them, because what follows it is not
//! the run that was asked for. Nothing maps to 0 but a pass.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked holds.
    Pass,
    /// The tool or its set-up failed; nothing is said of the system under test.
    ToolError,
    /// Arguments or a scenario that make no sense.
    Usage,
    /// The system under test broke a correctness rule.
    CorrectnessViolated,
    /// Worse than the baseline.
    Regression,
    /// The measurement cannot be trusted, or leaves a verdict open.
    NotTrustworthy,
    /// A fault that was injected could not be undone.
    FaultNotUndone,
    /// A threshold was broken.
    ThresholdFailed,
    /// Stopped by the user.
    Interrupted,
}

impl Exit {
    /// The number the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::ToolError => 1,
            Self::Usage => 2,
            Self::CorrectnessViolated => 3,
            Self::Regression => 4,
            Self::NotTrustworthy => 5,
            Self::FaultNotUndone => 6,
            Self::ThresholdFailed => 99,
            Self::Interrupted => 130,
        }
    }

    /// Every end, by number.
    const ALL: [Self; 9] = [
        Self::Pass,
        Self::ToolError,
        Self::Usage,
        Self::CorrectnessViolated,
        Self::Regression,
        Self::NotTrustworthy,
        Self::FaultNotUndone,
        Self::ThresholdFailed,
        Self::Interrupted,
    ];

    /// What the number means.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::ToolError => "tool error",
            Self::Usage => "bad arguments",
            Self::CorrectnessViolated => "correctness violated",
            Self::Regression => "regression against the baseline",
            Self::NotTrustworthy => "measurement not trustworthy or verdict open",
            Self::FaultNotUndone => "a fault could not be undone",
            Self::ThresholdFailed => "threshold failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Higher wins.
    const fn gravity(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Regression => 1,
            Self::ThresholdFailed => 2,
            Self::NotTrustworthy => 3,
            Self::CorrectnessViolated => 4,
            Self::FaultNotUndone => 5,
            Self::ToolError => 6,
            Self::Usage => 7,
            Self::Interrupted => 8,
        }
    }

    /// The graver of two ends.
    pub(crate) const fn and(self, other: Self) -> Self {
        if other.gravity() > self.gravity() { other } else { self }
    }
}

/// The part of the help that scripts rely on.
pub(crate) fn help() -> String {
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("{} {}", exit.code(), exit.meaning())).collect();
    format!("Exit codes: {}.", codes.join(", "))
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_end_wins() {
        let by_gravity =
            [Exit::CorrectnessViolated, Exit::NotTrustworthy, Exit::ThresholdFailed, Exit::Regression, Exit::Pass];
        for (place, grave) in by_gravity.into_iter().enumerate() {
            for lesser in &by_gravity[place..] {
                assert_eq!(grave.and(*lesser), grave);
                assert_eq!(lesser.and(grave), grave);
            }
        }
        assert_eq!(Exit::CorrectnessViolated.and(Exit::Interrupted), Exit::Interrupted);
    }

    #[test]
    fn only_a_pass_is_zero() {
        let zero: Vec<Exit> = Exit::ALL.into_iter().filter(|exit| exit.code() == 0).collect();
        assert_eq!(zero, [Exit::Pass]);
    }

    #[test]
    fn the_help_names_every_code() {
        let help = help();
        assert!(help.contains("99 threshold failed") && help.contains("5 measurement not trustworthy"), "{help}");
    }
}
