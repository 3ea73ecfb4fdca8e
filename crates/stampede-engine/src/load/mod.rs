//! HTTP load: requests leave when they should, and what came of each is counted.
//!
//! One loop serves both models; they differ only in when a user's next iteration begins. In the closed model that is when
//! its last one ended, in the open model a time by formula that no slow answer can shift. A run of one URL is a scenario
//! of one step.
//!
//! Invariants: a generator thread shares nothing with another on the hot path (no lock, no atomic, no channel); memory
//! does not grow with the number of requests; each asked request ends as exactly one of succeeded, failed, unfinished,
//! not sent; an error is never a success; latency counts from the intended start.
//! Absent on purpose: retries, and a verdict (thresholds and trust live in the model; a limit that is to end the run is
//! looked at by [`watch`]).

mod barrier;
mod client;
pub mod control;
mod deadlines;
mod drive;
mod fixed;
pub mod flow;
mod generator;
mod layout;
mod ledger;
mod link;
mod machine;
mod outcome;
mod pace;
pub mod plan;
mod quota;
mod recorder;
mod samples;
pub mod scenario;
mod series;
mod servers;
mod shard;
mod share;
mod sheet;
mod slot;
mod slowest;
mod steer;
mod tally;
mod watch;

use std::sync::{Arc, Barrier, OnceLock};
use std::thread;

use stampede_model::chaos::Outcome;
use stampede_model::run_result::{Ending, LagOf};
use thiserror::Error;

pub use crate::http::{BadRequestPlan, BadUrl, RequestPlan};
pub use control::{Control, LiveSecond, Progress, Rate, RunPhase};
pub use flow::{Flow, FlowLoad};
pub use plan::{Arrivals, BadPlan, Expect, LoadPlan, Reuse, Stop};
pub use samples::{FirstAnswer, Keep, Sample};
pub use stampede_model::run_result::LoadResult;

use crate::http::endpoint::Unreachable;
use crate::process::raise_open_files;
use barrier::Barriers;
use generator::{Common, Harvest};
use layout::Layout;
use ledger::Ledger;
use machine::Machine;
use quota::Quota;
use series::Series;
use slowest::Slowest;
use watch::Finish;

