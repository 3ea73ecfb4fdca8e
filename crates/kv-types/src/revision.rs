//! Which state of a thing a change is meant for.

use std::fmt;
use std::str::FromStr;

/// A state of a thing, as one number or two: its version, and what changes without one, which is of a stock level its backorder limit,
/// and of an order the end of its life, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The thing's version.
    pub version: i64,
    /// What else may change; 0 for most things.
    pub limit: i64,
}

impl Revision {
    /// The state of a thing that changes with its version alone.
    pub const fn of(version: i64) -> Self {
        Self { version, limit: 0 }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            0 => write!(f, "{}", self.version),
            limit => write!(f, "{}.{limit}", self.version),
        }
    }
}

/// Text that stands for no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRevision;

impl FromStr for Revision {
    type Err = NoRevision;

    /// Reads what [`Revision`] writes and nothing else: a state has one name.
    fn from_str(raw: &str) -> Result<Self, NoRevision> {
        let (version, limit) = raw.split_once('.').unwrap_or((raw, "0"));
        let read = |number: &str| number.parse().map_err(|_| NoRevision);
        let revision = Self { version: read(version)?, limit: read(limit)? };
        if revision.to_string() == raw { Ok(revision) } else { Err(NoRevision) }
    }
}

/// The states in which a change may find a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Any,
    /// One of these, of which there may be none.
    OneOf(Vec<Revision>),
}

impl Expected {
    /// Whether a state is among them.
    pub fn admits(&self, revision: Revision) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(revisions) => revisions.contains(&revision),
        }
    }

    /// The versions of a thing that changes with its version alone; `None` for any.
    pub fn versions(&self) -> Option<Vec<i64>> {
        match self {
            Self::Any => None,
            Self::OneOf(revisions) => {
                let plain = revisions.iter().filter(|revision| revision.limit == 0);
                Some(plain.map(|revision| revision.version).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_as_it_is_written_and_has_one_name() {
        for revision in [Revision::of(1), Revision::of(i64::MAX), Revision { version: 7, limit: 5 }] {
            assert_eq!(revision.to_string().parse(), Ok(revision));
        }
        for bad in ["", "x", "7.", "07", "+7", "7.0", "7.05", "7.5.1", " 7", "99999999999999999999"] {
            assert_eq!(bad.parse::<Revision>(), Err(NoRevision), "{bad}");
        }
    }

    #[test]
    fn nothing_is_expected_of_an_empty_list() {
        let none = Expected::OneOf(Vec::new());
        assert!(!none.admits(Revision::of(1)) && Expected::Any.admits(Revision::of(1)));
        assert_eq!((none.versions(), Expected::Any.versions()), (Some(Vec::new()), None));
        let some = Expected::OneOf(vec![Revision::of(3), Revision { version: 4, limit: 1 }]);
        assert_eq!(some.versions(), Some(vec![3]));
    }
}
