//! `stampede compare`: two runs side by side, with a verdict; and the same at the end of a run.
//!
//! Invariants: the verdict is the model's ([`stampede_model::compare`]); files are written before the exit code is decided,
//! so that a regression leaves its table behind.

mod args;
mod table;

use std::path::Path;

use anyhow::Context;
use stampede_model::compare::{Comparison, Options, Verdict, compare};
use stampede_model::run::{PlanRecord, RunFile};

pub(crate) use args::CompareArgs;

use crate::baseline::{Name, Store, is_file, label, read};
use crate::exit::Exit;
use crate::{Failure, print};

/// Carries out the subcommand.
pub(crate) fn command(args: &CompareArgs) -> Result<Exit, Failure> {
    let store = Store::at(args.how.dir.as_deref());
    let (a, b) = (find(&args.a, &store)?, find(&args.b, &store)?);
    let comparison = compare(&a, &b, &args.options()).map_err(Failure::usage)?;
    let (label_a, label_b) = (titled(&args.a, &a), titled(&args.b, &b));
    let labels = [label_a.as_str(), label_b.as_str()];
    print::result(&table::text(&comparison, labels));
    if let Some(path) = &args.markdown {
        write(path, &table::markdown(&comparison, labels))?;
    }
    if let Some(path) = &args.json {
        let mut text = serde_json::to_string_pretty(&comparison).map_err(Failure::tool)?;
        text.push('\n');
        write(path, &text)?;
    }
    Ok(exit_of(&comparison, if args.strict { Open::Fails } else { Open::Passes }))
}

/// What *cannot tell* means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Passes,
    Fails,
}

fn exit_of(comparison: &Comparison, open: Open) -> Exit {
    match (comparison.verdict, open) {
        (Verdict::Worse, _) => Exit::Regression,
        (Verdict::Better | Verdict::Same, _) => Exit::Pass,
        (Verdict::CannotTell, Open::Fails) => Exit::NotTrustworthy,
        (Verdict::CannotTell, Open::Passes) => {
            print::remark(
                "cannot tell: the runs leave it open; longer ones would see smaller changes (--strict makes this exit 5)",
            );
            Exit::Pass
        }
    }
}

fn find(word: &str, store: &Store) -> Result<RunFile, Failure> {
    if is_file(word) {
        return read(Path::new(word)).map_err(Failure::usage);
    }
    let name: Name = word.parse().map_err(|error: String| Failure::usage(anyhow::Error::msg(error)))?;
    store.load(&name).map_err(Failure::usage)
}

fn titled(word: &str, run: &RunFile) -> String {
    format!("{word} ({})", label(run))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())).map_err(Failure::tool)
}

/// A baseline that a run is held against when it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Against {
    word: String,
    run: RunFile,
}

impl Against {
    /// Finds the baseline before the first request: a name or a run file; `dir` as in `stampede baseline --dir`.
    pub(crate) fn find(word: &str, dir: Option<&Path>) -> Result<Self, Failure> {
        let run = find(word, &Store::at(dir))?;
        Ok(Self { word: word.to_owned(), run })
    }

    /// Refuses a plan that could not be compared, before it is carried out.
    pub(crate) fn check(&self, plan: &PlanRecord) -> Result<(), Failure> {
        stampede_model::compare::check_plans(&self.run.plan, plan).map_err(Failure::usage)
    }
}

/// Holds `run` against the baseline, prints the table, and says how the run ends for it.
///
/// A run that cannot be compared (its generator was not trustworthy) ends as such.
pub(crate) fn against(run: &RunFile, baseline: &Against) -> Exit {
    match compare(&baseline.run, run, &Options::default()) {
        Ok(comparison) => {
            let label_a = titled(&baseline.word, &baseline.run);
            print::result(&format!("\n{}", table::text(&comparison, [&label_a, "this run"])));
            exit_of(&comparison, Open::Passes)
        }
        Err(refused) => {
            print::remark(refused);
            Exit::NotTrustworthy
        }
    }
}