/// A run that could not take place.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The plan contradicts itself.
    #[error(transparent)]
    Plan(#[from] BadPlan),
    /// Nothing answers at an address before the run.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// A generator thread could not be set up.
    #[error("cannot set up a generator thread: {source}")]
    SetUp {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A generator thread panicked; its figures are lost.
    #[error("a generator thread panicked; nothing it measured can be trusted")]
    Panicked,
    /// A scenario could not go on.
    #[error("{0}")]
    GivenUp(String),
}

/// A run with single answers.
#[derive(Clone, Debug)]
pub struct SampledRun {
    /// What was measured.
    pub result: LoadResult,
    /// Single answers, in no particular order.
    pub samples: Vec<Sample>,
    /// How requests came out, in no particular order.
    pub outcomes: Vec<Outcome>,
    /// Requests whose outcome was beyond the bound.
    pub outcomes_left_out: u64,
    /// What the first answer said of itself.
    pub first_answer: Option<FirstAnswer>,
}

/// Carries out `plan` and reports what happened; blocks the calling thread until the run is over (duration, plus at most
/// `drain`). From async code call it in `spawn_blocking`.
///
/// # Errors
/// Only when the run could not take place or a scenario gave it up. A server that refuses, resets or hangs is a result, not
/// an error.
pub fn run(plan: &LoadPlan, control: &Control) -> Result<LoadResult, LoadError> {
    run_keeping(plan, control, Keep::Nothing).map(|sampled| sampled.result)
}

/// As [`run`], keeping single answers as well.
///
/// # Errors
/// As [`run`].
pub fn run_keeping(plan: &LoadPlan, control: &Control, keep: Keep) -> Result<SampledRun, LoadError> {
    plan.check()?;
    let flows = plan.resolved();
    let servers = servers::reach(flows.iter().flat_map(Flow::origins), plan.timeout)?;
    let open_files_limit = raise_open_files();
    let threads = plan.threads.get().min(plan.connections().max(1)) as usize;
    let layout = Layout::of(&flows);
    let open = flows.iter().any(|flow| !flow.load.is_closed());
    let common = Common {
        plan: Arc::new(plan.clone()),
        servers: servers.into(),
        series: Arc::new(Series::new(threads, layout.specs.len())),
        series_of: layout.series_of,
        quotas: flows.iter().map(|flow| flow.load.is_closed().then_some(flow.iterations?).map(Quota::new)).collect(),
        barriers: Arc::new(Barriers::new(layout.barriers)),
        barriers_of: layout.barriers_of,
        keep,
        lag_of: if open { LagOf::Departures } else { LagOf::Ticks },
        threads,
        ready: Barrier::new(threads),
        begun: OnceLock::new(),
        flows,
    };
    let mut ledger = Ledger::new(layout.specs);
    let mut machine = Machine::watch();
    let mut harvests = Vec::with_capacity(threads);
    thread::scope(|scope| {
        let (common, waiting) = (&common, thread::current());
        let running: Vec<_> = (0..threads)
            .map(|index| {
                let finish = Finish::of(&waiting);
                scope.spawn(move || {
                    let harvest = generator::generate(common, control, index);
                    drop(finish);
                    harvest
                })
            })
            .collect();
        watch::until_finished(common, (&mut ledger, &mut machine), || {
            running.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        for thread in running {
            harvests
                .push(thread.join().map_err(|_| LoadError::Panicked)?.map_err(|source| LoadError::SetUp { source })?);
        }
        Ok::<(), LoadError>(())
    })?;
    if let Some(text) = harvests.iter_mut().find_map(|harvest| harvest.given_up.take()) {
        return Err(LoadError::GivenUp(text));
    }
    watch::collect(&common, &mut ledger);
    let mut sampled = add_up(harvests, ledger, &common);
    let health = &mut sampled.result.health;
    health.open_files_limit = open_files_limit;
    (health.retransmits, health.runnable_mean) = (machine.retransmits(), machine.runnable_mean());
    health.cores = thread::available_parallelism().map_or(0, |cores| cores.get() as u32);
    if control.is_stopped() {
        sampled.result.ending = Ending::Interrupted;
    }
    Ok(sampled)
}

/// Adds what the threads brought home to what they handed in.
fn add_up(harvests: Vec<Harvest>, ledger: Ledger, common: &Common) -> SampledRun {
    let mut result = ledger.finish();
    let (mut samples, mut outcomes, mut outcomes_left_out) = (Vec::new(), Vec::new(), 0);
    let mut first_answer = None;
    let mut slowest: Vec<Slowest> = (0..result.steps.len()).map(|_| Slowest::default()).collect();
    let health = &mut result.health;
    health.lag_of = common.lag_of;
    let (mut looked, mut looks) = (0.0, 0);
    for harvest in harvests {
        health.threads += 1;
        health.cpu_ns += harvest.cpu_ns;
        health.wall_ns += harvest.wall_ns;
        health.behind += harvest.behind;
        // The threads look at their own part: their means add up.
        looked += harvest.in_flight_sum as f64 / harvest.looks.max(1) as f64;
        looks += harvest.looks;
        slowest.iter_mut().zip(harvest.recorded.slowest).for_each(|(all, part)| all.merge(part));
        samples.extend(harvest.recorded.samples);
        outcomes.extend(harvest.recorded.outcomes);
        outcomes_left_out += harvest.recorded.outcomes_left_out;
        first_answer = first_answer.or(harvest.recorded.first_answer);
    }
    health.in_flight_mean = looked;
    health.in_flight_looks = looks;
    result.steps.iter_mut().zip(slowest).for_each(|(step, all)| step.slowest = all.into_sorted());
    result.meetings = common.barriers.meetings();
    if let Some((_, steer)) = common.begun.get() {
        result.events = steer.end();
        if steer.is_aborted() {
            result.ending = Ending::Aborted;
        }
    }
    SampledRun { result, samples, outcomes, outcomes_left_out, first_answer }
}
