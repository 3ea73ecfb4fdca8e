//! `stampede stress http`.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use stampede_engine::load::{LoadPlan, RequestPlan, Stop};
use stampede_engine::stress::steps::{AfterBend, StepsOrder, run};
use stampede_model::run_result::Ending;
use stampede_model::schedule::{Schedule, Spacing};
use stampede_model::stress::steps::{Bend, STEPS_MAX, StepRecord, StepsRecord, doubling};
use stampede_model::stress::{Grade, StressKind, StressRun};
use stampede_model::threshold::{Limit, Threshold};
use stampede_model::units::{show_share, trimmed};

use super::args::HttpArgs;
use super::{report, request, save};
use crate::exit::Exit;
use crate::watch::{Show, watched};
use crate::{Failure, print};

/// Limits of every step where nobody gave one.
const IMPLIED: [&str; 3] = ["p95<500ms", "p99<1s", "errors<0.1%"];

pub(super) fn command(args: &HttpArgs) -> Result<Exit, Failure> {
    let request = request::plan(&args.request).map_err(Failure::usage)?;
    let order = order(args, &request).map_err(Failure::usage)?;
    save::check(&args.output)?;
    let started = Instant::now();
    let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let started_unix_ns = u64::try_from(started_unix.as_nanos()).unwrap_or(u64::MAX);
    let quiet = args.output.quiet;
    let steps = watched(Show::Nothing, move |control| {
        run(&order, control, |step| {
            if !quiet {
                print::remark(line(step));
            }
        })
    })?;
    let mut result = StressRun::begun(StressKind::Http, request.endpoint().to_string(), started_unix_ns);
    result.elapsed_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    conclude(&mut result, steps, args.must_hold);
    report(result, &args.output)
}

fn order(args: &HttpArgs, request: &RequestPlan) -> anyhow::Result<StepsOrder> {
    let rates = if args.steps.is_empty() { doubling(args.from, args.to) } else { args.steps.clone() };
    if rates.len() > STEPS_MAX {
        bail!("--steps: {} rates are too many: use at most {STEPS_MAX}", rates.len());
    }
    if rates.iter().zip(rates.iter().skip(1)).any(|(lower, higher)| higher <= lower) {
        bail!("--steps must rise, and --to must be above --from");
    }
    let limits: Vec<Limit> = if args.thresholds.is_empty() {
        IMPLIED.iter().map(|text| Ok(text.parse::<Threshold>()?.into())).collect::<anyhow::Result<_>>()?
    } else {
        args.thresholds.iter().copied().map(Limit::from).collect()
    };
    let plan = |rate: f64| -> anyhow::Result<(f64, LoadPlan)> {
        // A seed of its own for each step would make two runs of the same command differ.
        let schedule = Schedule::new(rate, Spacing::Uniform, 1).context("--steps")?;
        let stop = Stop { requests: None, duration: Some(args.step) };
        let mut plan = LoadPlan::open(request.clone(), schedule, stop);
        plan.timeout = args.request.timeout;
        plan.drain = args.request.timeout;
        plan.check()?;
        Ok((rate, plan))
    };
    let steps = rates.into_iter().map(plan).collect::<anyhow::Result<_>>()?;
    Ok(StepsOrder { steps, limits, after: if args.beyond { AfterBend::GoOn } else { AfterBend::Stop } })
}

fn conclude(run: &mut StressRun, steps: StepsRecord, must_hold: Option<f64>) {
    if steps.steps.iter().any(|step| step.ending == Ending::Interrupted) {
        run.ending = Ending::Interrupted;
    }
    match &steps.bend {
        Bend::Nowhere { held_per_s } => {
            let held = held_per_s.unwrap_or(0.0);
            if must_hold.is_some_and(|rate| held < rate) {
                run.find(Grade::Doubt, format!("the highest rate was {}/s, below the one to be held", trimmed(held)));
            }
        }
        Bend::At { held_per_s, rate_per_s, broken } => {
            let enough = must_hold.is_some_and(|rate| held_per_s.is_some_and(|held| rate <= held));
            let grade = if enough { Grade::Note } else { Grade::Missed };
            run.find(grade, format!("it bends at {}/s: {}", trimmed(*rate_per_s), broken.join(", ")));
        }
        Bend::Unknown { rate_per_s, reason, .. } => {
            run.find(Grade::Doubt, format!("the step of {}/s says nothing: {reason}", trimmed(*rate_per_s)));
        }
    }
    run.steps = Some(steps);
}

fn line(step: &StepRecord) -> String {
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{} ms", trimmed(ms)));
    format!(
        "{}/s: p95 {}, p99 {}, errors {}",
        trimmed(step.rate_per_s),
        ms(step.latency_ms.p95),
        ms(step.latency_ms.p99),
        show_share(step.error_share)
    )
}
