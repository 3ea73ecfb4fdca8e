//! The flags of `stampede selftest`.

use std::path::PathBuf;

use clap::Args;

/// Check small servers with planted bugs, and their sound twins: every bug must be named, no sound server accused.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Only this bug; repeat it for more (--list shows them)
    #[arg(long, value_name = "BUG")]
    pub(crate) bug: Vec<String>,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seeds, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) seeds: u32,
    /// Only the sound servers
    #[arg(long, conflicts_with = "bug")]
    pub(crate) sound: bool,
    /// Keep the histories in this folder, as SERVER-WORKLOAD-SEED.jsonl
    #[arg(long, value_name = "FOLDER")]
    pub(crate) keep: Option<PathBuf>,
    /// Print the bugs and do nothing
    #[arg(long)]
    pub(crate) list: bool,
}
