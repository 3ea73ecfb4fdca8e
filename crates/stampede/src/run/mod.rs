//! `stampede run`: a scenario file, or a list of URLs, carried out, judged, reported.
//!
//! Invariants: every mistake in the file or the flags is named before anything is sent; without a threshold in the file or
//! on the command line `errors<1%` holds; secrets from the environment appear in no output.

mod args;
mod history;
mod outside;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use stampede_engine::load::{self, LoadError, LoadPlan};
use stampede_engine::script::{RunHistory, load_plan, once_plan, recorded_plan};
use stampede_model::run::{PlanRecord, RunFile, ScenarioRecord};
use stampede_model::run_result::{Counts, Ending};
use stampede_model::scenario::{Overrides, Plan, compile, compile_text};
use stampede_model::threshold::Limit;

pub(crate) use args::{RunArgs, ScenarioArgs};
use history::Recorded;
pub(crate) use outside::Disk;
use outside::{WithHeaders, header_variable};

use crate::compare::against;
use crate::exit::Exit;
use crate::load::{Files, environment, exit_of, report};
use crate::watch::{Heading, Show, watched};
use crate::{Failure, print};

/// Users of a list of URLs when nobody says.
const LIST_USERS: u32 = 10;

/// Carries out the subcommand.
pub(crate) fn command(args: &RunArgs) -> Result<Exit, Failure> {
    let mut plan = read(&args.scenario).map_err(Failure::usage)?;
    plan.limits = limits(args, &plan).map_err(Failure::usage)?;
    for warning in &plan.warnings {
        print::remark(format_args!("warning: {warning}"));
    }
    history::check(args, &plan).map_err(Failure::usage)?;
    if args.dry_run {
        print::result(&crate::plan::describe(&plan, args.scenario.assume));
        return Ok(Exit::Pass);
    }
    if args.once {
        return once(&plan);
    }
    let files = Files { json: args.outcome.json.clone(), others: args.outcome.outputs.clone() };
    files.check().map_err(Failure::usage)?;
    let recorded = Recorded::begin(args, &plan)?;
    let history = recorded.as_ref().map(Recorded::history);
    let load = history.clone().map_or_else(|| load_plan(&plan), |history| recorded_plan(&plan, history));
    let mut load = load.map_err(Failure::usage)?;
    if let Some(threads) = args.threads.and_then(std::num::NonZeroU32::new) {
        load.threads = threads;
    }
    let baseline = args.outcome.against()?;
    if let Some(baseline) = &baseline {
        baseline.check(&record(&plan, &load))?;
    }
    let run = carry_out(args, &plan, (load, history))?;
    report(&run, args.outcome.summary, &files).map_err(Failure::tool)?;
    let judged = recorded.map_or(Ok(Exit::Pass), |recorded| recorded.judge(args.outcome.summary))?;
    Ok(baseline.map_or(Exit::Pass, |baseline| against(&run, &baseline)).and(exit_of(&run)).and(judged))
}

/// Reads the scenario that the arguments name.
pub(crate) fn read(args: &ScenarioArgs) -> anyhow::Result<Plan> {
    let overrides = Overrides {
        host: args.host.clone(),
        seed: args.seed,
        users: args.users,
        spawn_per_s: args.spawn_rate,
        duration: args.duration,
        rate_factor: args.rate_factor,
        vars: args.vars.clone(),
    };
    match (&args.file, &args.urls) {
        (Some(file), _) => Ok(compile(file, &Disk, &overrides)?),
        (None, Some(list)) => {
            let (names, values) = headers(&args.headers)?;
            let text = list_scenario(list, &names);
            Ok(compile_text(Path::new("urls.toml"), text, &WithHeaders { values }, &overrides)?)
        }
        (None, None) => {
            anyhow::bail!("nothing to do: give a scenario file, such as scenarios/guide.toml, or --urls FILE")
        }
    }
}

/// Names and values of headers written as `Name: value`.
fn headers(lines: &[String]) -> anyhow::Result<(Vec<&str>, Vec<String>)> {
    let mut all = (Vec::new(), Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':').context("-H: a header is written as 'Name: value'")?;
        all.0.push(name.trim());
        all.1.push(value.trim().to_owned());
    }
    Ok(all)
}

