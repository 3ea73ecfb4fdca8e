//! The rows that clients carry out, one after the other, each printed as soon as it is known.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stampede_engine::blackbox::{self, Bench, measure, run_crash, run_follow_up, run_row};
use stampede_engine::load::Control;
use stampede_engine::monitor::Patrol;
use stampede_model::acceptance::{Extra, FailoverRow};
use stampede_model::run::RunFile;
use stampede_model::target::{LoadRow, Row};
use stampede_model::threshold::Threshold;
use stampede_model::verdict::{
    RowReport, Ruling, Verdict, judge_follow_ups, judge_kept, judge_load, judge_recovery, judge_vanished,
};
use stampede_report::accept;

use super::command;
use super::plan::Plan;
use crate::print;

/// Carries the rows out.
pub(super) struct Rows<'r, 'p> {
    pub(super) plan: &'p Plan,
    pub(super) bench: &'r Bench<'p>,
    /// The control socket, and whoever looks meanwhile.
    pub(super) at: (&'r Path, &'r Patrol),
    pub(super) control: &'r Arc<Control>,
    pub(super) reports: &'r mut Vec<RowReport>,
}

impl Rows<'_, '_> {
    /// All that are chosen: the target's, work that follows, crashes, programs.
    pub(super) async fn all(&mut self) {
        let (plan, effort) = (self.plan, self.plan.effort);
        for row in plan.target_rows() {
            match row {
                Row::Load(load) => self.load(load).await,
                row => {
                    let report = run_row(self.bench, row, effort, self.control).await;
                    tell(self.reports, report);
                }
            }
        }
        for row in &plan.acceptance.follow_up {
            if plan.wants(row.id.as_ref()) {
                let began = Instant::now();
                let seen = run_follow_up(self.bench, row, effort, self.at).await;
                let ruling = seen.map(|seen| judge_follow_ups(&seen)).map_err(|error| error.to_string());
                say(plan, self.reports, (Extra::FollowUp(row), ruling, began.elapsed()));
            }
        }
        for row in &plan.acceptance.failover {
            self.failover(row).await;
        }
        for row in &plan.acceptance.command {
            if plan.wants(row.id.as_ref()) {
                let began = Instant::now();
                let ruling = command::run(plan, row, self.bench.url()).await;
                say(plan, self.reports, (Extra::Command(row), ruling, began.elapsed()));
            }
        }
    }

    /// One measurement, judged by the row's own limits and by those of every further row.
    async fn load(&mut self, load: &LoadRow) {
        let (plan, effort) = (self.plan, self.plan.effort);
        let began = Instant::now();
        let measured = measure(self.bench, load, effort, self.control).await.map_err(|error| error.to_string());
        if plan.wants(load.id.as_ref()) {
            let report = blackbox::not_run(&plan.target, Row::Load(load), effort, "");
            tell(self.reports, ruled(report, measured.as_ref().map(judge_load).map_err(Clone::clone), began.elapsed()));
        }
        for row in plan.acceptance.measured.iter().filter(|row| row.of.as_ref() == load.id.as_ref()) {
            if plan.wants(row.id.as_ref()) {
                let limits = row.limits(effort).iter().map(|limit| limit.as_ref().as_str());
                let ruling = measured.as_ref().map(|run| judge_load(&with_limits(run, limits)));
                say(plan, self.reports, (Extra::Measured(row), ruling.map_err(Clone::clone), Duration::ZERO));
            }
        }
    }

    /// One crash, three rows.
    async fn failover(&mut self, row: &FailoverRow) {
        let plan = self.plan;
        let extras = [Extra::Recovery(row), Extra::Kept(row), Extra::Vanished(row)];
        if extras.iter().all(|extra| !plan.wants(&extra.id())) {
            return;
        }
        let began = Instant::now();
        let crash = run_crash(self.bench, row, self.at).await.map_err(|error| error.to_string());
        let ns = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        for extra in extras {
            let ruling = crash.as_ref().map_err(Clone::clone).map(|crash| match extra {
                Extra::Recovery(row) => judge_recovery(&crash.history, ns(row.recovery)),
                Extra::Kept(row) => judge_kept(&crash.history, ns(row.kept_within)),
                _ => judge_vanished(&crash.kept),
            });
            if plan.wants(&extra.id()) {
                say(plan, self.reports, (extra, ruling, began.elapsed()));
            }
        }
    }
}

/// The same measurement with other limits.
fn with_limits<'l>(run: &RunFile, limits: impl Iterator<Item = &'l str>) -> RunFile {
    // They were read when the file was checked.
    let limits: Vec<Threshold> = limits.filter_map(|limit| Threshold::from_str(limit).ok()).collect();
    RunFile::conclude(run.started_unix_ns, run.plan.clone(), &limits, run.result.clone())
}

/// Reports a row of the acceptance file.
pub(super) fn say(
    plan: &Plan,
    reports: &mut Vec<RowReport>,
    (row, ruling, elapsed): (Extra<'_>, Result<Ruling, String>, Duration),
) {
    tell(reports, ruled(blank(plan, row), ruling, elapsed));
}

/// Reports every row that has no report yet.
pub(super) fn not_run(plan: &Plan, reports: &mut Vec<RowReport>, why: &str) {
    let missing = |reports: &[RowReport], id: &str| reports.iter().all(|report| report.id != id);
    for row in plan.target_rows().into_iter().filter(|row| plan.wants(row.id())) {
        if missing(reports, row.id()) {
            reports.push(blackbox::not_run(&plan.target, row, plan.effort, why));
        }
    }
    for row in plan.extras() {
        if missing(reports, &row.id()) {
            reports.push(ruled(blank(plan, row), Err(why.to_owned()), Duration::ZERO));
        }
    }
}

fn blank(plan: &Plan, row: Extra<'_>) -> RowReport {
    RowReport {
        id: row.id(),
        test: row.test().to_owned(),
        metric: row.metric(&plan.acceptance, &plan.target, plan.effort),
        target: row.demand(plan.effort),
        figure: String::new(),
        verdict: Verdict::NotRun,
        reason: String::new(),
        evidence: Vec::new(),
        elapsed_ms: 0,
    }
}

fn ruled(report: RowReport, ruling: Result<Ruling, String>, elapsed: Duration) -> RowReport {
    let ruling = ruling.unwrap_or_else(|why| Ruling {
        verdict: Verdict::NotRun,
        figure: "not measured".to_owned(),
        reason: why,
        evidence: Vec::new(),
    });
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    RowReport { elapsed_ms, ..report.ruled(ruling) }
}

fn tell(reports: &mut Vec<RowReport>, report: RowReport) {
    print::result(&format!("{}\n", accept::line(&report)));
    reports.push(report);
}
