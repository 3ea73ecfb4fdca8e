//! The command line as a whole: which subcommands there are.

use clap::{Parser, Subcommand};

use crate::ab::AbArgs;
use crate::accept::AcceptArgs;
use crate::autoscale::AutoscaleArgs;
use crate::baseline::BaselineArgs;
use crate::chaos::ChaosArgs;
use crate::check::CheckArgs;
use crate::cluster::ClusterArgs;
use crate::compare::CompareArgs;
use crate::diagnose::DiagnoseArgs;
use crate::doctor::DoctorArgs;
use crate::exit;
use crate::gateway::GatewayArgs;
#[cfg(feature = "kubernetes")]
use crate::kubernetes::KubernetesArgs;
use crate::load::LoadArgs;
use crate::monitor::WatchArgs;
use crate::plan::PlanArgs;
use crate::report::{ExportArgs, ReportArgs};
use crate::run::RunArgs;
use crate::selftest::SelftestArgs;
use crate::stress::StressArgs;

/// Loads, checks and reports on any HTTP API.
#[derive(Debug, Parser)]
#[command(version, about, after_help = exit::help(), max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a described system, check it row by row, and print what passed.
    Accept(AcceptArgs),
    /// Record what clients do and see at the same time, and decide whether the system was right.
    Check(Box<CheckArgs>),
    /// Check servers with planted bugs, to see that the checks find them.
    Selftest(SelftestArgs),
    /// Send load to one URL and judge how it was answered.
    Load(Box<LoadArgs>),
    /// Carry out a scenario file: many steps, many users, and what must hold.
    Run(Box<RunArgs>),
    /// Check a scenario file and reckon what it will do.
    Plan(Box<PlanArgs>),
    /// Put one part under stress: a database, a cache, a pool of connections, a service.
    Stress(StressArgs),
    /// Run a described system in several replicas on this machine, with links that can be disturbed.
    Cluster(ClusterArgs),
    /// Scale a service of a cluster as Kubernetes would, under a load that rises and falls.
    Autoscale(AutoscaleArgs),
    /// Break something of a cluster on purpose, and see how clients get over it.
    Chaos(Box<ChaosArgs>),
    /// Break something in a Kubernetes namespace, and look at it meanwhile.
    #[cfg(feature = "kubernetes")]
    Kubernetes(KubernetesArgs),
    /// Look at PostgreSQL, Redis and processes once a second.
    Watch(WatchArgs),
    /// Look at a system in trouble and say what is wrong.
    Diagnose(DiagnoseArgs),
    /// Give Redis and PostgreSQL an HTTP face, so that what is made of them can be checked.
    Gateway(GatewayArgs),
    /// Find out what this machine can measure.
    Doctor(DoctorArgs),
    /// Show a run again: as a summary, or as files whose kind follows from their endings.
    Report(ReportArgs),
    /// Turn a run into what other tools read.
    Export(ExportArgs),
    /// Hold a run against an earlier one: better, worse, same, or cannot tell.
    Compare(CompareArgs),
    /// Keep runs under a name, to hold later ones against.
    Baseline(BaselineArgs),
    /// Take ApacheBench's arguments and print its table.
    #[command(disable_help_flag = true)]
    Ab(AbArgs),
}
