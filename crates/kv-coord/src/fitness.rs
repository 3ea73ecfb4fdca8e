//! Whether a Redis is fit for what is kept in it, asked once when a service starts.

use std::time::Duration;

use crate::cluster::WITHOUT_TAG;
use crate::error::CoordError;
use crate::link::Link;
use crate::settings::RedisSettings;

/// How long Redis may take to describe itself.
const PATIENCE: Duration = Duration::from_secs(5);

impl RedisSettings {
    /// What is wrong with the server, each as a sentence with what to do; nothing when all is well.
    ///
    /// # Errors
    /// When it does not answer, or does not say.
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn look_for_faults(&self) -> Result<Vec<String>, CoordError> {
        let link = Link::open(self.endpoint(0), self.connect_timeout, PATIENCE)?;
        let about: String = link.ask(&redis::cmd("INFO")).await?;
        let mut cluster: String = link.ask(redis::cmd("INFO").arg("cluster")).await.unwrap_or_default();
        cluster.push_str(&about);
        Ok(faults(&cluster, self.key_tag.is_some()))
    }
}

fn faults(about: &str, has_tag: bool) -> Vec<String> {
    let value = |name: &str| about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let mut faults = Vec::new();
    let policy = value("maxmemory_policy").unwrap_or("noeviction");
    if policy != "noeviction" {
        let when = match value("maxmemory") {
            Some("0") => "as soon as a limit on memory is set",
            _ => "when memory runs short",
        };
        faults.push(format!(
            "its maxmemory-policy is {policy}: {when} it throws away locks, limits and jobs without a word; set maxmemory-policy \
             noeviction, or give locks and the queue a Redis of their own"
        ));
    }
    if value("role") == Some("slave") {
        faults.push("it is a replica and takes no locks; name the master, or the Sentinels".to_owned());
    }
    if value("cluster_enabled") == Some("1") && !has_tag {
        faults.push(WITHOUT_TAG.to_owned());
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_a_sentence_with_what_to_do() {
        let about = "maxmemory:1048576\r\nmaxmemory_policy:allkeys-lru\r\nrole:slave\r\ncluster_enabled:1\r\n";
        let found = faults(about, false);
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("allkeys-lru: when memory runs short") && found[0].contains("noeviction"));
        assert_eq!(faults(about, true).len(), 2, "with a tag a cluster is well");
        assert!(
            faults("maxmemory:0\r\nmaxmemory_policy:noeviction\r\nrole:master\r\ncluster_enabled:0\r\n", false)
                .is_empty()
        );
    }
}
