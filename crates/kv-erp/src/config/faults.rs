//! What is wrong with the settings: all of it in one answer, each with the place it was said in and what to do.

use std::fmt;

use crate::failure::Failure;

/// One thing that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The keys of the settings that are involved.
    keys: Vec<&'static str>,
    /// The flag, variable, or line of the file.
    place: String,
    what: String,
    hint: String,
}

impl Fault {
    /// A fault said at `place`.
    pub(crate) fn at(place: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { keys: Vec::new(), place: place.into(), what: what.into(), hint: hint.into() }
    }

    /// Says which settings it is about: when one of them cannot be read, nothing is known of what they are together.
    #[must_use]
    pub(crate) fn about(mut self, keys: &[&'static str]) -> Self {
        self.keys = keys.to_vec();
        self
    }

    /// Whether a setting is involved.
    pub(crate) fn involves(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.place, self.what, self.hint)
    }
}

/// One failure that names every fault, or nothing when there is none.
///
/// # Errors
/// When there are faults.
pub(crate) fn refuse(faults: &[Fault]) -> Result<(), Failure> {
    match faults {
        [] => Ok(()),
        [one] => Err(Failure::usage(format!("{} {}", one.place, one.what)).hint(&one.hint)),
        all => {
            let mut text = format!("{} settings cannot be used", all.len());
            for fault in all {
                text.push_str("\n  ");
                text.push_str(&fault.to_string());
            }
            Err(Failure::usage(text).hint("`kv-erp config` shows every setting and where it comes from"))
        }
    }
}
