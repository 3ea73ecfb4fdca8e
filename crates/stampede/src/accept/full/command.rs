//! A row that is a program: its exit code is the verdict, its last line of output the figure.

use std::fs;
use std::process::Stdio;

use stampede_model::acceptance::CommandRow;
use stampede_model::target::{Effort, Scope, Template};
use stampede_model::verdict::{Ruling, Verdict};
use tokio::process::Command;
use tokio::time::timeout;

use super::plan::Plan;
use crate::exit::Exit;
use crate::print;

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
    let (program, arguments) = filled.split_first().ok_or("command is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = timeout(row.within, command.output()).await;
    let output = match ended {
        Err(_) => return Err(format!("{program} has not ended within {:?}", row.within)),
        Ok(Err(error)) => return Err(format!("{program} cannot be started: {error}")),
        Ok(Ok(output)) => output,
    };
    keep(plan, row, &[&output.stderr, &output.stdout]);
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.chars().take(LINE_MAX).collect()).collect()
    };
    let (said, remarked) = (lines(&output.stdout), lines(&output.stderr));
    let last = said.last().or(remarked.last()).cloned().unwrap_or_else(|| "nothing was said".to_owned());
    let code = output.status.code();
    let is = |exit: Exit| code == Some(i32::from(exit.code()));
    let verdict = match () {
        () if is(Exit::Pass) => Verdict::Pass,
        () if is(Exit::CorrectnessViolated) => Verdict::Violated,
        () if is(Exit::ThresholdFailed) || is(Exit::Regression) => Verdict::Missed,
        () if is(Exit::NotTrustworthy) => Verdict::Unknown,
        () => return Err(format!("{program} ended with {}: {last}", output.status)),
    };
    if verdict == Verdict::Pass {
        return Ok(Ruling { verdict, figure: last, reason: String::new(), evidence: Vec::new() });
    }
    let all: Vec<String> = remarked.into_iter().chain(said).collect();
    let evidence = all[all.len().saturating_sub(EVIDENCE)..].to_vec();
    Ok(Ruling { verdict, figure: last.clone(), reason: last, evidence })
}

/// Writes all that the program said beside the replicas' logs: a row shows the end of it.
fn keep(plan: &Plan, row: &CommandRow, said: &[&[u8]]) {
    let file = plan.dir.join("log").join(format!("{}.log", row.id));
    if let Err(error) = fs::write(&file, said.concat()) {
        print::remark(format_args!("cannot keep what {} said: {}: {error}", row.id, file.display()));
    }
}
