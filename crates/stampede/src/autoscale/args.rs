//! The flags of `stampede autoscale`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cluster::FolderArgs;

/// Scale a service of the cluster as Kubernetes would, under a load that rises and falls.
#[derive(Debug, Args)]
pub(crate) struct AutoscaleArgs {
    #[command(subcommand)]
    pub(super) command: AutoscaleCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum AutoscaleCommand {
    /// Carry out a file: load, controller, rows.
    Run(RunArgs),
    /// Carry out a file on a cluster of its own, and print its row of an acceptance table.
    Row {
        /// A file with [autoscaler], [run] with a cluster, [load] and [expect]
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write the row to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Print the manifest of Kubernetes' autoscaler (autoscaling/v2) with the same numbers
    Manifest {
        /// A file with an [autoscaler]
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show an earlier run again.
    Report {
        /// What `run --json` wrote
        #[arg(value_name = "FILE")]
        run: PathBuf,
        /// Write it as a page
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
}

/// A run.
#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    /// A file with [autoscaler], [run], [load] and [expect]
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Write the run to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write it as a page
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Start a cluster for this run alone, whatever runs in --dir
    #[arg(long)]
    pub(super) own: bool,
    #[command(flatten)]
    pub(super) folder: FolderArgs,
}
