//! The failover row: a replica is killed while clients write, each write repeated with its key until it is done.
//!
//! Every attempt is a sample of the stopwatch, every write a promise: what was acknowledged is looked up afterwards.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use stampede_model::acceptance::FailoverRow;
use stampede_model::chaos::{Outcome, Window};
use stampede_model::verdict::{CrashHistory, Kept, KeptWrite};
use tokio::time::{Instant, sleep, sleep_until};

use super::caller::Bench;
use super::error::RowError;
use super::nanos;
use super::writes::{Acknowledged, Writer};
use crate::chaos::processes::signal;
use crate::cluster::{self, MemberState, MemberStatus};
use crate::monitor::Patrol;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Connections that look up what was written.
const LOOKERS: usize = 8;

/// What a crash showed.
#[derive(Clone, Debug)]
pub struct Crash {
    /// What clients saw.
    pub history: CrashHistory,
    /// What became of what was acknowledged.
    pub kept: Vec<Kept>,
}

#[derive(Debug, Default)]
struct Records {
    attempts: Vec<Outcome>,
    writes: Vec<KeptWrite>,
    acknowledged: Vec<Acknowledged>,
}

/// Carries one row out against the cluster of a control socket.
///
/// # Errors
/// When the set-up fails, nobody can be killed, or what was written cannot be asked for.
/// # Cancel safety
/// Dropping the future closes its connections; a killed replica is started by the cluster.
pub async fn run_crash(bench: &Bench<'_>, row: &FailoverRow, at: (&Path, &Patrol)) -> Result<Crash, RowError> {
    let writer = Writer::set_up(bench, &row.workload).await?;
    let records = RefCell::new(Records::default());
    let start = Instant::now();
    let clients = (0..row.clients).map(|number| write_on(&writer, row, (start, number), &records));
    let (written, killed) = tokio::join!(join_all(clients), kill_after(bench, row, (start, at)));
    written.into_iter().collect::<Result<(), RowError>>()?;
    let (replica, injected_ns, ready_after_ns) = killed?;
    let Records { mut attempts, writes, acknowledged } = records.into_inner();
    attempts.sort_by_key(|outcome| outcome.end_ns);
    let window = Window { injected_ns, undone_ns: injected_ns, until_ns: bench.now_ns() };
    let kept = look_up(&writer, acknowledged).await?;
    Ok(Crash { history: CrashHistory { replica, window, attempts, writes, ready_after_ns }, kept })
}

/// One client: its writes leave at their times, however long the one before took.
async fn write_on(
    writer: &Writer<'_, '_>,
    row: &FailoverRow,
    (start, number): (Instant, u32),
    records: &RefCell<Records>,
) -> Result<(), RowError> {
    let lasts = row.before + row.after;
    let step = Duration::from_secs_f64(f64::from(row.clients) / f64::from(row.rate_per_s));
    let mut due = step.mul_f64(f64::from(number) / f64::from(row.clients));
    let mut line = None;
    let start_ns = writer.bench.now_ns().saturating_sub(nanos(start.elapsed()));
    while due < lasts {
        sleep_until(start + due).await;
        let intent_ns = start_ns + nanos(due);
        let until = start + due + row.recovery.max(row.kept_within);
        let mut seen = |intent_ns, end_ns, failure| {
            records.borrow_mut().attempts.push(Outcome { intent_ns, end_ns, failure });
        };
        let written = writer.write(&mut line, until, &mut seen).await?;
        let done_ns = written.done.as_ref().map(|_| writer.bench.now_ns());
        let mut records = records.borrow_mut();
        records.writes.push(KeptWrite { intent_ns, done_ns, attempts: written.attempts, last: written.last });
        records.acknowledged.extend(written.done);
        due += step;
    }
    Ok(())
}

/// Kills the replica with most connections, and waits until it is ready again.
async fn kill_after(
    bench: &Bench<'_>,
    row: &FailoverRow,
    (start, (socket, patrol)): (Instant, (&Path, &Patrol)),
) -> Result<(String, u64, Option<u64>), RowError> {
    sleep_until(start + row.before).await;
    let (name, injected_ns) = kill_one(bench, socket, (row.on.as_ref(), patrol)).await?;
    let killed = Instant::now();
    while killed.elapsed() < row.ready_within {
        let again = member(socket, &name).await?;
        if again
            .is_some_and(|member| member.state == MemberState::Ready && member.process.is_some() && member.ended > 0)
        {
            return Ok((name, injected_ns, Some(nanos(killed.elapsed()))));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok((name, injected_ns, None))
}

/// Kills that replica of a service which most connections lead to; gives its name and when.
pub(super) async fn kill_one(
    bench: &Bench<'_>,
    socket: &Path,
    (service, patrol): (&str, &Patrol),
) -> Result<(String, u64), RowError> {
    let status = cluster::status(socket).await.map_err(|error| RowError::Cluster(error.to_string()))?;
    let members = status.services.into_iter().filter(|one| one.name == service).flat_map(|one| one.members);
    let busiest = members.filter(|member| member.process.is_some()).max_by_key(|member| member.connections);
    let none = || RowError::Cluster(format!("no replica of {service} has a process"));
    let member = busiest.ok_or_else(none)?;
    let process = member.process.ok_or_else(none)?;
    patrol.expect_end_of(&member.name);
    let injected_ns = bench.now_ns();
    let hit = signal(process, Signal::KILL);
    match hit {
        // It is asked again only when it is not the same process any more.
        Ok(true) => {
            while crate::chaos::processes::is_alive(process) {
                sleep(LOOK_EVERY).await;
            }
            Ok((member.name, injected_ns))
        }
        Ok(false) => Err(RowError::Cluster(format!("{} ended by itself before it was killed", member.name))),
        Err(error) => Err(RowError::Cluster(format!("{} cannot be killed: {error}", member.name))),
    }
}

async fn member(socket: &Path, name: &str) -> Result<Option<MemberStatus>, RowError> {
    let status = cluster::status(socket).await.map_err(|error| RowError::Cluster(error.to_string()))?;
    Ok(status.services.into_iter().flat_map(|service| service.members).find(|member| member.name == name))
}

/// Looks everything up that was acknowledged, over a few connections.
async fn look_up(writer: &Writer<'_, '_>, mut acknowledged: Vec<Acknowledged>) -> Result<Vec<Kept>, RowError> {
    let share = acknowledged.len().div_ceil(LOOKERS).max(1);
    let mut shares = Vec::new();
    while !acknowledged.is_empty() {
        shares.push(acknowledged.split_off(acknowledged.len().saturating_sub(share)));
    }
    let looked = join_all(shares.into_iter().map(|share| async {
        let mut line = writer.bench.open_line().await?;
        let mut kept = Vec::with_capacity(share.len());
        for written in share {
            kept.push(writer.look_up(&mut line, written).await?);
        }
        Ok::<_, RowError>(kept)
    }));
    let kept: Vec<Vec<Kept>> = looked.await.into_iter().collect::<Result<_, RowError>>()?;
    Ok(kept.into_iter().flatten().collect())
}
