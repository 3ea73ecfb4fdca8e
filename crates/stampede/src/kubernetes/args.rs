//! The flags of `stampede kubernetes`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use stampede_model::chaos::RawKubernetesFault;
use stampede_model::units::parse_duration;

/// Break something in a Kubernetes namespace, and look at it meanwhile.
#[derive(Debug, Args)]
pub(crate) struct KubernetesArgs {
    #[command(subcommand)]
    pub(super) command: KubernetesCommand,
}

/// What to do there.
#[derive(Debug, Subcommand)]
pub(super) enum KubernetesCommand {
    /// Inject a fault, once or every so often, and undo it.
    Chaos(Box<ChaosArgs>),
    /// List the faults.
    List,
    /// Take away what faults have left behind and whose time is over.
    Sweep {
        #[command(flatten)]
        place: PlaceArgs,
        /// Also what is still in its time
        #[arg(long)]
        all: bool,
    },
    /// Show a service's pods and what they use.
    Pods {
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show the autoscalers.
    Hpa {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Print the last lines of a service's pods.
    Logs {
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        service: ServiceArgs,
        /// How many lines of each pod
        #[arg(long, value_name = "N", default_value_t = 100)]
        tail: u32,
        /// Only lines with this word, such as ERROR
        #[arg(long, value_name = "WORD")]
        grep: Option<String>,
    },
}

/// Which cluster and namespace.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceArgs {
    /// The file that says which namespace, and which pods are which service
    #[arg(long, env = "STAMPEDE_KUBERNETES", value_name = "FILE")]
    pub(super) target: PathBuf,
    /// The namespace once more: it must be the file's
    #[arg(short = 'n', long, value_name = "NAME")]
    pub(super) namespace: String,
    /// The kubeconfig [default: as kubectl finds it, or the pod's own account]
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
}

/// Which service.
#[derive(Clone, Debug, Args)]
pub(super) struct ServiceArgs {
    /// A service of the file
    #[arg(long, value_name = "SERVICE")]
    pub(super) on: String,
}

/// A fault.
#[derive(Debug, Args)]
pub(super) struct ChaosArgs {
    /// Which fault; `stampede kubernetes list` shows them
    #[arg(value_name = "FAULT")]
    pub(super) fault: String,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// How long it lasts, an hour at most
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub(super) lasts: Duration,
    /// Again every so often, until Ctrl-C or --times
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) every: Option<Duration>,
    /// How many times at most
    #[arg(long, value_name = "N", requires = "every", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) times: Option<u64>,
    /// How many pods the workload gets (scale)
    #[arg(long, value_name = "N")]
    pub(super) replicas: Option<u32>,
    /// How late packets are (latency)
    #[arg(long, value_name = "DURATION")]
    pub(super) latency: Option<String>,
    /// How much later at most (latency)
    #[arg(long, value_name = "DURATION")]
    pub(super) jitter: Option<String>,
    /// What share of packets is lost (packet-loss)
    #[arg(long, value_name = "SHARE")]
    pub(super) loss: Option<String>,
    /// What pods are drawn from
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Print what would be sent, and send nothing
    #[arg(long, conflicts_with = "load")]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// The journal of what is to be undone
    #[arg(long, value_name = "FILE", default_value = ".stampede/kubernetes.jsonl")]
    pub(super) journal: PathBuf,
    /// A command (exec)
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

/// Load meanwhile, and what is made of it.
#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// A scenario file: what clients do meanwhile. Without --times, faults go on for as long as it does
    #[arg(long, value_name = "FILE")]
    pub(super) load: Option<PathBuf>,
    /// Where clients call, instead of the scenario's target
    #[arg(long, value_name = "URL", requires = "load")]
    pub(super) host: Option<String>,
    /// How soon after a fault clients must be served again
    #[arg(long, value_name = "DURATION", requires = "load", value_parser = parse_duration)]
    pub(super) recovery: Option<Duration>,
    /// Write the run to this file
    #[arg(long, value_name = "FILE", requires = "load")]
    pub(super) json: Option<PathBuf>,
    /// Write the run as a page (.html) or as JSON
    #[arg(short = 'o', long, value_name = "FILE", requires = "load")]
    pub(super) output: Vec<PathBuf>,
}

impl ChaosArgs {
    pub(super) fn raw(&self) -> RawKubernetesFault {
        RawKubernetesFault {
            kind: self.fault.clone(),
            replicas: self.replicas,
            latency: self.latency.clone(),
            jitter: self.jitter.clone(),
            loss: self.loss.clone(),
            command: self.command.clone(),
        }
    }
}
