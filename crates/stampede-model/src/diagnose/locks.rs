//! Locks that nobody gives back, and users at their limit.

use super::{Finding, Kind, LimitedUser, SeenLock, Severity};
use crate::units::{show_ns, thousands};

/// A lock that lives for longer blocks others for as long when its holder is gone.
const LONG_MS: u64 = 300_000;
/// Users at their limit that are named.
const NAMED: usize = 5;

pub(super) fn finding(lock: &SeenLock, now_unix_ms: i64) -> Option<Finding> {
    let held_ms = lock.words.since_unix_ms.and_then(|since| u64::try_from(now_unix_ms.saturating_sub(since)).ok());
    let overdue = held_ms.zip(lock.words.ttl_ms).filter(|(held, ttl)| *held > ttl.saturating_mul(2));
    let key = &lock.key;
    let (severity, text) = if lock.lives_ms.is_none() {
        (Severity::Now, format!("the lock {key} lives for ever: it has no TTL"))
    } else if lock.holder_is_there == Some(false) {
        (Severity::Now, format!("the lock {key} is held by a connection that is gone"))
    } else if let Some((held, ttl)) = overdue {
        // A holder that renews may be at work still; that is for somebody to find out.
        (Severity::Soon, format!("the lock {key} has been held for {}, its TTL is {}", ms(held), ms(ttl)))
    } else if let Some(lives) = lock.lives_ms.filter(|lives| *lives > LONG_MS) {
        (Severity::Soon, format!("the lock {key} lives for another {}", ms(lives)))
    } else {
        return None;
    };
    let mut evidence = vec![lock.lives_ms.map_or("TTL: none".to_owned(), |lives| format!("TTL: {}", ms(lives)))];
    evidence.extend(held_ms.map(|held| format!("held since {}", ms(held))));
    evidence.extend(lock.words.holder.as_ref().map(|holder| format!("its value names the connection `{holder}`")));
    let hint = format!(
        "make sure that nobody works under it, then `stampede diagnose --release {key}`: it is deleted only while it is the very \
         same lock"
    );
    Some(Finding::new((severity, Kind::StuckLock), text, hint).with(evidence))
}

/// All users at their limit are one finding: a limit does what it is for.
pub(super) fn limited(users: &[LimitedUser]) -> Option<Finding> {
    let text = match users {
        [] => return None,
        [one] => format!("{} has used {} of {} calls", one.key, one.used, one.limit),
        all => format!("{} users have used all of their calls", thousands(all.len() as u64)),
    };
    let hint =
        "a client without pauses, or a limit that is too small for it: Retry-After tells clients when to come back";
    let tell = |user: &LimitedUser| {
        let over = user.over_in_ms.map_or("never over: no TTL".to_owned(), |left| format!("over in {}", ms(left)));
        format!("{}: {} of {}, {over}", user.key, user.used, user.limit)
    };
    Some(Finding::new((Severity::Look, Kind::Limited), text, hint).with(users.iter().take(NAMED).map(tell)))
}

fn ms(ms: u64) -> String {
    show_ns(ms.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::LockWords;

    const NOW_MS: i64 = 1_000_000;

    fn lock(lives_ms: Option<u64>, since: i64, holder_is_there: Option<bool>) -> SeenLock {
        let words = LockWords { since_unix_ms: Some(since), ttl_ms: Some(10_000), holder: None };
        SeenLock { key: "lock:a".into(), lives_ms, words, holder_is_there }
    }

    #[test]
    fn each_way_of_being_stuck_is_named() {
        for (lock, severity, words) in [
            (lock(None, NOW_MS, None), Severity::Now, "it has no TTL"),
            (lock(Some(5_000), NOW_MS, Some(false)), Severity::Now, "a connection that is gone"),
            (lock(Some(5_000), NOW_MS - 20_001, None), Severity::Soon, "held for 20.0 s, its TTL is 10.0 s"),
            (lock(Some(300_001), NOW_MS, None), Severity::Soon, "lives for another 300 s"),
        ] {
            let found = finding(&lock, NOW_MS).unwrap();
            assert!(found.severity == severity && found.seen.contains(words), "{words}: {found:?}");
            assert!(found.hint.contains("--release lock:a") && !found.evidence.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn a_lock_in_use_is_no_finding() {
        assert_eq!(finding(&lock(Some(5_000), NOW_MS - 19_000, Some(true)), NOW_MS), None);
        let unread = SeenLock { key: "lock:a".into(), lives_ms: Some(1), ..SeenLock::default() };
        assert_eq!(finding(&unread, NOW_MS), None);
    }

    #[test]
    fn limited_users_are_one_finding_with_each_of_them() {
        let user = |key: &str| LimitedUser { key: key.into(), used: 60, limit: 60, over_in_ms: Some(12_000) };
        assert_eq!(limited(&[]), None);
        assert_eq!(limited(&[user("a")]).unwrap().seen, "a has used 60 of 60 calls");
        let two = limited(&[user("a"), user("b")]).unwrap();
        assert_eq!((two.severity, two.evidence[1].as_str()), (Severity::Look, "b: 60 of 60, over in 12.0 s"));
    }
}
