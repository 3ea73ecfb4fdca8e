//! Makes a cluster whole again, and looks whether it is. Each undo may run twice, by two processes at once.

use std::time::Duration;

use serde_json::json;
use stampede_model::chaos::{ClusterReach, KubernetesUndo, Suspended};
use tokio::time::{Instant, sleep};

use super::api::Api;
use super::policies::restoration;
use super::seen::pods;
use super::{Call, SUSPENDED};

/// How long it may take to be seen whole: a pod is scheduled, its image pulled, and it becomes ready.
const SEEN_WITHIN: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Undoes, and looks; what was seen, or why it was not seen to be whole.
///
/// # Errors
/// What is not whole yet.
/// # Cancel safety
/// Dropping the future may leave it half done; it can be done again.
pub async fn undo(reach: &ClusterReach, how: &KubernetesUndo) -> Result<String, String> {
    let api = Api::connect(reach).await?;
    match how {
        KubernetesUndo::Ready { pods, count } => ready(&api, pods, *count).await,
        KubernetesUndo::Scale { path, replicas, pods } => {
            api.send(&Call::patch(path.clone(), json!({"spec": {"replicas": replicas}}))).await?;
            exactly(&api, pods, *replicas).await
        }
        KubernetesUndo::Delete { paths } => {
            for path in paths {
                gone(&api, path).await?;
            }
            Ok("what was made is gone".to_owned())
        }
        KubernetesUndo::Restore { made, suspended } => {
            // Ours last: with it gone and another still suspended its pods would be reached by nobody and nobody would know why.
            for policy in suspended {
                restore(&api, policy).await?;
            }
            gone(&api, made).await?;
            Ok(format!("{} policies say again what they said, and ours is gone", suspended.len()))
        }
    }
}

/// As many pods are ready as before, or more: an autoscaler may have added some.
async fn ready(api: &Api, selector: &str, count: u32) -> Result<String, String> {
    until(|| async {
        let ready = pods(api, Some(selector)).await?.iter().filter(|pod| pod.is_ready).count();
        if ready >= count as usize {
            Ok(format!("{ready} pods are ready"))
        } else {
            Err(format!("{ready} of {count} pods are ready"))
        }
    })
    .await
}

/// So many are ready and no other is there.
async fn exactly(api: &Api, selector: &str, count: u32) -> Result<String, String> {
    until(|| async {
        let all = pods(api, Some(selector)).await?;
        let ready = all.iter().filter(|pod| pod.is_ready).count();
        if ready == count as usize && all.len() == ready {
            Ok(format!("{ready} pods are ready"))
        } else {
            Err(format!("{ready} of {count} pods are ready, {} are there", all.len()))
        }
    })
    .await
}

/// Deletes, and waits until it is not there: finalizers take their time.
async fn gone(api: &Api, path: &str) -> Result<String, String> {
    match api.send(&Call::delete(path.to_owned(), None)).await {
        Ok(_) => {}
        Err(error) if error.is_missing() => return Ok(format!("{path} is gone")),
        Err(error) => return Err(error.into()),
    }
    until(|| async {
        match api.find(path).await? {
            None => Ok(format!("{path} is gone")),
            Some(_) => Err(format!("{path} is still there")),
        }
    })
    .await
}

/// Lets a policy say what it said, if it is ours that keeps it from it.
pub(super) async fn restore(api: &Api, policy: &Suspended) -> Result<(), String> {
    let Some(now) = api.find(&policy.path).await? else { return Ok(()) };
    // Somebody else's apply may have put it right already, and may have changed it.
    let is_suspended = now.pointer("/metadata/annotations").is_some_and(|all| all.get(SUSPENDED).is_some());
    if !is_suspended {
        return Ok(());
    }
    let patch = restoration(&policy.spec).ok_or_else(|| format!("what {} said cannot be read", policy.path))?;
    api.send(&Call::patch(policy.path.clone(), patch)).await?;
    Ok(())
}

async fn until<F: Future<Output = Result<String, String>>>(seen: impl Fn() -> F) -> Result<String, String> {
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        match seen().await {
            Ok(note) => return Ok(note),
            Err(why) if Instant::now() >= deadline => return Err(why),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}
