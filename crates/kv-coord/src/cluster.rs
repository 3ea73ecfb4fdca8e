//! Whether a node of a cluster serves everything that is kept in it. The service speaks to one server, which answers `MOVED` for the
//! slots of others.
//!
//! With a tag, locks, logins and the queue are in one slot, and the limits of users in a slot for each tenant, which may be any. So one
//! node must serve all slots, or something must speak for all nodes.
//!
//! Absent on purpose: a client of the cluster's own. It would spread the limits alone, and what has to be fast is one script on one
//! slot whatever client sends it.

use std::time::Duration;

use crate::error::CoordError;
use crate::link::Link;
use crate::settings::RedisSettings;

/// How long Redis may take to describe itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// Slots of a cluster.
const SLOTS: u32 = 16_384;

/// What is said of a cluster whose keys have no tag.
pub(crate) const WITHOUT_TAG: &str =
    "it is a cluster, which has one database and refuses scripts over several slots; set --redis-key-tag";

impl RedisSettings {
    /// Refuses a node of a cluster that would refuse some of the keys. Whatever is no cluster is fine, and so is what does not tell: a
    /// proxy that speaks for all nodes has no slots of its own.
    ///
    /// # Errors
    /// [`CoordError::OfCluster`], or that Redis does not answer.
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn check_cluster(&self) -> Result<(), CoordError> {
        let link = Link::open(self.endpoint(0), self.connect_timeout, PATIENCE)?;
        let about: String = match link.ask(redis::cmd("INFO").arg("cluster")).await {
            Ok(about) => about,
            Err(error) if error.is_unreachable() => return Err(error),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "Redis does not say whether it is a cluster");
                return Ok(());
            }
        };
        if !about.contains("cluster_enabled:1") {
            return Ok(());
        }
        let refuse = |why: String| CoordError::OfCluster { address: self.address(), why };
        if self.key_tag.is_none() {
            return Err(refuse(
                "it has one database and refuses scripts over several slots; set --redis-key-tag".to_owned(),
            ));
        }
        match link.ask::<String>(redis::cmd("CLUSTER").arg("NODES")).await {
            Ok(nodes) => judge(&nodes).map_err(refuse),
            Err(error) if error.is_unreachable() => Err(error),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the cluster does not tell its nodes; let the user ask CLUSTER NODES"
                );
                Ok(())
            }
        }
    }
}

/// Judges the answer to `CLUSTER NODES`: a line for each node, `id address flags master sent received epoch link slot..`.
fn judge(nodes: &str) -> Result<(), String> {
    let own = nodes.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = words.get(2)?;
        flags.split(',').any(|flag| flag == "myself").then_some(words)
    });
    let Some(own) = own else { return Ok(()) };
    if own[2].split(',').any(|flag| flag == "slave" || flag == "replica") {
        return Err("it follows another one and takes no locks; name its master".to_owned());
    }
    let served: u32 = own.iter().skip(8).filter_map(|range| slots_of(range)).sum();
    if served == SLOTS {
        return Ok(());
    }
    Err(format!(
        "it serves {served} of {SLOTS} slots, and the limits of users are in a slot for each tenant; name a cluster of one shard, or \
         a proxy that speaks for all nodes"
    ))
}

/// How many slots a word stands for: `7`, `0-16383`. One in brackets is on its way from or to another node.
fn slots_of(range: &str) -> Option<u32> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then(|| last - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_line_says_which_slots_are_served() {
        let other = "b 127.0.0.1:7001@17001,h master - 0 1 2 connected 8192-16383\n";
        let own =
            |flags: &str, slots: &str| format!("{other}a 127.0.0.1:7000@17000 {flags} - 0 0 1 connected {slots}\n");
        assert_eq!(judge(&own("myself,master", "0-16383")), Ok(()));
        assert_eq!(judge(&own("myself,master", "0-5460 5461 5462-16383")), Ok(()));
        assert!(judge(&own("myself,master", "0-8191")).unwrap_err().contains("8192 of 16384"));
        assert!(judge(&own("myself,master", "0-16382 [16383->-b]")).unwrap_err().contains("16383 of 16384"));
        assert!(judge(&own("myself,master", "")).unwrap_err().contains("0 of 16384"));
        assert!(judge(&own("myself,slave", "")).unwrap_err().contains("master"));
        assert_eq!(judge(other), Ok(()), "a proxy has no line of its own");
    }
}
