//! The names of all keys. They are few and fixed, so a script names each of them beforehand, as a cluster demands.
//!
//! What begins with `queue:` are the three public lists and nothing else.

use crate::queue::job::{Priority, QueueTag};

/// What follows `jobq:` in the names, in the order of the prelude; the last two mint the fences.
const REST: [&str; 13] = [
    "jobs", "tries", "slots", "newest", "unique", "delayed", "leases", "tokens", "dead", "reasons", "meta", "seq",
    "epoch",
];

/// The keys of one queue, and the channel on which it calls.
#[derive(Debug)]
pub(super) struct Keys {
    all: Vec<String>,
    pub(super) channel: String,
    /// What the names of remembered answers begin with.
    claims: String,
}

impl Keys {
    pub(super) fn new(tag: Option<&QueueTag>, db: i64) -> Self {
        let prefix = tag.map(|tag| format!("{{{tag}}}:")).unwrap_or_default();
        let each = |stem: &str| Priority::ALL.map(|priority| format!("{prefix}{stem}{}", priority.as_str()));
        let mut all = Vec::from(each("queue:"));
        all.extend(each("jobq:order:"));
        all.extend(each("jobq:since:"));
        all.extend(REST.map(|rest| format!("{prefix}jobq:{rest}")));
        // Channels know no databases.
        // Whoever else claims has another word.
        let claims = format!("{prefix}jobq:claim:{:016x}:", rand::random::<u64>());
        Self { all, channel: format!("{prefix}jobq:calls:{db}"), claims }
    }

    /// In the order the prelude expects.
    pub(super) fn all(&self) -> Vec<&str> {
        self.all.iter().map(String::as_str).collect()
    }

    /// Where the answer to a claim in this place is remembered.
    pub(super) fn of_claim(&self, place: usize) -> String {
        format!("{}{place}", self.claims)
    }

    /// The counter of the fences, and which incarnation of Redis it counts for.
    pub(super) fn of_fences(&self) -> [String; 2] {
        let [.., seq, epoch] = self.all.as_slice() else { unreachable!("the names are fixed") };
        [seq.clone(), epoch.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_lists_are_named_as_one_asks_for_them() {
        let keys = Keys::new(None, 0);
        assert_eq!(keys.all()[..3], ["queue:high", "queue:default", "queue:low"]);
        assert_eq!(keys.all().len(), 22);
        assert!(keys.all()[3..].iter().all(|key| key.starts_with("jobq:")));
        assert_eq!(keys.of_fences(), ["jobq:seq", "jobq:epoch"]);
    }

    #[test]
    fn a_tag_keeps_them_together() {
        let tag = QueueTag::parse("erp").expect("allowed");
        let keys = Keys::new(Some(&tag), 0);
        assert_eq!(keys.all()[1], "{erp}:queue:default");
        assert!(keys.all().iter().all(|key| key.starts_with("{erp}:")));
    }
}
