//! What a request costs each load generator: CPU time and rate against one null server, all in turn in each round.
//!
//! Then what a schedule of ours is worth (how late requests leave), and whether memory grows with a run.
//! Absent on purpose: a verdict. Targets stand beside the figures.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use stampede_model::histogram::Histogram;

use super::Bench;
use super::generator_server::NullServer;
use super::peers::{Core, Load, Peer, cpu_of_children, install, pinned};
use crate::say;

/// Rate of the open loop.
const RATE_PER_S: u32 = 5_000;

/// Flags of this comparison alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// generator: also watch memory for ten minutes.
    #[arg(long)]
    memory: bool,
    /// generator: watch memory for so many seconds, at a tenth and at the end.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=3_600))]
    memory_seconds: Option<u32>,
    /// generator: install oha and Locust into the target folder first.
    #[arg(long)]
    install_peers: bool,
}

/// One program with its words.
struct Runner {
    name: String,
    program: PathBuf,
    words: Vec<String>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu_us: f64,
    per_second: f64,
}

pub(crate) fn run(bench: &Bench, options: &Options) -> Result<()> {
    if options.install_peers {
        install(&bench.target)?;
    }
    let stampede = bench.program("stampede");
    let mut server = NullServer::start(&stampede, &[])?;
    let runners = runners(bench, &stampede, &server.url)?;
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); runners.len()];
    for round in 1..=bench.rounds {
        for (runner, costs) in runners.iter().zip(&mut costs) {
            costs.push(measure(runner, &mut server)?);
        }
        say(&format!("round {round} of {} is over", bench.rounds))?;
    }
    table(bench, &runners, &costs)?;
    lag(bench, &stampede, &server.url)?;
    let seconds = options.memory_seconds.or(options.memory.then_some(600));
    seconds.map_or(Ok(()), |seconds| memory(&stampede, &server.url, seconds))
}