/// A scenario that sends a list of URLs, one after the other.
fn list_scenario(list: &Path, headers: &[&str]) -> String {
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let name = quoted(&list.display().to_string().replace('{', "{{").replace('}', "}}"));
    let value = |place| quoted(&format!("${{env:{}}}", header_variable(place)));
    let lines = headers.iter().enumerate().map(|(place, name)| format!("{} = {}", quoted(name), value(place)));
    let headers = lines.collect::<Vec<_>>().join(", ");
    format!(
        "[feed.urls]\nurls = {name}\n[user.visitor]\nheaders = {{ {headers} }}\n[[scenario]]\nname = \"urls\"\n\
         as = \"visitor\"\nsteps_from = \"urls\"\nusers = {LIST_USERS}\n"
    )
}

/// The file's limits and those of the command line.
fn limits(args: &RunArgs, plan: &Plan) -> anyhow::Result<Vec<Limit>> {
    if args.outcome.no_thresholds {
        return Ok(Vec::new());
    }
    for step in args.outcome.thresholds.iter().filter_map(|limit| limit.step.as_ref()) {
        let names: Vec<&str> = plan.series.iter().map(|series| series.name.as_str()).collect();
        if !names.contains(&step.as_str()) {
            anyhow::bail!("--threshold: no step is called `{step}`; the steps are {}", names.join(", "));
        }
    }
    let mut limits = plan.limits.clone();
    limits.extend(args.outcome.thresholds.iter().cloned());
    if limits.is_empty() {
        limits.push(Limit::IMPLICIT);
    }
    Ok(limits)
}

fn once(plan: &Plan) -> Result<Exit, Failure> {
    let load = once_plan(plan, Arc::new(|text: &str| print::result(text))).map_err(Failure::usage)?;
    let result = watched(Show::Nothing, move |control| load::run(&load, control))?;
    let Counts { asked, succeeded, .. } = result.counts;
    let exit = match succeeded {
        // Nothing was shown, so nothing is passed.
        _ if asked == 0 => Exit::NotTrustworthy,
        all if all == asked => Exit::Pass,
        _ => Exit::ThresholdFailed,
    };
    Ok(if result.ending == Ending::Interrupted { exit.and(Exit::Interrupted) } else { exit })
}

fn carry_out(
    args: &RunArgs,
    plan: &Plan,
    (load, history): (LoadPlan, Option<Arc<RunHistory>>),
) -> Result<RunFile, Failure> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let of = plan.forecast(args.scenario.assume).lasts;
    let show = match (args.quiet, args.no_tui) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Progress { of },
        (false, false) => Show::Live(Heading { title: plan.name.clone(), model: crate::plan::headline(plan), of }),
    };
    let record = record(plan, &load);
    let result = watched(show, move |control| {
        let result = load::run(&load, control);
        // Also when the run was given up, the history has its end; why it was given up is told first.
        let ended = history.map_or(Ok(()), |history| history.end());
        let result = result?;
        ended.map_err(|error| LoadError::GivenUp(error.to_string()))?;
        Ok(result)
    })?;
    let started_unix_ns = u64::try_from(started.as_nanos()).unwrap_or(u64::MAX);
    let mut run = RunFile::conclude(started_unix_ns, record, &plan.limits, result);
    run.environment = environment();
    Ok(run)
}

fn record(plan: &Plan, load: &LoadPlan) -> PlanRecord {
    let mut record = load.record();
    record.scenario = Some(ScenarioRecord { name: plan.name.clone(), seed: plan.seed, text: plan.redact(&plan.text) });
    // The URL may come from the environment, and is then shown as it stands in the file.
    if let Some(origin) = plan.origins.first() {
        record.url = plan.redact(&origin.shown);
    }
    let ends = plan.flows.iter().filter_map(|flow| flow.duration.map(|lasts| flow.start_after.saturating_add(lasts)));
    let longest = ends.max();
    record.duration_ns = longest.and_then(|lasts| u64::try_from(lasts.as_nanos()).ok());
    record
}
