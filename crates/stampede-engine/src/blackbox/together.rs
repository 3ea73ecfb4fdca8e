//! Calls released together: every connection stands before the first byte is sent, then all requests leave in one sweep.
//!
//! One thread polls all callers in turn, and a request's bytes go to the kernel in its caller's first poll; nothing else happens
//! between two of them. A thread per caller, released by a barrier, would have to be woken by the scheduler first: on few cores that
//! takes longer than the whole sweep. Measured with 100 callers on 2 busy cores: a median spread of 1 ms for the sweep (12 runs, against
//! kv-erp), of 4.5 and 8.7 ms for threads (two series of 15, against a server that only echoes, so not quite alike). The spread that was
//! reached is measured in every row and printed.

use std::future::Future;

use futures_util::future::{join_all, try_join_all};

use super::caller::Bench;
use super::error::RowError;
use super::exchange::Line;

/// What callers released together brought back.
#[derive(Clone, Debug)]
pub(super) struct Released<T> {
    /// In the order of the callers.
    pub(super) results: Vec<T>,
    /// Between the first and the last send, in microseconds.
    pub(super) skew_us: u64,
}

/// Opens a connection per input, then starts `caller` with each. A caller's first call must be its first wait, and it returns the
/// instant of that call beside its result.
///
/// # Errors
/// When a connection cannot be opened; nothing has been sent then.
pub(super) async fn together<I, T, F>(
    bench: &Bench<'_>,
    inputs: Vec<I>,
    caller: impl Fn(Line, I) -> F,
) -> Result<Released<T>, RowError>
where
    F: Future<Output = (u64, T)>,
{
    let lines = try_join_all(inputs.iter().map(|_| bench.open_line())).await?;
    let callers = lines.into_iter().zip(inputs).map(|(line, input)| caller(line, input));
    let (sent_ns, results): (Vec<u64>, Vec<T>) = join_all(callers).await.into_iter().unzip();
    let first = sent_ns.iter().min().copied().unwrap_or(0);
    let last = sent_ns.iter().max().copied().unwrap_or(0);
    Ok(Released { results, skew_us: (last - first) / 1_000 })
}
