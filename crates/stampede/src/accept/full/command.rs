//! A row that is a program: its exit code is the verdict, its last line of output the figure. All that it says is kept beside the
//! replicas' logs.

use stampede_engine::control::{Ended, run_program};

use stampede_model::acceptance::CommandRow;
use stampede_model::target::{Effort, Scope, Template};
use stampede_model::verdict::{Ruling, Verdict};

use super::plan::Plan;
use crate::exit::Exit;

/// Lines of output that are evidence.
const EVIDENCE: usize = 8;
/// How much of a line is kept, in characters.
const LINE_MAX: usize = 240;

/// Runs the program; one that cannot be run, or ends in another way than a verdict, says nothing of the system.
pub(super) async fn run(plan: &Plan, row: &CommandRow, url: &str) -> Result<Ruling, String> {
    let words = match (&row.quick, plan.effort) {
        (Some(quick), Effort::Quick) => quick,
        _ => &row.command,
    };
    let scope = Scope::default()
        .with("bin", plan.bin.to_string_lossy())
        .with("here", if plan.here.as_os_str().is_empty() { ".".into() } else { plan.here.to_string_lossy() })
        .with("url", url)
        .with("cluster", plan.dir.to_string_lossy());
    let filled: Result<Vec<String>, String> = words
        .iter()
        .map(|word| {
            Template::parse(word.as_ref()).map_err(|bad| bad.to_string())?.render(&scope).map_err(|bad| bad.to_string())
        })
        .collect();
    let filled = filled?;
    let log = plan.dir.join("log").join(format!("{}.log", row.id));
    let Ended { code, how, said } = run_program(&filled, &log, row.within).await?;
    let said = said.lines().filter(|line| !line.trim().is_empty());
    let said: Vec<String> = said.map(|line| line.chars().take(LINE_MAX).collect()).collect();
    let last = said.last().cloned().unwrap_or_else(|| "nothing was said".to_owned());
    let is = |exit: Exit| code == Some(i32::from(exit.code()));
    let verdict = match () {
        () if is(Exit::Pass) => Verdict::Pass,
        () if is(Exit::CorrectnessViolated) => Verdict::Violated,
        () if is(Exit::ThresholdFailed) || is(Exit::Regression) => Verdict::Missed,
        () if is(Exit::NotTrustworthy) => Verdict::Unknown,
        () => return Err(format!("{} ended with {how}: {last}", filled[0])),
    };
    if verdict == Verdict::Pass {
        return Ok(Ruling { verdict, figure: last, reason: String::new(), evidence: Vec::new() });
    }
    let evidence = said[said.len().saturating_sub(EVIDENCE)..].to_vec();
    Ok(Ruling { verdict, figure: last.clone(), reason: last, evidence })
}
