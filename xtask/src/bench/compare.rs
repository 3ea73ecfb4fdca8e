//! Real pairs of runs put before the comparison: a server against itself, and against one that is 10 % slower.
//!
//! The servers draw their times log-normally (median 20 ms, sigma 0.25, a 99th percentile of 36 ms), each from a seed of its own,
//! so that two runs of the same server differ as two real ones do. The three runs of a pair go on at the same time and several
//! pairs beside each other: what disturbs the machine meets all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use stampede_model::compare::{Comparison, Options, Plans, Verdict, compare};
use stampede_model::run::RunFile;

use super::Bench;
use super::generator_server::NullServer;
use crate::say;

/// Pairs of each sort.
const PAIRS: usize = 20;
/// Pairs under way at a time, three runs each.
const AT_A_TIME: usize = 5;
const RATE_PER_S: &str = "500";
const SIGMA: &str = "0.25";
const DELAY: &str = "20ms";
const SLOWER: &str = "22ms";
/// A connection more than ever are under way: 500/s of 36 ms are 18.
const CONNECTIONS: &str = "64";

/// One run and the server it is against.
struct Run {
    load: Child,
    file: PathBuf,
    _server: NullServer,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let stampede = bench.program("stampede");
    let folder = bench.target.join("peers").join("compare");
    fs::create_dir_all(&folder)?;
    let (mut same, mut slower) = (Vec::new(), Vec::new());
    for first in (0..PAIRS).step_by(AT_A_TIME) {
        let mut pairs = Vec::new();
        for pair in first..(first + AT_A_TIME).min(PAIRS) {
            let start =
                |which: usize, delay: &str| start((&stampede, &folder), bench.seconds, (pair * 3 + which, delay));
            pairs.push([start(0, DELAY)?, start(1, DELAY)?, start(2, SLOWER)?]);
        }
        for [a, b, c] in pairs {
            let (a, b, c) = (finish(a)?, finish(b)?, finish(c)?);
            let options = Options { plans: Plans::MayDiffer, ..Options::default() };
            same.push(compare(&a, &b, &options)?);
            slower.push(compare(&a, &c, &options)?);
        }
        say(&format!("{} of {PAIRS} pairs are over", same.len()))?;
    }
    say("")?;
    say(&format!("{PAIRS} pairs of runs of {} s at {RATE_PER_S}/s, log-normal times, median {DELAY}", bench.seconds))?;
    tell("the same server", &same, Verdict::Same)?;
    tell("10 % slower", &slower, Verdict::Worse)
}

fn start((stampede, folder): (&Path, &Path), seconds: u32, (seed, delay): (usize, &str)) -> Result<Run> {
    let seed_text = (seed + 1).to_string();
    let server = NullServer::start(stampede, &["--delay", delay, "--spread", SIGMA, "--seed", &seed_text])?;
    let file = folder.join(format!("{seed}.json"));
    let load = Command::new(stampede)
        .args([
            "load",
            &server.url,
            "-R",
            RATE_PER_S,
            "-c",
            CONNECTIONS,
            "--no-thresholds",
            "--quiet",
            "--threads",
            "1",
        ])
        .args(["-d", &format!("{seconds}s"), "-o"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("run stampede")?;
    Ok(Run { load, file, _server: server })
}

fn finish(run: Run) -> Result<RunFile> {
    let output = run.load.wait_with_output().context("wait for stampede")?;
    // 5: the machine was too busy to be trusted, which the comparison says too.
    if !matches!(output.status.code(), Some(0 | 5)) {
        bail!("stampede load ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let text = fs::read(&run.file).with_context(|| format!("read {}", run.file.display()))?;
    let file: RunFile = serde_json::from_slice(&text)?;
    ensure!(file.result.counts.answered > 0, "nothing was answered");
    Ok(file)
}

fn tell(name: &str, comparisons: &[Comparison], wanted: Verdict) -> Result<()> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for comparison in comparisons {
        *counts.entry(format!("{:?}", comparison.verdict)).or_default() += 1;
    }
    let right = comparisons.iter().filter(|comparison| comparison.verdict == wanted).count();
    say(&format!("{name:<18}{right} of {PAIRS} {wanted:?} (all: {counts:?}); target: at least {}", PAIRS - 1))
}
