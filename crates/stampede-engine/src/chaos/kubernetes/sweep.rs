//! Finds what faults have left behind, by its label or annotation, and takes it away when its time is over: also without a journal.

use serde_json::Value;
use stampede_model::chaos::{ClusterReach, Suspended};

use super::api::Api;
use super::undo::restore;
use super::{Call, EXPIRES, MANAGED, SUSPENDED, mesh};
use crate::chaos::unix_ms;

/// What was found and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its path.
    pub path: String,
    /// What was done: `deleted`, `restored`, or `left` because its time is not over.
    pub done: &'static str,
}

/// Takes away what is past its time, or all when `all` is asked for.
///
/// # Errors
/// When the cluster does not answer, or does not let go of something.
/// # Cancel safety
/// Dropping the future leaves the rest; it can be swept again.
pub async fn sweep(reach: &ClusterReach, scope: Scope) -> Result<Vec<Swept>, String> {
    let api = Api::connect(reach).await?;
    let mut swept = Vec::new();
    let ours = format!("{}={}", MANAGED.0, MANAGED.1);
    let policies = api.path("/apis/networking.k8s.io/v1", "networkpolicies");
    // Those that were suspended come first: while ours is there they do not matter, afterwards they do.
    for policy in api.list(&policies, None).await? {
        let Some(path) = path_of(&policies, &policy) else { continue };
        let Some(spec) = policy.pointer("/metadata/annotations").and_then(|all| all.get(SUSPENDED)?.as_str()) else {
            continue;
        };
        if !is_due(&policy, scope) {
            swept.push(Swept { path, done: "left" });
            continue;
        }
        restore(&api, &Suspended { path: path.clone(), spec: spec.to_owned() }).await?;
        swept.push(Swept { path, done: "restored" });
    }
    let chaos = api.path(mesh::GROUP, "networkchaos");
    for folder in [policies, chaos] {
        let found = match api.list(&folder, Some(&ours)).await {
            Ok(found) => found,
            // Without Chaos Mesh there is no such kind.
            Err(error) if error.is_missing() => continue,
            Err(error) => return Err(error.into()),
        };
        for object in found {
            let Some(path) = path_of(&folder, &object) else { continue };
            if !is_due(&object, scope) {
                swept.push(Swept { path, done: "left" });
                continue;
            }
            match api.send(&Call::delete(path.clone(), None)).await {
                Ok(_) => swept.push(Swept { path, done: "deleted" }),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(swept)
}

/// What is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What is past its time.
    Expired,
    /// Everything of ours.
    All,
}

fn path_of(folder: &str, object: &Value) -> Option<String> {
    Some(format!("{folder}/{}", object.pointer("/metadata/name")?.as_str()?))
}

fn is_due(object: &Value, scope: Scope) -> bool {
    let expires =
        object.pointer("/metadata/annotations").and_then(|all| all.get(EXPIRES)?.as_str()?.parse::<i64>().ok());
    // Without a readable time nobody would ever take it away.
    scope == Scope::All || expires.is_none_or(|expires| expires < unix_ms() / 1_000)
}
