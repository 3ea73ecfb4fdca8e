//! A run of faults in a cluster.

use std::path::Path;
use std::time::Duration;

use stampede_model::chaos::{ClusterReach, KubernetesFault, KubernetesFile, KubernetesService, Undo};

use super::aim::{Action, aim};
use super::api::Api;
use super::exec;
use super::seen::Seen;
use crate::chaos::injector::{Ended, Injected, Injector, Intent};
use crate::chaos::{ChaosError, unix_ms};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesOrder {
    /// The fault.
    pub fault: KubernetesFault,
    /// The service it is to meet.
    pub on: String,
    /// How long it lasts.
    pub lasts: Duration,
    /// What pods are drawn from.
    pub seed: u64,
    /// Which injection of the run this is.
    pub index: u64,
}

/// The system under test: a namespace that was named twice, and its services.
#[derive(Clone, Debug)]
pub struct KubernetesTarget {
    file: KubernetesFile,
    reach: ClusterReach,
}

impl KubernetesTarget {
    /// Holds the file's namespace against the one that the command line names.
    ///
    /// # Errors
    /// When they are not the same: then nothing may be touched.
    pub fn new(file: KubernetesFile, namespace: &str, kubeconfig: Option<String>) -> Result<Self, ChaosError> {
        file.agrees(namespace).map_err(ChaosError::Aim)?;
        let reach = ClusterReach { kubeconfig, context: file.context.clone(), namespace: file.namespace.clone() };
        Ok(Self { file, reach })
    }

    /// The way there.
    pub const fn reach(&self) -> &ClusterReach {
        &self.reach
    }

    /// The names of all services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.file.services.keys().map(String::as_str)
    }

    /// A service by its name.
    ///
    /// # Errors
    /// When the file has none of that name.
    pub fn service(&self, name: &str) -> Result<&KubernetesService, ChaosError> {
        self.file.services.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.file.services.keys().map(String::as_str).collect();
            ChaosError::Aim(format!("the file has no service `{name}`\nhint: --on {}", known.join(", or --on ")))
        })
    }

    /// What an order would do now.
    ///
    /// # Errors
    /// When it cannot be aimed, or the cluster does not answer.
    pub async fn plan(&self, order: &KubernetesOrder) -> Result<Planned, ChaosError> {
        let seen = self.look(order).await?.1;
        let (intent, action) = aim(self, order, &seen, (0, unix_ms()))?;
        let mut does: Vec<String> = action.calls.iter().map(ToString::to_string).collect();
        does.extend(
            action.exec.map(|exec| format!("EXEC {} {}: {}", exec.pod, exec.container, exec.command.join(" "))),
        );
        Ok(Planned { words: intent.words, on: intent.on, does, undo: intent.undo })
    }

    async fn look(&self, order: &KubernetesOrder) -> Result<(Api, Seen), ChaosError> {
        let service = self.service(&order.on)?;
        let failed =
            |why: String| ChaosError::Inject { fault: order.fault.words(), on: order.on.clone(), why, left: None };
        let api = Api::connect(&self.reach).await.map_err(failed)?;
        let seen = Seen::look(&api, service, order.fault.kind()).await.map_err(|error| failed(error.into()))?;
        Ok((api, seen))
    }
}

/// What would be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The fault.
    pub words: String,
    /// What it meets.
    pub on: String,
    /// What would be sent, in order.
    pub does: Vec<String>,
    /// How it would be undone.
    pub undo: Undo,
}

/// A run.
#[derive(Debug)]
pub struct KubernetesChaos {
    target: KubernetesTarget,
    injector: Injector,
}

impl KubernetesChaos {
    /// Takes the journal, refuses when it is open, and starts the guardian; `program` is this program's own file.
    ///
    /// # Errors
    /// See [`ChaosError`]; nothing is broken then.
    pub async fn begin(target: KubernetesTarget, journal: &Path, program: &Path) -> Result<Self, ChaosError> {
        Ok(Self { target, injector: Injector::begin(journal, program).await? })
    }

    /// Aims and injects.
    ///
    /// # Errors
    /// [`ChaosError::Aim`] before anything happened; [`ChaosError::Inject`] when it failed, and what it may have done was undone, or
    /// stays open in the journal.
    /// # Cancel safety
    /// Dropping the future may leave the fault in force; the journal knows it, and the guardian ends it at its deadline.
    pub async fn inject(&self, order: &KubernetesOrder) -> Result<Injected, ChaosError> {
        let (api, seen) = self.target.look(order).await?;
        let aim = |id| aim(&self.target, order, &seen, (id, unix_ms()));
        let (id, intent, action): (u64, Intent, Action) = self.injector.intend(order.lasts, aim).await?;
        let outcome = carry_out(&api, &action).await.map(|()| None);
        self.injector.settle(id, intent, outcome).await
    }

    /// Undoes, looks, and writes down what was seen.
    ///
    /// # Errors
    /// When the journal cannot be written; the cluster was seen to all the same.
    /// # Cancel safety
    /// Dropping the future leaves the fault open in the journal.
    pub async fn undo(&self, injected: Injected) -> Result<Ended, ChaosError> {
        self.injector.undo(injected).await
    }

    /// Ends the run: tells whether every fault was seen undone, and sends the guardian home.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn end(self) -> Result<bool, ChaosError> {
        self.injector.end().await
    }
}

async fn carry_out(api: &Api, action: &Action) -> Result<(), String> {
    for call in &action.calls {
        api.send(call).await?;
    }
    match &action.exec {
        Some(exec) => exec::run(api, exec).await,
        None => Ok(()),
    }
}
