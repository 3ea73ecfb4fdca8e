//! The flags of `stampede accept`.

use std::path::PathBuf;

use clap::Args;

/// Check a described system row by row.
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// An acceptance file, such as acceptance.toml: starts a cluster, and breaks and watches it too
    #[arg(value_name = "ACCEPTANCE", required_unless_present = "target", conflicts_with = "target")]
    pub(crate) file: Option<PathBuf>,
    /// The file that describes the system: how to start it, how to talk to it, what it must show
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// Check the system that already runs here, and start nothing
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub(crate) url: Option<String>,
    /// Run this row only; repeat it for more (--list shows the rows)
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Write the run to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the table, as Markdown, to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Leave the system running, and print where it is and how to stop it
    #[arg(long, conflicts_with = "file")]
    pub(crate) keep: bool,
    /// Where the cluster of an acceptance file has its logs and its control socket
    #[arg(long, value_name = "DIR", default_value = ".stampede/accept")]
    pub(crate) dir: PathBuf,
    /// Use the rows' smaller loads: a smoke test of seconds
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the rows and what each demands, and do nothing
    #[arg(long)]
    pub(crate) list: bool,
}
