//! The rate-limit row: one user's calls in turn, another's all at once, a third's from another tenant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stampede_model::row::{HeaderNumber, LimitCall, LimitHistory, LimitRule};
use stampede_model::target::RateLimitRow;
use stampede_model::verdict::{Ruling, judge_limit};

use super::caller::Bench;
use super::error::RowError;
use super::exchange::Answered;
use super::nanos;
use super::together::together;

pub(super) async fn run(bench: &Bench<'_>, row: &RateLimitRow) -> Result<Ruling, RowError> {
    let first = bench.caller(&row.sequential_user).await?;
    let second = bench.caller(&row.simultaneous_user).await?;
    let third = bench.caller(&row.other_user).await?;
    let mut line = bench.open_line().await?;
    let mut sequential = Vec::with_capacity(row.calls as usize);
    for _ in 0..row.calls {
        let prepared = bench.prepare(&row.request, &first)?;
        let called_unix_ms = unix_ms();
        let answered = bench.call_prepared(&mut line, &prepared).await?;
        sequential.push(record(row, called_unix_ms, &answered));
    }
    let prepared: Vec<_> =
        (0..row.calls).map(|_| bench.prepare(&row.request, &second)).collect::<Result<_, RowError>>()?;
    let simultaneous = together(bench, prepared, |mut line, prepared| async move {
        let called_unix_ms = unix_ms();
        let answered = line.call(&prepared).await;
        (answered.interval.call_ns, record(row, called_unix_ms, &answered))
    })
    .await?;
    let called_unix_ms = unix_ms();
    let answered = bench.call(&mut line, &row.request, &third).await?;
    let history = LimitHistory {
        rule: LimitRule {
            limit: row.limit,
            window_ns: nanos(row.window),
            kind: row.kind,
            reset: row.reset,
            origin: bench.target().origin(),
        },
        sequential,
        simultaneous: simultaneous.results,
        other: record(row, called_unix_ms, &answered),
    };
    Ok(judge_limit(&history, simultaneous.skew_us))
}

fn record(row: &RateLimitRow, called_unix_ms: i64, answered: &Answered) -> LimitCall {
    let number = |name: &str| HeaderNumber::read(answered.header(name));
    LimitCall {
        interval: answered.interval,
        called_unix_ms,
        returned_unix_ms: unix_ms(),
        outcome: answered.outcome.clone(),
        limit: number(row.headers.limit.as_str()),
        remaining: number(row.headers.remaining.as_str()),
        reset: number(row.headers.reset.as_str()),
        retry_after: number(row.headers.retry_after.as_str()),
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
