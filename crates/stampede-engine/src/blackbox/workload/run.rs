//! One workload from set-up to audit: rounds of all clients, a rest after each.

use std::cell::{Cell, RefCell};
use std::io::Write;

use futures_util::future::{join_all, try_join_all};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use stampede_model::history::{FORMAT, Heading, HistoryWriter, Model, VERSION};
use stampede_model::target::Workload;
use tokio::time::{Instant, sleep_until};

use super::super::caller::Bench;
use super::client::{Client, Object, Shared};
use super::habit::{Common, Habit};
use super::manner::{Manner, Steering};
use super::recorder::{Counted, Recorder};
use super::{WorkloadError, WorkloadSummary, quiet, resolve};

/// Carries a workload out against a target that answers at each of `benches`, and writes its history to `to`.
///
/// Ends after the workload's operations, after its time, or when `steering` says so; the history is whole in each case.
/// # Errors
/// When the set-up fails, the target stops answering, or the history cannot be written.
/// # Cancel safety
/// Dropping the future closes the connections and leaves the history cut off.
pub async fn run_workload(
    benches: &[Bench<'_>],
    workload: &Workload,
    (seed, manner): (u64, Manner),
    to: impl Write,
    steering: &Steering,
) -> Result<WorkloadSummary, WorkloadError> {
    let heading = heading(&benches[0], workload, seed);
    let writer = HistoryWriter::begin(to, &heading).map_err(WorkloadError::History)?;
    let objects = objects(&benches[0], workload).await?;
    let shared = Shared { workload, manner, benches, objects, recorder: RefCell::new(Recorder::new(writer)) };
    let common = Common::default();
    let clients = (0..workload.clients as usize).map(|number| {
        let rng = SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64));
        Client::new(&shared, number, rng)
    });
    let clients = try_join_all(clients).await?;
    let model = *workload.model.as_ref();
    let mut seats: Vec<_> = clients.into_iter().map(|client| (client, Habit::of(model, &common))).collect();
    // What the set-up did is no part of the history; where it led is.
    if let Some((first, _)) = seats.first_mut() {
        quiet::read_all(first, true).await?;
    }
    quiet::baselines(&mut seats).await?;
    steering.goes();
    let skew_us = rounds(&shared, &mut seats, steering).await?;
    resolve::resolve(&shared, &benches[0], manner.patience.at_the_end()).await?;
    quiet::baselines(&mut seats).await?;
    if let Some((first, _)) = seats.first_mut() {
        quiet::read_all(first, true).await?;
        quiet::audit(first, &common).await?;
    }
    drop(seats);
    let recorder = shared.recorder.into_inner();
    let Counted { written: operations, resolved, unresolved, unanswered_reads } =
        recorder.end().map_err(WorkloadError::History)?;
    Ok(WorkloadSummary { heading, operations, resolved, unresolved, unanswered_reads, skew_us })
}

fn heading(bench: &Bench<'_>, workload: &Workload, seed: u64) -> Heading {
    Heading {
        history: FORMAT.to_owned(),
        version: VERSION,
        model: *workload.model.as_ref(),
        workload: workload.id.as_ref().clone(),
        seed,
        started_unix_ns: bench.started_unix_ns(),
        settings: workload.history_settings(),
    }
}

/// Makes the objects, one after the other.
async fn objects(bench: &Bench<'_>, workload: &Workload) -> Result<Vec<Object>, WorkloadError> {
    let Some(user) = workload.users.as_ref().first() else { return Ok(Vec::new()) };
    let maker = bench.caller(user).await?;
    let mut line = bench.open_line().await?;
    let initial = workload.setting("initial").unwrap_or(0);
    let mut objects = Vec::new();
    for number in 0..workload.keys {
        let name = format!("{}-{}", workload.id.as_ref(), bench.unique());
        let caller = maker.with("key", name.as_str()).with("resource", name.as_str()).with("units", initial);
        let made = bench.set_up(&mut line, &workload.setup, caller).await?;
        // What belongs to the maker's session is everybody's own.
        let mut scope = stampede_model::target::Scope::default();
        for known in made.scope.names() {
            if maker.scope.get(known).is_none()
                && let Some(value) = made.scope.get(known)
            {
                scope.set(known, value.clone());
            }
        }
        objects.push(Object { key: format!("{}-{number}", workload.id.as_ref()), scope });
    }
    Ok(objects)
}

/// Rounds until the operations are done or the time is over; gives the largest spread of a round's first sends.
async fn rounds<W: Write>(
    shared: &Shared<'_, '_, W>,
    seats: &mut [(Client<'_, '_, W>, Habit)],
    steering: &Steering,
) -> Result<u64, WorkloadError> {
    let workload = shared.workload;
    let until = Instant::now() + workload.lasts;
    let mut due = Instant::now();
    let mut skew_us = 0;
    // Reads at rest count too, but must not eat up what was asked for.
    let mut asked = 0;
    while asked < workload.operations && Instant::now() < until && !steering.is_stopped() {
        if let Some(every) = shared.manner.every {
            sleep_until(due.min(until)).await;
            // A round that took longer does not make the next ones hurry.
            due = Instant::now() + every;
        }
        let size = workload.round.min(workload.operations - asked);
        asked += size;
        join_all(seats.iter_mut().map(|(client, _)| client.connect())).await;
        let left = Cell::new(size);
        let first_sends = RefCell::new(Vec::with_capacity(seats.len()));
        let turns = seats.iter_mut().map(|(client, habit)| async {
            first_sends.borrow_mut().push(client.now_ns());
            while left.get() > 0 && Instant::now() < until && !steering.is_stopped() {
                left.set(left.get() - 1);
                habit.act(client).await?;
            }
            habit.rest(client).await
        });
        for turn in join_all(turns).await {
            turn?;
        }
        let first_sends = first_sends.into_inner();
        let spread = first_sends.iter().max().zip(first_sends.iter().min()).map_or(0, |(last, first)| last - first);
        skew_us = skew_us.max(spread / 1_000);
        let Some((first, _)) = seats.first_mut() else { break };
        resolve::resolve(shared, first.bench, shared.manner.patience.after_a_round()).await?;
        if *workload.model.as_ref() != Model::RateLimit {
            quiet::read_all(first, false).await?;
        }
        if shared.recorder.borrow().begun() == 0 {
            return Err(WorkloadError::Gone { cause: "no operation could be begun in a whole round".to_owned() });
        }
    }
    Ok(skew_us)
}
