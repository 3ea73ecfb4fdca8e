//! The flags of `stampede chaos`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use stampede_model::chaos::{Direction, RawFault};

use crate::cluster::FolderArgs;

/// Break something on purpose, see it, and make it whole again.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ChaosArgs {
    #[command(subcommand)]
    pub(super) command: Option<ChaosCommand>,
    #[command(flatten)]
    pub(super) one: OneArgs,
}

/// What besides one fault.
#[derive(Debug, Subcommand)]
pub(super) enum ChaosCommand {
    /// Carry out a plan file: faults under load, and how clients got over them.
    Run(RunArgs),
    /// Show a run again, from the file that --json or -o has written.
    Report {
        /// The run
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Write it to this file; repeat it for more: .html .json
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        output: Vec<PathBuf>,
    },
    /// Undo what an earlier run has left broken.
    Recover {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// List the faults, and those that are not possible here.
    List,
    /// Outlive the run that started it and undo what it left.
    #[command(hide = true)]
    Guardian {
        #[arg(long)]
        journal: PathBuf,
    },
}

/// Where.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    pub(super) folder: FolderArgs,
    /// The journal of what is to be undone [default: chaos.jsonl in the run folder]
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
}

impl PlaceArgs {
    pub(super) fn journal(&self) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| self.folder.dir.join("chaos.jsonl"))
    }
}

/// One fault.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// Which fault; `stampede chaos list` shows them
    #[arg(required = true, value_name = "FAULT")]
    pub(super) fault: Option<String>,
    /// What it meets: a service (one of its replicas is drawn), a replica, a link, or a server
    #[arg(long, value_name = "NAME")]
    pub(super) on: Option<String>,
    /// How long it lasts [default: 10s]
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) lasts: Option<String>,
    /// How late a link's bytes are, or for slow-close the end of a connection
    #[arg(long, value_name = "DURATION")]
    pub(super) latency: Option<String>,
    /// How much later they are at most
    #[arg(long, value_name = "DURATION")]
    pub(super) jitter: Option<String>,
    /// How many bytes a second a link passes on
    #[arg(long, value_name = "BYTES")]
    pub(super) rate: Option<String>,
    /// Which way: up (to the server), down or both
    #[arg(long, value_name = "WAY", value_parser = direction)]
    pub(super) direction: Option<Direction>,
    /// How many connections of PostgreSQL are taken [default: all]
    #[arg(long, value_name = "N")]
    pub(super) connections: Option<u32>,
    /// Which table is locked
    #[arg(long, value_name = "TABLE")]
    pub(super) table: Option<String>,
    /// A SELECT .. FOR UPDATE whose rows are held
    #[arg(long, value_name = "SQL")]
    pub(super) rows: Option<String>,
    /// Of a link's requests, how many: 20%
    #[arg(long, value_name = "SHARE")]
    pub(super) share: Option<String>,
    /// With which status a link answers [default: 503]
    #[arg(long, value_name = "STATUS")]
    pub(super) status: Option<u16>,
    /// How: fast, immediate, smart or kill (postgres-stop, promote); term or kill (redis-stop); all or write (client-pause)
    #[arg(long, value_name = "HOW")]
    pub(super) how: Option<String>,
    /// What a replica is drawn from
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

/// A plan.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The plan file
    #[arg(value_name = "PLAN")]
    pub(super) plan: PathBuf,
    /// What replicas are drawn from, instead of the plan's
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Shorten a plan whose faults follow one another: none lasts longer than 2 s, and 2 s are between them
    #[arg(long)]
    pub(super) quick: bool,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write the report to this file; repeat it for more: .html .json
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(super) output: Vec<PathBuf>,
    /// Keep the histories of checked load in this folder, as WORKLOAD.jsonl
    #[arg(long, value_name = "FOLDER")]
    pub(super) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

impl OneArgs {
    /// The same words as a plan file has.
    pub(super) fn raw(&self) -> RawFault {
        RawFault {
            kind: self.fault.clone().unwrap_or_default(),
            on: self.on.clone(),
            lasts: self.lasts.clone(),
            latency: self.latency.clone(),
            jitter: self.jitter.clone(),
            rate: self.rate.clone(),
            direction: self.direction,
            connections: self.connections,
            table: self.table.clone(),
            rows: self.rows.clone(),
            how: self.how.clone(),
            share: self.share.clone(),
            status: self.status,
        }
    }
}

fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "up" => Ok(Direction::Up),
        "down" => Ok(Direction::Down),
        "both" => Ok(Direction::Both),
        other => Err(format!("`{other}` is no way: use up, down or both")),
    }
}
