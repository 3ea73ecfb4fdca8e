//! pgbench against a PostgreSQL, which is looked into once a second.
//!
//! Invariants: the tables are made anew unless the order says otherwise; percentiles come from a sample of single
//! transactions, so thin that at [`EXPECTED_TPS_MAX`] a run writes at most [`LOGGED_MAX`] lines; pgbench that is stopped early
//! still reports what it measured.

mod address;
mod look;
mod transactions;

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use sandbox::Signal;
use stampede_model::run_result::Ending;
use stampede_model::stress::pgbench::{self, Summary};
use stampede_model::stress::postgres as model;
use stampede_model::stress::{
    Figure, Grade, SecondFigures, ServerSample, StressKind, StressRun, StressThreshold, ToolRecord, Unit,
};
use stampede_model::units::thousands;
use tokio::time::interval;

use super::tool::{Call, Running, Tool, folder, seconds, tail};
use super::{Form, Server, StressError, Watcher, look_every, ns, private, unix_ns};
pub(crate) use address::{Address, Session};
pub(crate) use look::{Look, room};

/// A rate that pgbench does not reach on one machine.
const EXPECTED_TPS_MAX: f64 = 200_000.0;
/// Most transactions that are logged: some 40 MB.
const LOGGED_MAX: f64 = 1_000_000.0;
/// Time that pgbench may take beyond its own before it is ended.
const OVERTIME: Duration = Duration::from_mins(2);

/// What to do.
#[derive(Clone, Debug)]
pub struct PostgresOrder {
    /// Where.
    pub server: Server,
    /// Whether pgbench's tables are made anew.
    pub tables: Tables,
    /// pgbench's scale: 100,000 accounts each.
    pub scale: u32,
    /// Clients.
    pub clients: u32,
    /// Threads of pgbench.
    pub jobs: u32,
    /// How long.
    pub duration: Duration,
    /// How much pgbench is asked to say.
    pub form: Form,
    /// Whether it reports each statement.
    pub statements: Statements,
    /// From here on a running statement is slow.
    pub slow: Duration,
}

/// What becomes of pgbench's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// They are dropped and made anew.
    Fresh,
    /// They are used as they are.
    AsTheyAre,
}

/// Whether each statement is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statements {
    /// Each with its mean.
    Each,
    /// None.
    None,
}

/// Carries out the order.
///
/// # Errors
/// When there is no result: no tool, no server, no room for the clients, or a pgbench that ended without figures.
/// # Cancel safety
/// Dropping the future ends pgbench and a private server.
pub async fn run(
    order: &PostgresOrder,
    thresholds: &[StressThreshold],
    watcher: Watcher<'_>,
) -> Result<StressRun, StressError> {
    let tool = Tool::pgbench()?;
    let (_server, url) = match &order.server {
        Server::Url(url) => (None, url.clone()),
        Server::Private => {
            let (server, url) = private::postgres(order.clients).await?;
            (Some(server), url)
        }
    };
    let address = Address::parse(&url)?;
    let mut look = Look::open(&address, order.slow).await?;
    check_room(order, &address, &look).await?;
    let mut bench = Bench { order, tool, folder: folder()?, address, watcher, started: Instant::now() };
    let mut run = StressRun::begun(StressKind::Postgres, bench.address.shown(), unix_ns());
    if order.tables == Tables::Fresh {
        run.tools.push(bench.initialise(&mut look).await?);
        // What making the tables cost is not the load's.
        look = Look::open(&bench.address, order.slow).await?;
        bench.started = Instant::now();
    }
    let record = bench.load(&mut look, &mut run).await?;
    run.tools.push(record);
    look.close(ns(bench.started.elapsed())).await;
    conclude(&mut run, look, thresholds, bench.started.elapsed());
    Ok(run)
}

/// Clients that do not fit make pgbench give up as a whole, so they are counted first.
async fn check_room(order: &PostgresOrder, address: &Address, look: &Look) -> Result<(), StressError> {
    let (allowed, used) = look.room().await.map_err(address.refused("count its connections"))?;
    if used + order.clients > allowed {
        return Err(StressError::Full { clients: order.clients, allowed, used });
    }
    Ok(())
}

struct Bench<'b> {
    order: &'b PostgresOrder,
    tool: Tool,
    folder: tempfile::TempDir,
    address: Address,
    watcher: Watcher<'b>,
    started: Instant,
}

