//! redis-benchmark against a Redis, which is looked into once a second.
//!
//! Invariants: a connection of our own comes before redis-benchmark's, because that one asks a server that is not there
//! for ever; a tool that outlives the server is ended.

mod look;

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use redis::ConnectionAddr;
use stampede_model::run_result::Ending;
use stampede_model::stress::redis as model;
use stampede_model::stress::{
    Figure, Grade, ServerSample, StressKind, StressRun, StressThreshold, ToolRecord, redact, redis_benchmark,
};
use stampede_model::units::thousands;
use tokio::time::interval;

use super::tool::{Call, Running, Tool, folder, tail};
use super::{Form, LOOK_EVERY, SAMPLES_MAX, Server, StressError, Watcher, ns, private, unix_ns};
pub(crate) use look::Look;

/// Looks in a row that may fail before the server is taken for gone.
const MISSED_MAX: u32 = 5;

/// What to do.
#[derive(Clone, Debug)]
pub struct RedisOrder {
    /// Where.
    pub server: Server,
    /// The calls of redis-benchmark, in order.
    pub calls: Vec<BenchmarkCall>,
    /// Lists whose lengths are watched.
    pub watch_lists: Vec<String>,
}

/// One call of redis-benchmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchmarkCall {
    /// Requests of each test; `None` leaves it to the tool.
    pub requests: Option<u64>,
    /// Connections; `None` leaves it to the tool.
    pub clients: Option<u32>,
    /// Tests; none is all that the tool has.
    pub tests: Vec<String>,
    /// How much it is asked to say.
    pub form: Form,
}

/// Carries out the order.
///
/// # Errors
/// When there is no result: no tool, no server, or a redis-benchmark that ended without figures.
/// # Cancel safety
/// Dropping the future ends redis-benchmark and a private server.
pub async fn run(
    order: &RedisOrder,
    thresholds: &[StressThreshold],
    watcher: Watcher<'_>,
) -> Result<StressRun, StressError> {
    let tool = Tool::redis_benchmark()?;
    let (_server, url) = match &order.server {
        Server::Url(url) => (None, url.clone()),
        Server::Private => {
            let (server, url) = private::redis().await?;
            (Some(server), url)
        }
    };
    let way = Way::of(&url)?;
    let mut look = Look::open(&url, &order.watch_lists).await?;
    let bench = Bench { tool, folder: folder()?, way, watcher, started: Instant::now() };
    let mut run = StressRun::begun(StressKind::Redis, redact::url(&url), unix_ns());
    for call in &order.calls {
        let record = bench.call(call, &mut look, &mut run).await?;
        for figure in &record.figures {
            // The last call of a test is the one that was meant.
            run.figures.retain(|known| known.name != figure.name);
            run.figures.push(figure.clone());
        }
        run.tools.push(record);
        if watcher.is_stopped() {
            run.ending = Ending::Interrupted;
            break;
        }
    }
    look.close(ns(bench.started.elapsed())).await;
    conclude(&mut run, look, thresholds, bench.started.elapsed());
    Ok(run)
}

/// How redis-benchmark gets there.
struct Way {
    args: Vec<String>,
    password: Option<String>,
}

impl Way {
    fn of(url: &str) -> Result<Self, StressError> {
        let bad = |reason: &str| StressError::Url { what: "Redis", reason: reason.to_owned() };
        let client = redis::Client::open(url).map_err(|_| bad("write it as redis://:password@host:6379/0"))?;
        let info = client.get_connection_info();
        let mut args = match info.addr() {
            ConnectionAddr::Tcp(host, port) => vec!["-h".to_owned(), host.clone(), "-p".to_owned(), port.to_string()],
            ConnectionAddr::Unix(socket) => vec!["-s".to_owned(), socket.to_string_lossy().into_owned()],
            _ => return Err(bad("TLS is not supported: give the address behind it")),
        };
        let settings = info.redis_settings();
        if let Some(user) = settings.username().filter(|user| *user != "default" && !user.is_empty()) {
            args.extend(["--user".to_owned(), user.to_owned()]);
        }
        let password = settings.password().map(str::to_owned);
        if let Some(password) = &password {
            args.extend(["-a".to_owned(), password.clone()]);
        }
        if settings.db() != 0 {
            args.extend(["--dbnum".to_owned(), settings.db().to_string()]);
        }
        Ok(Self { args, password })
    }
}

struct Bench<'b> {
    tool: Tool,
    folder: tempfile::TempDir,
    way: Way,
    watcher: Watcher<'b>,
    started: Instant,
}

