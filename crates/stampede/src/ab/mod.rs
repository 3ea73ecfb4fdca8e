//! `stampede ab`: ApacheBench's arguments in, ApacheBench's table out, so that commands written for it work unchanged.
//!
//! The table has ab's layout to the letter; one line below it gives the latency as the bench itself measures it. What
//! differs on purpose: a request that fails is counted and the run goes on, as ab does with `-r`; the median of an even
//! number of requests is the mean of the middle two; and progress is reported on standard error in ab's words.
//! The exit code is 0 as ab's, also when answers are no successes; 1 when nothing could be measured, 2 for bad arguments,
//! 130 when interrupted.
//! Invariant: memory is bounded by the number of requests asked for, because the table needs each of them.
//! Absent on purpose: TLS, proxies, HTML tables; their flags are refused by name.

mod args;
mod files;
mod options;
mod request;
mod table;
mod times;

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use clap::Args;
use stampede_engine::load::{Arrivals, Expect, Keep, LoadPlan, SampledRun, Stop, run_keeping};
use stampede_model::histogram::{Bound, Figure};
use stampede_model::run_result::Ending;
use stampede_model::units::thousands;

use crate::exit::Exit;
use crate::load::exchange;
use crate::watch::{Show, watched};
use crate::{Failure, print};
use args::{AbOrder, Parsed, Percentiles};
use times::Times;

/// Take ApacheBench's arguments and print its table.
#[derive(Debug, Args)]
pub(crate) struct AbArgs {
    /// What would follow `ab`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "AB-ARGUMENTS")]
    words: Vec<String>,
}

/// More requests than this report no step of their progress.
const QUIET_UP_TO: u64 = 150;

/// Carries out the subcommand.
pub(crate) fn command(args: &AbArgs) -> Result<Exit, Failure> {
    let order = match args::parse(&args.words).map_err(Failure::usage)? {
        Parsed::Help => {
            print::result(&options::help());
            return Ok(Exit::Pass);
        }
        Parsed::Version => {
            print::result(concat!("stampede ", env!("CARGO_PKG_VERSION"), ", in the manner of ApacheBench 2.3\n"));
            return Ok(Exit::Pass);
        }
        Parsed::Run(order) => order,
    };
    let plan = plan(&order).map_err(Failure::usage)?;
    for path in [&order.gnuplot, &order.csv].into_iter().flatten() {
        std::fs::File::create(path).with_context(|| format!("cannot write {path}")).map_err(Failure::usage)?;
    }
    if order.verbosity >= 2 {
        exchange(&plan.requests[0], plan.timeout)?;
    }
    let started = SystemTime::now();
    let run = carry_out(&order, plan)?;
    if run.result.counts.answered == 0 {
        let why = run.result.failures.first().map_or("no answer", |failure| failure.kind.label());
        return Err(Failure::tool(anyhow!("nothing could be measured: {why}")));
    }
    report(&order, &run, started).map_err(Failure::tool)?;
    Ok(if run.result.ending == Ending::Interrupted { Exit::Interrupted } else { Exit::Pass })
}

fn plan(order: &AbOrder) -> anyhow::Result<LoadPlan> {
    let request = request::build(order)?;
    let connections = NonZeroU32::new(order.concurrency).context("-c: at least one request at a time is needed")?;
    let stop = Stop { requests: Some(order.requests), duration: order.time_limit };
    let mut plan = LoadPlan::closed(request, connections, stop);
    plan.arrivals = Arrivals::Closed { connections };
    plan.threads = NonZeroU32::MIN;
    plan.timeout = order.timeout;
    // ab ends at its time limit and leaves what is under way.
    plan.drain = Duration::ZERO;
    plan.expect = Expect::Any;
    plan.reuse = order.reuse;
    plan.check()?;
    Ok(plan)
}

fn carry_out(order: &AbOrder, plan: LoadPlan) -> Result<SampledRun, Failure> {
    let steps = order.progress_every().filter(|_| order.requests > QUIET_UP_TO);
    let host = plan.requests[0].endpoint().host().to_owned();
    let patience = if steps.is_some() { "\n" } else { "..." };
    print::result(&format!(
        "This is stampede {}, in the manner of ApacheBench 2.3\n\nBenchmarking {host} (be patient){patience}",
        env!("CARGO_PKG_VERSION")
    ));
    let keep = Keep::AtMost(usize::try_from(order.requests).unwrap_or(usize::MAX));
    let show = steps.map_or(Show::Nothing, |every| Show::Steps { every });
    let run = watched(show, move |control| run_keeping(&plan, control, keep))?;
    if steps.is_some() {
        print::remark(format_args!("Finished {} requests", run.result.counts.answered));
        print::result("\n\n");
    } else {
        print::result("..done\n\n\n");
    }
    Ok(run)
}

fn report(order: &AbOrder, run: &SampledRun, started: SystemTime) -> anyhow::Result<()> {
    let times = Times::of(&run.samples);
    let mut text = table::render(order, run);
    text.push_str(&table::connection_times(&times, order.confidence));
    if order.percentiles == Percentiles::Shown {
        text.push_str(&table::percentages(&times));
    }
    text.push_str(&footer(order, run));
    print::result(&text);
    if let Some(path) = &order.gnuplot {
        files::write_gnuplot(path, &run.samples, started)?;
    }
    if let Some(path) = &order.csv {
        files::write_csv(path, &times)?;
    }
    Ok(())
}

/// The latency in microseconds, which whole milliseconds hide, and what no closed loop can show.
fn footer(order: &AbOrder, run: &SampledRun) -> String {
    let latency = &run.result.latency.intent;
    let us = |figure: Option<Figure>| match figure {
        None => "-".to_owned(),
        Some(Figure { ns, bound: Bound::Exact }) => thousands(ns / 1_000),
        Some(Figure { ns, bound: Bound::AtLeast }) => format!("≥ {}", thousands(ns / 1_000)),
    };
    let at = |share| us(latency.quantile(share));
    let lost = run.result.counts.failed + run.result.counts.unfinished;
    let lost = if lost > 0 { format!(", {} without an answer", thousands(lost)) } else { String::new() };
    format!(
        "\nstampede: latency in µs p50 {}, p90 {}, p95 {}, p99 {}, p99.9 {}, max {} of {} requests{lost} (closed loop: a \
         stall delays at most {} of them; `stampede load -R` counts all it would keep waiting)\n",
        at(0.5),
        at(0.9),
        at(0.95),
        at(0.99),
        at(0.999),
        us(latency.max()),
        thousands(latency.count()),
        thousands(order.concurrency.into())
    )
}
