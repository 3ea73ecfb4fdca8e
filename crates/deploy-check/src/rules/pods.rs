//! How pods run: rights, resources, probes, and time to end.

use k8s_openapi::api::core::v1::{Container, Probe};

use crate::cluster::{Cluster, Workload};
use crate::finding::Finding;
use crate::rules::Facts;
use crate::rules::links::shown;
use crate::rules::settings::value_of;

/// Left after everything has had its time: closing connections, writing the last lines.
const SPARE_S: i64 = 5;

pub(super) fn check(cluster: &Cluster, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for workload in cluster.workloads() {
        let mut say = |what: String| found.push(cluster.finding(workload.object, what));
        rights_of_pod(workload, &mut say);
        for container in workload.pod.containers.iter().chain(workload.pod.init_containers.iter().flatten()) {
            rights_of_container(container, &mut say);
            resources(container, &mut say);
        }
        if let Some(command) = service_command(workload) {
            probes(cluster, workload, command, facts, &mut say);
            time_to_end(cluster, workload, command, facts, &mut say);
        }
    }
    found
}

/// `api` or `worker`, when it is one that serves.
fn service_command(workload: Workload<'_>) -> Option<&'static str> {
    let args = workload.main()?.args.as_ref()?;
    ["api", "worker"].into_iter().find(|command| args.first().is_some_and(|first| first == command))
}

fn rights_of_pod(workload: Workload<'_>, say: &mut impl FnMut(String)) {
    let pod = workload.pod;
    let context = pod.security_context.as_ref();
    if context.and_then(|context| context.run_as_non_root) != Some(true) {
        say("securityContext.runAsNonRoot is not true".to_owned());
    }
    if context.and_then(|context| context.run_as_user).is_none_or(|user| user == 0) {
        say("securityContext.runAsUser is not a user of its own".to_owned());
    }
    let profile = context.and_then(|context| context.seccomp_profile.as_ref());
    if profile.is_none_or(|profile| profile.type_ != "RuntimeDefault") {
        say("securityContext.seccompProfile is not RuntimeDefault".to_owned());
    }
    let has_account = pod.service_account_name.as_deref().is_some_and(|name| name == "stampede-chaos");
    if pod.automount_service_account_token != Some(false) && !has_account {
        say("automountServiceAccountToken is not false: a pod that does not talk to Kubernetes gets no token"
            .to_owned());
    }
    let of_the_node = [("hostNetwork", pod.host_network), ("hostPID", pod.host_pid), ("hostIPC", pod.host_ipc)];
    for (name, value) in of_the_node {
        if value == Some(true) {
            say(format!("{name} is the node's"));
        }
    }
    for volume in pod.volumes.iter().flatten().filter(|volume| volume.host_path.is_some()) {
        say(format!("volume {} is a hostPath of the node", volume.name));
    }
}

fn rights_of_container(container: &Container, say: &mut impl FnMut(String)) {
    let name = &container.name;
    let context = container.security_context.as_ref();
    if context.and_then(|context| context.read_only_root_filesystem) != Some(true) {
        say(format!("container {name}: readOnlyRootFilesystem is not true"));
    }
    if context.and_then(|context| context.allow_privilege_escalation) != Some(false) {
        say(format!("container {name}: allowPrivilegeEscalation is not false"));
    }
    if context.and_then(|context| context.privileged) == Some(true) {
        say(format!("container {name} is privileged"));
    }
    let dropped = context.and_then(|context| context.capabilities.as_ref()).and_then(|known| known.drop.as_ref());
    if dropped.is_none_or(|dropped| !dropped.iter().any(|one| one == "ALL")) {
        say(format!("container {name}: capabilities.drop is not [ALL]"));
    }
    if context.and_then(|context| context.capabilities.as_ref()).is_some_and(|known| known.add.is_some()) {
        say(format!("container {name} adds capabilities"));
    }
}

fn resources(container: &Container, say: &mut impl FnMut(String)) {
    let known = container.resources.as_ref();
    for resource in ["cpu", "memory"] {
        for (word, amounts) in [
            ("requests", known.and_then(|all| all.requests.as_ref())),
            ("limits", known.and_then(|all| all.limits.as_ref())),
        ] {
            if amounts.is_none_or(|amounts| !amounts.contains_key(resource)) {
                say(format!("container {}: resources.{word}.{resource} is missing", container.name));
            }
        }
    }
}

fn probes(cluster: &Cluster, workload: Workload<'_>, command: &str, facts: &Facts, say: &mut impl FnMut(String)) {
    let Some(container) = workload.main() else { return };
    let known = if command == "api" { &facts.api_paths } else { &facts.worker_paths };
    let all = [
        ("startupProbe", container.startup_probe.as_ref(), "/healthz"),
        ("readinessProbe", container.readiness_probe.as_ref(), "/readyz"),
        ("livenessProbe", container.liveness_probe.as_ref(), "/healthz"),
    ];
    for (name, probe, wanted) in all {
        let Some(get) = probe.and_then(|probe: &Probe| probe.http_get.as_ref()) else {
            say(format!("{name} is missing; hint: httpGet {wanted}"));
            continue;
        };
        let path = get.path.as_deref().unwrap_or("/");
        if !known.contains(path) {
            say(format!("{name}: kv-erp {command} does not answer {path}"));
        } else if path != wanted {
            say(format!("{name} asks {path}, which says something else; hint: {wanted}"));
        }
        let port = shown(&get.port);
        if !workload.has_port(&port) {
            say(format!("{name}: port {port} is no port of the container"));
        }
    }
    // The port that is announced is the one that is listened on.
    let variable = if command == "api" { "KV_LISTEN" } else { "KV_WORKER_LISTEN" };
    match value_of(cluster, container, variable).as_deref().and_then(|address| address.rsplit_once(':')) {
        None => say(format!("{variable} is not set: the program would listen on loopback, where no probe comes")),
        Some((host, _)) if host.starts_with("127.") || host == "localhost" => {
            say(format!("{variable} is on loopback, where no probe comes; hint: 0.0.0.0"));
        }
        Some((_, port)) if !workload.has_port(port) => {
            say(format!("{variable} says port {port}, which is no containerPort"));
        }
        Some(_) => {}
    }
}

/// What happens one after the other before the process may be killed.
fn time_to_end(cluster: &Cluster, workload: Workload<'_>, command: &str, facts: &Facts, say: &mut impl FnMut(String)) {
    let Some(container) = workload.main() else { return };
    let pre_stop = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
    let pre_stop_s = pre_stop.and_then(|stop| stop.sleep.as_ref()).map_or(0, |sleep| sleep.seconds);
    let ms = |variable: &str, default: i64| {
        value_of(cluster, container, variable).and_then(|value| value.parse::<i64>().ok()).unwrap_or(default)
    };
    let needed_s = if command == "api" {
        if pre_stop_s == 0 {
            say("lifecycle.preStop.sleep is missing: endpoints are taken away while it sleeps".to_owned());
        }
        pre_stop_s + (ms("KV_DRAIN_DELAY_MS", 0) + 999) / 1_000 + facts.drain_s
    } else {
        pre_stop_s + (ms("KV_JOB_GRACE_MS", 20_000) + 999) / 1_000 + facts.give_back_s
    };
    let given_s = workload.pod.termination_grace_period_seconds.unwrap_or(30);
    if given_s < needed_s + SPARE_S {
        say(format!(
            "terminationGracePeriodSeconds is {given_s}, but ending in good order takes {needed_s} s and {SPARE_S} s to spare"
        ));
    }
}
