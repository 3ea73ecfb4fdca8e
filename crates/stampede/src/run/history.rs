//! The history of a run: where it is written, and what the checkers say of it.
//!
//! Invariants: a file that cannot be written is found before the first request; a history that was cut off is never judged as if
//! it were whole.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use stampede_engine::script::RunHistory;
use stampede_model::check::{self, Answer, Budget};
use stampede_model::history;
use stampede_model::scenario::Plan;
use stampede_report::summary::Detail;

use super::RunArgs;
use crate::exit::Exit;
use crate::{Failure, print};

/// Steps of an exact search before it is given up; the same as those of `stampede check`.
const SEARCH_STEPS: u64 = 20_000_000;

/// A history that is written to a file.
pub(super) struct Recorded {
    file: PathBuf,
    history: Arc<RunHistory>,
}

/// Finds what does not fit together, and tells of records that nobody keeps.
pub(super) fn check(args: &RunArgs, plan: &Plan) -> anyhow::Result<()> {
    match (&args.history, &plan.history) {
        (Some(_), None) => bail!(
            "--history: nothing in {} says what is recorded\nhint: add [history] with model = \"stock\" and give steps a record; docs/checking.md shows how",
            args.scenario.file.as_ref().map_or("a list of URLs".to_owned(), |file| file.display().to_string()),
        ),
        (None, Some(_)) if plan.has_records() => {
            print::remark("warning: steps are recorded, and nothing of it is kept: name a file with --history FILE");
        }
        _ => {}
    }
    Ok(())
}

impl Recorded {
    /// Begins the history, if the arguments name a file for one.
    pub(super) fn begin(args: &RunArgs, plan: &Plan) -> Result<Option<Self>, Failure> {
        let (Some(file), Some(heading)) = (&args.history, plan.heading()) else { return Ok(None) };
        let to = File::create(file)
            .map_err(|error| Failure::usage(anyhow!("--history: cannot write {}: {error}", file.display())))?;
        Ok(Some(Self { file: file.clone(), history: Arc::new(RunHistory::new(heading, to)) }))
    }

    /// What the run writes to.
    pub(super) fn history(&self) -> Arc<RunHistory> {
        Arc::clone(&self.history)
    }

    /// Judges what was written, says so in a line, and gives the exit code that it deserves.
    pub(super) fn judge(&self, detail: Detail) -> Result<Exit, Failure> {
        let name = self.file.display().to_string();
        let from = File::open(&self.file).with_context(|| format!("cannot read {name}")).map_err(Failure::tool)?;
        let history = history::read(BufReader::new(from), &name).map_err(Failure::tool)?;
        if !history.is_whole {
            return Err(Failure::tool(anyhow!("{name}: its closing line is missing, something else wrote to it")));
        }
        let began = Instant::now();
        let mut verdict = check::judge(&history, Budget::of_steps(SEARCH_STEPS));
        verdict.elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = stampede_report::check::line(&verdict);
        match detail {
            // There the summary is one document, and a script reads it.
            Detail::Json => print::remark(line),
            Detail::Short | Detail::Full | Detail::None => print::result(&format!("\n{line}\n")),
        }
        if verdict.answer != Answer::Holds {
            print::remark(format_args!("hint: stampede check --history {name} tells it in full"));
        }
        Ok(match verdict.answer {
            Answer::Holds => Exit::Pass,
            Answer::Unknown => Exit::NotTrustworthy,
            Answer::Violated => Exit::CorrectnessViolated,
        })
    }
}
