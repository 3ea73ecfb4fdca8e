//! `stampede baseline`: runs kept under a name, to hold later ones against.

mod store;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use stampede_model::run::RunFile;
use stampede_model::units::{show_duration, show_ns};
use stampede_report::summary::{Detail, render};

pub(crate) use store::{Name, Store, is_file, read};

use crate::exit::{self, Exit};
use crate::print::Append;
use crate::{Failure, print};
use store::Existing;

/// Keep runs under a name, for `stampede compare` and `stampede load --baseline`.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    action: Action,

    /// Folder of the baselines [default: .stampede/baselines].
    #[arg(long, global = true, env = "STAMPEDE_BASELINES", value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep a run under a name.
    Save {
        /// The name: letters, digits, - _ and points.
        name: Name,
        /// A run file, as `stampede load --json` writes it.
        run: PathBuf,
        /// Replace a baseline of that name.
        #[arg(long)]
        force: bool,
    },
    /// List what is kept.
    List,
    /// Print the summary of a baseline.
    Show {
        /// Its name.
        name: Name,
    },
    /// Forget a baseline.
    Remove {
        /// Its name.
        name: Name,
    },
}

/// Carries out the subcommand.
pub(crate) fn command(args: &BaselineArgs) -> Result<Exit, Failure> {
    let store = Store::at(args.dir.as_deref());
    match &args.action {
        Action::Save { name, run, force } => {
            let existing = if *force { Existing::Replace } else { Existing::Keep };
            let kept = store.save(name, run, existing).map_err(Failure::usage)?;
            print::remark(format_args!("kept {} as {}", label(&kept), store.path(name).display()));
        }
        Action::List => print::result(&list(&store)?),
        Action::Show { name } => {
            let run = store.load(name).map_err(Failure::usage)?;
            print::result(&render(&run, Detail::Full));
        }
        Action::Remove { name } => store.remove(name).map_err(Failure::usage)?,
    }
    Ok(Exit::Pass)
}

fn list(store: &Store) -> Result<String, Failure> {
    let names = store.names().map_err(Failure::tool)?;
    if names.is_empty() {
        print::remark("no baselines: save one with `stampede baseline save NAME run.json`");
    }
    let width = names.iter().map(|name| name.to_string().len()).max().unwrap_or(0);
    let mut text = String::new();
    for name in names {
        match store.load(&name) {
            Ok(run) => text.append(format_args!("{name:<width$}  {}\n", label(&run))),
            Err(error) => text.append(format_args!("{name:<width$}  cannot be read: {error:#}\n")),
        }
    }
    Ok(text)
}

/// A run in one line: when, what, how it went.
pub(crate) fn label(run: &RunFile) -> String {
    let started = i128::from(run.started_unix_ns);
    let when = jiff::Timestamp::from_nanosecond(started)
        .map_or("-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let length = show_duration(std::time::Duration::from_secs(run.result.elapsed_ns / 1_000_000_000));
    let what = run.plan.scenario.as_ref().map_or_else(
        || format!("{} {}", run.plan.method, run.plan.url),
        |scenario| format!("scenario {}", scenario.name),
    );
    let p95 = run.result.latency.intent.quantile(0.95).map_or("-".to_owned(), |figure| show_ns(figure.ns));
    format!("{when}, {length}, {what}, {:.0}/s, p95 {p95}", run.result.answered_per_s())
}