/// Every program that is there; those that are not are said.
fn runners(bench: &Bench, stampede: &Path, url: &str) -> Result<Vec<Runner>> {
    let (connections, time) = (bench.connections.to_string(), format!("{}s", bench.seconds));
    let help = Command::new(stampede).args(["load", "--help"]).output().context("run stampede")?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let ours = |name: &str, more: &[&str]| Runner {
        name: name.to_owned(),
        program: stampede.to_owned(),
        words: [&["load", url, "-c", &connections, "-d", &time, "--no-thresholds", "--quiet", "--threads", "1"], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    };
    let mut runners = Vec::new();
    if help.contains("--transport") {
        runners.push(ours("stampede load --transport raw", &["--transport", "raw"]));
        runners.push(ours("stampede load --transport hyper", &["--transport", "hyper"]));
    } else {
        runners.push(ours("stampede load", &[]));
    }
    if help.contains("--http2") {
        runners.push(ours("stampede load --http2", &["--http2"]));
    }
    for peer in Peer::ALL {
        let Some(program) = peer.find(&bench.target) else {
            say(&format!("{} is not installed; hint: {}", peer.name(), peer.hint()))?;
            continue;
        };
        let load = Load { url, connections: bench.connections, seconds: bench.seconds, rate_per_s: None };
        runners.push(Runner { name: peer.name().to_owned(), program, words: peer.words(&bench.target, load)? });
    }
    Ok(runners)
}

/// Runs one program to its end. What the server counted is what it did, what its process cost is what it cost.
fn measure(runner: &Runner, server: &mut NullServer) -> Result<Cost> {
    let (requests_before, cpu_before, started) = (server.requests()?, cpu_of_children()?, Instant::now());
    let output = pinned(Core::Generator, &runner.program).args(&runner.words).output();
    let output = output.with_context(|| format!("run {}", runner.name))?;
    let elapsed = started.elapsed();
    let cpu = cpu_of_children()?.saturating_sub(cpu_before);
    let requests = server.requests()? - requests_before;
    // 5: the generator says that its figures were not to be trusted on so busy a machine; its cost is its cost.
    if requests == 0 || !matches!(output.status.code(), Some(0 | 5)) {
        let text = [output.stdout, output.stderr].concat();
        bail!("{} ended with {}: {}", runner.name, output.status, String::from_utf8_lossy(&text));
    }
    Ok(Cost { cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64, per_second: requests as f64 / elapsed.as_secs_f64() })
}

fn table(bench: &Bench, runners: &[Runner], costs: &[Vec<Cost>]) -> Result<()> {
    let Bench { rounds, seconds, connections, .. } = bench;
    let cpu_of = |name: &str| {
        let place = runners.iter().position(|runner| runner.name == name)?;
        Some(middle(&costs[place], |cost| cost.cpu_us).0)
    };
    let (wrk, oha) = (cpu_of(Peer::Wrk.name()), cpu_of(Peer::Oha.name()));
    say("")?;
    say(&format!(
        "{rounds} rounds of {seconds} s each, {connections} connections, start and end of each program included; median (lowest..highest)"
    ))?;
    say(&format!("{:<32}{:>28}{:>26}{:>9}{:>9}", "", "CPU per request, µs", "requests/s", "to wrk", "to oha"))?;
    for (runner, costs) in runners.iter().zip(costs) {
        let (cpu, cpu_low, cpu_high) = middle(costs, |cost| cost.cpu_us);
        let (rate, rate_low, rate_high) = middle(costs, |cost| cost.per_second);
        let ratio = |to: Option<f64>| to.map_or_else(|| "-".to_owned(), |to| format!("{:.2}x", cpu / to));
        say(&format!(
            "{:<32}{:>28}{:>26}{:>9}{:>9}",
            runner.name,
            format!("{cpu:.2} ({cpu_low:.2}..{cpu_high:.2})"),
            format!("{rate:.0} ({rate_low:.0}..{rate_high:.0})"),
            ratio(wrk),
            ratio(oha)
        ))?;
    }
    say("targets: raw at most 0.90x of wrk; hyper with every statistic at most 0.85x of oha")
}

/// Median, lowest, highest.
fn middle(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> (f64, f64, f64) {
    let mut figures: Vec<f64> = costs.iter().map(figure).collect();
    figures.sort_unstable_by(f64::total_cmp);
    let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
    (at(figures.len() / 2), at(0), at(figures.len().saturating_sub(1)))
}

/// How late requests leave on a schedule.
fn lag(bench: &Bench, stampede: &Path, url: &str) -> Result<()> {
    let file = bench.target.join("peers").join("open.json");
    std::fs::create_dir_all(bench.target.join("peers"))?;
    let (rate, time) = (RATE_PER_S.to_string(), format!("{}s", bench.seconds));
    let mut lags = Vec::new();
    for _ in 0..bench.rounds {
        let words = ["load", url, "-R", &rate, "-d", &time, "--no-thresholds", "--quiet", "--threads", "1", "-o"];
        let output = pinned(Core::Generator, stampede).args(words).arg(&file).output().context("run stampede")?;
        if !matches!(output.status.code(), Some(0 | 5)) {
            bail!("stampede load -R failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut run: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let lag: Histogram = serde_json::from_value(run["result"]["health"]["lag"].take()).context("the lag")?;
        let us = |share| lag.quantile(share).map_or(f64::NAN, |figure| figure.ns as f64 / 1e3);
        lags.push((us(0.5), us(0.99)));
    }
    let show = |of: fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = lags.iter().map(of).collect();
        all.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| all.get(place).copied().unwrap_or(f64::NAN);
        format!("{:.0} µs ({:.0}..{:.0})", at(all.len() / 2), at(0), at(all.len().saturating_sub(1)))
    };
    say(&format!(
        "open loop, {RATE_PER_S}/s: requests leave late by {} p50, {} p99; target: p50 below 100 µs",
        show(|lag| lag.0),
        show(|lag| lag.1)
    ))
}

/// Resident memory of one open run, early and late.
fn memory(stampede: &Path, url: &str, seconds: u32) -> Result<()> {
    let (rate, time) = (RATE_PER_S.to_string(), format!("{}s", seconds + 2));
    let words = ["load", url, "-R", &rate, "-d", &time, "--no-thresholds", "--quiet", "--threads", "1"];
    let mut process = pinned(Core::Generator, stampede)
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("run stampede")?;
    let started = Instant::now();
    let read = |at: Duration| -> Result<u64> {
        sleep(at.saturating_sub(started.elapsed()));
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        resident_kib(&status).context("the run ended early")
    };
    let whole = Duration::from_secs(seconds.into());
    let figures = read(whole / 10).and_then(|early| Ok((early, read(whole)?)));
    // Whatever the figures say, the run is ended and not left behind.
    process.kill().ok();
    process.wait().ok();
    let (early, late) = figures?;
    say(&format!(
        "memory: {:.2} MiB after {} s, {:.2} MiB after {seconds} s of {RATE_PER_S}/s ({:+.2} MiB); target: within 1 MiB",
        early as f64 / 1024.0,
        seconds / 10,
        late as f64 / 1024.0,
        (late as f64 - early as f64) / 1024.0
    ))
}

fn resident_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_has_its_range() {
        let costs = [9.0, 1.0, 5.0].map(|cpu_us| Cost { cpu_us, per_second: 2.0 });
        assert_eq!(middle(&costs, |cost| cost.cpu_us), (5.0, 1.0, 9.0));
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(resident_kib("VmHWM:\t  99 kB\nVmRSS:\t  16588 kB\n"), Some(16_588));
        assert_eq!(resident_kib("State: Z (zombie)\n"), None);
    }
}
