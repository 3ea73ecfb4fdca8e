//! The flags of `stampede accept`.

use std::path::PathBuf;

use clap::Args;

/// Check a described system row by row.
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    /// The file that describes the system: how to start it, how to talk to it, what it must show
    #[arg(long, value_name = "FILE")]
    pub(crate) target: PathBuf,
    /// Check the system that already runs here, and start nothing
    #[arg(long, value_name = "URL")]
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
    #[arg(long)]
    pub(crate) keep: bool,
    /// Use the rows' smaller loads: a smoke test of seconds
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the rows and what each demands, and do nothing
    #[arg(long)]
    pub(crate) list: bool,
}
