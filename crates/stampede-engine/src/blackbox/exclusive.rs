//! The exclusive row: everybody wants one lock at once; each holds it for a moment and gives it back.

use stampede_model::row::{ExclusiveHistory, Hold, Release};
use stampede_model::target::{ExclusiveRow, Ref};
use stampede_model::verdict::{Ruling, judge_exclusive};

use super::caller::{Bench, Caller};
use super::error::RowError;
use super::exchange::{Line, Prepared};
use super::nanos;
use super::together::together;

pub(super) async fn run(bench: &Bench<'_>, row: &ExclusiveRow) -> Result<Ruling, RowError> {
    let caller = bench.caller(&row.user).await?.with("resource", format!("stampede:{}", bench.unique()));
    let contender = caller.patient(row.wait, row.ttl);
    let prepared: Vec<Prepared<'_>> = (0..row.contenders)
        .map(|_| {
            let mut prepared = bench.prepare(&row.acquire, &contender)?;
            prepared.wait += row.wait;
            Ok(prepared)
        })
        .collect::<Result<_, RowError>>()?;
    let contender = &contender;
    let released = together(bench, prepared, |line, prepared| async move {
        let result = contend(bench, row, contender, (line, prepared)).await;
        (result.as_ref().map_or(0, |hold| hold.acquire.call_ns), result)
    })
    .await?;
    let holds = released.results.into_iter().collect::<Result<_, RowError>>()?;
    let history = ExclusiveHistory { ttl_ns: nanos(row.ttl), holds };
    Ok(judge_exclusive(&history, released.skew_us))
}

async fn contend(
    bench: &Bench<'_>,
    row: &ExclusiveRow,
    contender: &Caller,
    (mut line, prepared): (Line, Prepared<'_>),
) -> Result<Hold, RowError> {
    let answered = line.call(&prepared).await;
    let mut hold = Hold {
        acquire: answered.interval,
        outcome: answered.outcome.clone(),
        fence: answered.integer("fence"),
        release: None,
    };
    if !answered.is_accepted() {
        return Ok(hold);
    }
    // Holding is the point: a shorter hold would hide a double grant.
    tokio::time::sleep(row.hold).await;
    let mut holder = contender.clone();
    holder.scope.extend(&answered.taken);
    hold.release = Some(release(bench, &mut line, &row.release, &holder).await?);
    Ok(hold)
}

async fn release(bench: &Bench<'_>, line: &mut Line, request: &Ref, holder: &Caller) -> Result<Release, RowError> {
    let answered = bench.call(line, request, holder).await?;
    Ok(Release { interval: answered.interval, outcome: answered.outcome })
}