impl Bench<'_> {
    async fn call(
        &self,
        order: &BenchmarkCall,
        look: &mut Look,
        run: &mut StressRun,
    ) -> Result<ToolRecord, StressError> {
        let call = Call { args: self.args(order), env: Vec::new(), secret: self.way.password.clone() };
        (self.watcher.tell)(&self.tool.command_line(&call));
        let running = self.tool.start(&call, self.folder.path())?;
        let (exit, gone) = self.watched(&running, look).await;
        let said = running.said()?;
        let figures = match order.form {
            Form::Plain => redis_benchmark::quiet(&said),
            Form::Telling => redis_benchmark::csv(&said),
        };
        let said = tail(&said, call.secret.as_deref());
        if figures.is_empty() && !self.watcher.is_stopped() {
            return Err(StressError::Tool { tool: self.tool.name(), exit: exit.to_string(), said });
        }
        if gone {
            run.find(Grade::Missed, "the server stopped answering during the run");
        } else if !exit.success() && !self.watcher.is_stopped() {
            run.find(Grade::Missed, format!("redis-benchmark ended with {exit}"));
        }
        Ok(self.record(&call, exit, figures, said))
    }

    fn args(&self, order: &BenchmarkCall) -> Vec<String> {
        let mut args = self.way.args.clone();
        if !order.tests.is_empty() {
            args.extend(["-t".to_owned(), order.tests.join(",")]);
        }
        if let Some(requests) = order.requests {
            args.extend(["-n".to_owned(), requests.to_string()]);
        }
        if let Some(clients) = order.clients {
            args.extend(["-c".to_owned(), clients.to_string()]);
        }
        args.push(if order.form == Form::Plain { "-q" } else { "--csv" }.to_owned());
        args
    }

    /// Waits for the end; says whether the server went away before.
    async fn watched(&self, running: &Running, look: &mut Look) -> (ExitStatus, bool) {
        let mut every = LOOK_EVERY;
        let mut looks = interval(every);
        let mut asked_to_stop = false;
        let mut gone = false;
        loop {
            tokio::select! {
                exit = running.ended() => return (exit, gone),
                () = self.watcher.stopped(), if !asked_to_stop => {
                    asked_to_stop = true;
                    running.terminate().await;
                }
                _ = looks.tick() => {
                    look.sample(ns(self.started.elapsed())).await;
                    if look.missed_in_a_row() >= MISSED_MAX && !gone {
                        gone = true;
                        running.terminate().await;
                    }
                    if look.samples.len() as u32 >= SAMPLES_MAX {
                        // Nobody knows beforehand how long a number of requests takes.
                        look.thin();
                        every *= 2;
                        looks = interval(every);
                        looks.reset();
                    }
                }
            }
        }
    }

    fn record(&self, call: &Call, exit: ExitStatus, figures: Vec<Figure>, raw_tail: String) -> ToolRecord {
        ToolRecord {
            tool: self.tool.name().to_owned(),
            version: self.tool.version().to_owned(),
            command: self.tool.command_line(call),
            exit: exit.to_string(),
            figures,
            series: Vec::new(),
            statements: Vec::new(),
            raw_tail,
        }
    }
}

fn conclude(run: &mut StressRun, look: Look, thresholds: &[StressThreshold], elapsed: Duration) {
    run.elapsed_ns = ns(elapsed);
    run.figures.extend(model::figures(&look.samples, &look.findings));
    if look.missed() > 0 {
        run.find(Grade::Note, format!("{} looks into the server failed", thousands(look.missed())));
    }
    let over = look
        .samples
        .iter()
        .find(|sample| sample.max_memory_bytes > 0 && sample.used_memory_bytes > sample.max_memory_bytes);
    if let Some(sample) = over {
        let (used, most) = (sample.used_memory_bytes, sample.max_memory_bytes);
        run.find(Grade::Missed, format!("memory went over its limit: {used} bytes of {most}"));
    }
    for (key, path) in model::lists(&look.samples) {
        match (path.first, path.last) {
            (Some(first), Some(last)) if last > first => {
                run.find(Grade::Note, format!("the list {key} grew from {first} to {last}"));
            }
            (_, None) => run.find(Grade::Note, format!("the key {key} is not a list")),
            _ => {}
        }
    }
    if look.findings.latency.is_none() {
        run.find(Grade::Note, "Redis' latency monitor is off (latency-monitor-threshold is 0)");
    }
    run.thresholds = thresholds.iter().map(|threshold| threshold.judge(&run.figures)).collect();
    run.samples = look.samples.into_iter().map(ServerSample::Redis).collect();
    run.redis = Some(look.findings);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_gets_what_the_url_says() {
        let way = Way::of("redis://:s%40cret@db.test:6380/3").unwrap();
        assert_eq!(way.args.join(" "), "-h db.test -p 6380 -a s@cret --dbnum 3");
        let way = Way::of("redis://me:pw@db.test").unwrap();
        assert_eq!(way.args.join(" "), "-h db.test -p 6379 --user me -a pw");
        let way = Way::of("redis+unix:///run/r.sock?db=2").unwrap();
        assert_eq!(way.args.join(" "), "-s /run/r.sock --dbnum 2");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_its_password() {
        for url in ["http://:geheim@h/", "geheim", "redis://:geheim@h:port/0"] {
            let error = Way::of(url).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("cannot be used") && !error.contains("geheim"), "{url}: {error}");
        }
    }
}
