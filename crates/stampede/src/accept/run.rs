//! One run: start, rows, stop.
//!
//! Everything happens on one thread (the load has its own): see the engine's `together` for why one thread releases simultaneous
//! requests closer to each other than many would.

use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use stampede_engine::blackbox::{Bench, run_row};
use stampede_engine::control::{Afterwards, Left, Running};
use stampede_engine::load::Control;
use stampede_model::target::{Origin, Row};
use stampede_model::units::show_duration;
use stampede_model::verdict::{ACCEPT_FORMAT, ACCEPT_VERSION, AcceptRun, RowReport, RunEnd};
use stampede_report::accept;

use super::order::Order;
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, print};

/// Starts the target, runs the chosen rows, stops the target or leaves it.
pub(super) fn run(order: &Order) -> Result<AcceptRun, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot set up the run").map_err(Failure::tool)?;
    let run = runtime.block_on(supervise(order));
    // A load that was interrupted may still be draining on its threads; nobody waits for it.
    runtime.shutdown_background();
    run
}

async fn supervise(order: &Order) -> Result<AcceptRun, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let started = Instant::now();
    let started_unix_ms = unix_ms();
    if order.target.start.origin() == Origin::Started {
        print::remark(format_args!("starting {}", order.target.start.name));
    }
    let starting = Running::start(&order.target.start, &order.bin, &order.environment, order.afterwards);
    let running = tokio::select! {
        running = starting => running.map_err(Failure::tool)?,
        () = stops.next() => {
            return Err(Failure { exit: Exit::Interrupted, error: anyhow::anyhow!("stopped while the target was starting") });
        }
    };
    print::remark(format_args!("{} answers at {} after {}", order.target.start.name, running.url(), took(started)));
    let url = running.url().to_owned();
    let (running, rows, end) = rows(order, running, &mut stops).await?;
    match order.afterwards {
        Afterwards::Stop => running.stop().await,
        Afterwards::Leave => tell(&running.leave()),
    }
    Ok(AcceptRun {
        format: ACCEPT_FORMAT.to_owned(),
        version: ACCEPT_VERSION,
        target: order.target.start.name.clone(),
        url,
        started_unix_ms,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        end,
        rows,
    })
}

async fn rows(
    order: &Order,
    mut running: Running,
    stops: &mut Stops,
) -> Result<(Running, Vec<RowReport>, RunEnd), Failure> {
    let run_name = format!("{:x}-{:x}", unix_ms(), process::id());
    let bench = Bench::new(&order.target, running.url(), &run_name, order.environment.clone());
    let bench = bench.and_then(|bench| bench.with_gateway(running.gateway())).map_err(Failure::tool)?;
    let control = Arc::new(Control::new());
    let mut reports = Vec::new();
    for row in order.rows() {
        let report = tokio::select! {
            report = run_row(&bench, row, order.effort, &control) => report,
            () = stops.next() => {
                control.stop();
                print::remark(format_args!("interrupted in row `{}`", row.id()));
                reports.extend(missed(order, &reports, "the run was interrupted"));
                return Ok((running, reports, RunEnd::Interrupted));
            }
        };
        print::result(&format!("{}\n", accept::line(&report)));
        reports.push(report);
        // What follows a crash says nothing; the crash and its log do.
        if let Some(death) = running.dead() {
            print::remark(format_args!("error: {death}"));
            reports.extend(missed(order, &reports, &death.to_string()));
            break;
        }
    }
    Ok((running, reports, RunEnd::Complete))
}

/// Reports of the rows that are left undone.
fn missed(order: &Order, done: &[RowReport], why: &str) -> Vec<RowReport> {
    let first_line = why.lines().next().unwrap_or_default();
    let undone = |row: &Row<'_>| done.iter().all(|report| report.id != row.id());
    let rows = order.rows();
    let reports = rows.iter().filter(|row| undone(row));
    reports.map(|row| stampede_engine::blackbox::not_run(&order.target, *row, order.effort, first_line)).collect()
}

fn tell(left: &Left) {
    if left.processes.is_empty() {
        return;
    }
    let processes: Vec<String> = left.processes.iter().map(|(name, pid)| format!("{name} is process {pid}")).collect();
    let pids: Vec<String> = left.processes.iter().map(|(_, pid)| pid.to_string()).collect();
    print::remark(format_args!("kept: {} at {}", processes.join(", "), left.url));
    let folder = left.folder.as_ref().map(|folder| format!(", then rm -r {}", folder.display())).unwrap_or_default();
    print::remark(format_args!("to stop it: kill {}{folder}", pids.join(" ")));
}

pub(super) fn took(since: Instant) -> String {
    show_duration(Duration::from_millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

pub(super) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