impl Bench<'_> {
    fn call(&self, args: &[String]) -> Call {
        let mut args = args.to_vec();
        args.push(self.address.database().to_owned());
        Call { args, env: self.address.environment(), secret: self.address.password() }
    }

    async fn initialise(&self, look: &mut Look) -> Result<ToolRecord, StressError> {
        let args = ["-i", "-s", &self.order.scale.to_string()].map(str::to_owned);
        let call = self.call(&args);
        let (running, exit) = self.watched(&call, look, &mut Vec::new(), None).await?;
        let said = running.said()?;
        if self.watcher.is_stopped() {
            return Err(StressError::Stopped);
        }
        if !exit.success() {
            return Err(self.failed(&call, exit, &said));
        }
        Ok(self.record(&call, exit, &said))
    }

    async fn load(&self, look: &mut Look, run: &mut StressRun) -> Result<ToolRecord, StressError> {
        let order = self.order;
        let numbers = [order.clients.to_string(), order.jobs.to_string(), seconds(order.duration)];
        let mut args: Vec<String> =
            ["-c", &numbers[0], "-j", &numbers[1], "-T", &numbers[2]].map(str::to_owned).to_vec();
        if order.statements == Statements::Each {
            args.push("-r".to_owned());
        }
        let sampled = (LOGGED_MAX / (EXPECTED_TPS_MAX * order.duration.as_secs_f64().max(1.0))).min(1.0);
        if order.form == Form::Telling {
            let sampled = format!("--sampling-rate={sampled:.4}");
            args.extend(["-P", "1", "--log", sampled.as_str(), "--log-prefix=pgbench_log"].map(str::to_owned));
        }
        let call = self.call(&args);
        let mut series = Vec::new();
        let (running, exit) = self.watched(&call, look, &mut series, Some(order.duration + OVERTIME)).await?;
        let said = running.said()?;
        let Some(summary) = Summary::parse(&said) else { return Err(self.failed(&call, exit, &said)) };
        let mut figures = summary.figures;
        if order.form == Form::Telling {
            figures.extend(pgbench::percentiles(&transactions::read(self.folder.path())?));
            figures.push(Figure::new("latency.sampled", sampled, Unit::Share));
        }
        let aborted = said.lines().filter(|line| line.contains("client ") && line.contains(" aborted")).count();
        figures.push(Figure::new("aborted_clients", aborted as f64, Unit::Count));
        if aborted > 0 || !exit.success() {
            let aborted = thousands(aborted as u64);
            run.find(Grade::Missed, format!("pgbench ended with {exit}: {aborted} of its clients gave up"));
        }
        if self.watcher.is_stopped() {
            run.ending = Ending::Interrupted;
        }
        run.figures.clone_from(&figures);
        let record = self.record(&call, exit, &said);
        Ok(ToolRecord { figures, series, statements: summary.statements, ..record })
    }

    /// Runs pgbench to its end, looking into the server meanwhile.
    async fn watched(
        &self,
        call: &Call,
        look: &mut Look,
        series: &mut Vec<SecondFigures>,
        limit: Option<Duration>,
    ) -> Result<(Running, ExitStatus), StressError> {
        (self.watcher.tell)(&self.tool.command_line(call));
        let mut running = self.tool.start(call, self.folder.path())?;
        let mut looks = interval(look_every(self.order.duration));
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut asked_to_stop = false;
        let exit = loop {
            tokio::select! {
                exit = running.ended() => break exit,
                () = self.watcher.stopped(), if !asked_to_stop => {
                    asked_to_stop = true;
                    // Its own clock ends a timed run by this signal, and then it reports.
                    running.signal(if limit.is_some() { Signal::ALARM } else { Signal::INT });
                }
                _ = looks.tick() => {
                    look.sample(ns(self.started.elapsed())).await;
                    self.take_lines(&mut running, series);
                    if deadline.is_some_and(|deadline| deadline < Instant::now()) {
                        running.terminate().await;
                    }
                }
            }
        };
        self.take_lines(&mut running, series);
        Ok((running, exit))
    }

    fn take_lines(&self, running: &mut Running, series: &mut Vec<SecondFigures>) {
        for line in running.new_lines() {
            if let Some(second) = pgbench::progress(&line) {
                (self.watcher.tell)(&line);
                if series.len() < super::SAMPLES_MAX as usize {
                    series.push(second);
                }
            }
        }
    }

    fn failed(&self, call: &Call, exit: ExitStatus, said: &str) -> StressError {
        let said = tail(said, call.secret.as_deref());
        StressError::Tool { tool: self.tool.name(), exit: exit.to_string(), said }
    }

    /// A record without figures.
    fn record(&self, call: &Call, exit: ExitStatus, said: &str) -> ToolRecord {
        ToolRecord {
            tool: self.tool.name().to_owned(),
            version: self.tool.version().to_owned(),
            command: self.tool.command_line(call),
            exit: exit.to_string(),
            figures: Vec::new(),
            series: Vec::new(),
            statements: Vec::new(),
            raw_tail: tail(said, call.secret.as_deref()),
        }
    }
}

fn conclude(run: &mut StressRun, look: Look, thresholds: &[StressThreshold], elapsed: Duration) {
    run.elapsed_ns = ns(elapsed);
    run.figures.extend(model::figures(&look.samples, &look.findings));
    let (missed, reason) = &look.missed;
    if *missed > 0 {
        run.find(Grade::Note, format!("{} looks into the server failed: {reason}", thousands(*missed)));
    }
    if look.findings.busiest.is_none() {
        run.find(Grade::Note, "pg_stat_statements is not there: only statements that were seen running are named");
    }
    run.thresholds = thresholds.iter().map(|threshold| threshold.judge(&run.figures)).collect();
    run.samples = look.samples.into_iter().map(ServerSample::Postgres).collect();
    run.postgres = Some(look.findings);
}
