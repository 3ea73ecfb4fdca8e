//! Aims a fault: which pods, which calls, and how it is undone. Pure: what was seen comes in, calls come out.

use serde_json::json;
use stampede_model::chaos::{KubernetesFault, KubernetesKind, KubernetesService, KubernetesUndo, Undo, draw};

use super::exec::Exec;
use super::run::KubernetesOrder;
use super::seen::{Pod, Seen, selector, workload_path};
use super::{Call, KubernetesTarget, api, mesh, policies};
use crate::chaos::ChaosError;
use crate::chaos::injector::Intent;

/// Left to the run's own undo before anybody else may take what it made for forgotten.
const EXPIRY_SLACK_S: i64 = 60;

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Action {
    pub(super) calls: Vec<Call>,
    pub(super) exec: Option<Exec>,
}

/// What an order means, with what was seen; `id` is the fault's number in the journal.
pub(super) fn aim(
    target: &KubernetesTarget,
    order: &KubernetesOrder,
    seen: &Seen,
    (id, now_ms): (u64, i64),
) -> Result<(Intent, Action), ChaosError> {
    let service = target.service(&order.on)?;
    let namespace = target.reach().namespace.as_str();
    let (on, action, how) = match &order.fault {
        KubernetesFault::Kill | KubernetesFault::Restart | KubernetesFault::Evict | KubernetesFault::Exec(_) => {
            on_a_pod(namespace, order, service, seen)?
        }
        KubernetesFault::Scale(replicas) => scale(namespace, order, service, (seen, *replicas))?,
        KubernetesFault::Cut => {
            let folder = api::path(namespace, "/apis/networking.k8s.io/v1", "networkpolicies");
            let (ours, others) = (seen.pods.as_slice(), seen.others.as_slice());
            let made = made(order, (id, now_ms));
            let (calls, how) =
                policies::cut(&folder, (&order.on, &service.pods), (ours, others), &seen.policies, made)?;
            (order.on.clone(), Action { calls, exec: None }, how)
        }
        KubernetesFault::Latency { .. } | KubernetesFault::PacketLoss(_) => {
            if !seen.has_mesh {
                return Err(ChaosError::Aim(format!(
                    "{} needs Chaos Mesh, whose objects this cluster does not know\n\
                     hint: https://chaos-mesh.org/docs/production-installation-using-helm/, or use cut",
                    order.fault.kind().word()
                )));
            }
            let (name, expires) = made(order, (id, now_ms));
            let folder = api::path(namespace, mesh::GROUP, "networkchaos");
            let object = mesh::network_chaos(&order.fault, (namespace, &service.pods), (&name, expires), order.lasts);
            let calls = object.map(|object| Call::post(folder.clone(), object)).into_iter().collect();
            let how = KubernetesUndo::Delete { paths: vec![format!("{folder}/{name}")] };
            (order.on.clone(), Action { calls, exec: None }, how)
        }
    };
    let undo = Undo::Kubernetes { reach: target.reach().clone(), how };
    Ok((Intent { words: order.fault.words(), on, undo }, action))
}

/// The name of what is made, and when it is to be gone.
fn made(order: &KubernetesOrder, (id, now_ms): (u64, i64)) -> (String, i64) {
    let lasts_s = i64::try_from(order.lasts.as_secs()).unwrap_or(i64::MAX);
    let expires = (now_ms / 1_000).saturating_add(lasts_s).saturating_add(EXPIRY_SLACK_S);
    // The number alone would come again in another journal.
    (format!("stampede-{}-{id}-{now_ms}", order.fault.kind().word()), expires)
}

type Aim = (String, Action, KubernetesUndo);

fn on_a_pod(
    namespace: &str,
    order: &KubernetesOrder,
    service: &KubernetesService,
    seen: &Seen,
) -> Result<Aim, ChaosError> {
    let pod = drawn(order, seen)?;
    let path = format!("{}/{}", api::path(namespace, "/api/v1", "pods"), pod.name);
    // Not the pod that got its name since: a StatefulSet's come back under the same.
    let only = json!({"uid": pod.uid});
    let action = match &order.fault {
        KubernetesFault::Kill => {
            let options =
                json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": only});
            Action { calls: vec![Call::delete(path, Some(options))], exec: None }
        }
        KubernetesFault::Evict => {
            let eviction = json!({
                "apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": pod.name, "namespace": namespace},
                "deleteOptions": {"preconditions": only},
            });
            Action { calls: vec![Call::post(format!("{path}/eviction"), eviction)], exec: None }
        }
        KubernetesFault::Exec(command) => {
            let (pod, container) = (pod.name.clone(), pod.container.clone());
            Action { calls: Vec::new(), exec: Some(Exec { pod, container, command: command.clone() }) }
        }
        _ => {
            let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only});
            Action { calls: vec![Call::delete(path, Some(options))], exec: None }
        }
    };
    let how = KubernetesUndo::Ready { pods: selector(&service.pods), count: seen.ready() };
    Ok((pod.name.clone(), action, how))
}

/// One of the service's ready pods, or of all when none is.
fn drawn<'a>(order: &KubernetesOrder, seen: &'a Seen) -> Result<&'a Pod, ChaosError> {
    let ready: Vec<&Pod> = seen.pods.iter().filter(|pod| pod.is_ready).collect();
    if ready.is_empty() {
        let found = seen.pods.len();
        return Err(ChaosError::Aim(format!("no pod of {} is ready (of {found} that were found)", order.on)));
    }
    let drawn = usize::try_from(draw(order.seed, order.index, ready.len() as u64)).unwrap_or(0);
    Ok(ready[drawn])
}

fn scale(
    namespace: &str,
    order: &KubernetesOrder,
    service: &KubernetesService,
    (seen, wanted): (&Seen, u32),
) -> Result<Aim, ChaosError> {
    debug_assert_eq!(order.fault.kind(), KubernetesKind::Scale, "the caller looked");
    let Some(before) = seen.replicas else {
        return Err(ChaosError::Aim(format!("the workload of {} is not there", order.on)));
    };
    if let Some(autoscaler) = &seen.autoscaler {
        return Err(ChaosError::Aim(format!(
            "the autoscaler {autoscaler} has the number of {}'s pods, and would take it back within seconds\n\
             hint: use kill or evict; or take the autoscaler away for the time of the test",
            order.on
        )));
    }
    let path = format!("{}/scale", workload_path(namespace, &service.workload));
    let calls = vec![Call::patch(path.clone(), json!({"spec": {"replicas": wanted}}))];
    let how = KubernetesUndo::Scale { path, replicas: before, pods: selector(&service.pods) };
    Ok((order.on.clone(), Action { calls, exec: None }, how))
}
