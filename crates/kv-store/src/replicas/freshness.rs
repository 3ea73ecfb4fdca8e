//! How fresh a request's reads must be: said once for the whole request, by whoever knows what was asked.
//!
//! Absent on purpose: a guess. Where nobody has said anything, the primary is read.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

/// A place in PostgreSQL's log of changes. What was committed before is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// Text that is no [`Lsn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the log, such as 0/16B3748")]
pub struct BadLsn;

impl FromStr for Lsn {
    type Err = BadLsn;

    fn from_str(text: &str) -> Result<Self, BadLsn> {
        let (high, low) = text.split_once('/').ok_or(BadLsn)?;
        let half = |digits: &str| {
            let is_hexadecimal = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hexadecimal.then(|| u64::from_str_radix(digits, 16).ok()).flatten().ok_or(BadLsn)
        };
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// What a request's reads must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Everything that was committed before.
    Latest,
    /// At least what was committed up to there.
    AtLeast(Lsn),
    /// What a replica has that is not too far behind.
    Recent,
}

tokio::task_local! {
    static WANTED: Freshness;
}

/// Does some work whose reads may come from a replica that is as fresh as this.
///
/// # Cancel safety
/// The work's own.
pub async fn within<F: Future>(wanted: Freshness, work: F) -> F::Output {
    WANTED.scope(wanted, work).await
}

/// What the work that this task does wants.
pub(crate) fn wanted() -> Freshness {
    WANTED.try_with(|wanted| *wanted).unwrap_or(Freshness::Latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_postgresql_writes_them() {
        for text in ["0/0", "0/16B3748", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(text.parse::<Lsn>().unwrap().to_string(), text);
        }
        assert!("1/0".parse::<Lsn>().unwrap() > "0/FFFFFFFF".parse().unwrap());
        for bad in ["", "/", "0", "0/", "0/123456789", "g/0", "0/+1", "0/1/2"] {
            assert_eq!(bad.parse::<Lsn>(), Err(BadLsn), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_primary_is_read_unless_somebody_says_otherwise() {
        assert_eq!(wanted(), Freshness::Latest);
        assert_eq!(within(Freshness::Recent, async { wanted() }).await, Freshness::Recent);
    }
}
