//! One frozen server before several load generators: who sees it, and who reports that all was well.
//!
//! The server stands still for 2 s of 10 s. Asked for 1,000/s, a fifth of all requests should have waited, and the 99th
//! percentile is about 1.9 s. Each generator meets a fresh server that freezes 4 s after its first request.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bench;
use super::generator_server::NullServer;
use super::peers::{Core, Load, Peer, Said, pinned};
use crate::say;

const SECONDS: u32 = 10;
const CONNECTIONS: u32 = 50;
const RATE_PER_S: u32 = 1_000;
const FREEZE: [&str; 4] = ["--freeze-after", "4s", "--freeze-for", "2s"];
/// What "p99 < 1 s" would have to say.
const LIMIT_MS: f64 = 1_000.0;

pub(crate) fn run(bench: &Bench) -> Result<()> {
    let stampede = bench.program("stampede");
    say(&format!(
        "a server that stands still for 2 s of {SECONDS} s; {CONNECTIONS} connections, {RATE_PER_S}/s where a rate can be asked for"
    ))?;
    say(&format!("{:<44}{:>12}{:>12}  \"p99 < 1 s\"", "", "p90", "p99"))?;
    let file = bench.target.join("peers").join("stall.json");
    std::fs::create_dir_all(bench.target.join("peers"))?;
    let rate = RATE_PER_S.to_string();
    let open = ours(&stampede, &file, &["-R", &rate])?;
    row("stampede load -R, from the intended start", said(&open, "latency_ms"))?;
    row("the same run, from the send", said(&open, "service_ms"))?;
    row("stampede load, closed loop", said(&ours(&stampede, &file, &[])?, "service_ms"))?;
    for peer in Peer::ALL {
        if peer == Peer::Locust {
            continue;
        }
        let Some(program) = peer.find(&bench.target) else {
            say(&format!("{:<44}not installed; hint: {}", peer.name(), peer.hint()))?;
            continue;
        };
        let server = NullServer::start(&stampede, &FREEZE)?;
        let load = Load { url: &server.url, connections: CONNECTIONS, seconds: SECONDS, rate_per_s: Some(RATE_PER_S) };
        let output = pinned(Core::Generator, &program).args(peer.words(&bench.target, load)?).output();
        let output = output.with_context(|| format!("run {}", peer.name()))?;
        let name = if peer.takes_a_rate() { format!("{} -q", peer.name()) } else { peer.name().to_owned() };
        row(&name, peer.read(&String::from_utf8_lossy(&output.stdout)))?;
    }
    say("target: stampede's p99 from the intended start is 1.7 to 2.0 s")
}

/// The run file's `metrics` of a run of ours against a fresh server.
fn ours(stampede: &Path, file: &Path, more: &[&str]) -> Result<Value> {
    let server = NullServer::start(stampede, &FREEZE)?;
    let (connections, time) = (CONNECTIONS.to_string(), format!("{SECONDS}s"));
    let output = pinned(Core::Generator, stampede)
        .args(["load", &server.url, "-c", &connections, "-d", &time, "--no-thresholds", "--quiet", "-o"])
        .arg(file)
        .args(more)
        .output()
        .context("run stampede")?;
    if !matches!(output.status.code(), Some(0 | 5)) {
        bail!("stampede load failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut run: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    Ok(run["metrics"].take())
}

fn said(metrics: &Value, which: &str) -> Said {
    Said { p90_ms: metrics[which]["p90"].as_f64(), p99_ms: metrics[which]["p99"].as_f64() }
}

fn row(name: &str, said: Said) -> Result<()> {
    say(&line(name, said))
}

fn line(name: &str, Said { p90_ms, p99_ms }: Said) -> String {
    let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
    let verdict = match p99_ms {
        None => "not said",
        Some(p99) if p99 < LIMIT_MS => "passes, wrong",
        Some(_) => "fails, right",
    };
    format!("{name:<44}{:>12}{:>12}  {verdict}", ms(p90_ms), ms(p99_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hides_the_stall_is_wrong() {
        let with = |p99_ms| line("x", Said { p90_ms: Some(2.5), p99_ms });
        assert!(with(Some(15.0)).ends_with("2.5 ms     15.0 ms  passes, wrong"), "{}", with(Some(15.0)));
        assert!(with(Some(1_916.0)).ends_with("1916.0 ms  fails, right"));
        assert!(with(None).ends_with("not said"));
    }
}
