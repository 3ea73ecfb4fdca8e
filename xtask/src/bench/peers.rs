//! The other load generators: where they are, how each is asked for the same load, how their words are read.
//!
//! Invariant: what a program did is counted by the server, never taken from the program; only latencies are its own words.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::say;

/// A load generator that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Wrk,
    Ab,
    Hey,
    Oha,
    Locust,
}

/// What is asked of a generator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    pub(super) url: &'a str,
    pub(super) connections: u32,
    pub(super) seconds: u32,
    /// Requests per second over all connections, for those who can be told.
    pub(super) rate_per_s: Option<u32>,
}

/// What a generator says of its latencies, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) p90_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

/// ab keeps 40 bytes for each request it may send, so it is told a number that it cannot reach and that fits memory.
const AB_PER_S: u32 = 150_000;

const LOCUSTFILE: &str = "\
from locust import FastHttpUser, task


class User(FastHttpUser):
    @task
    def get(self):
        self.client.get('/')
";

impl Peer {
    pub(super) const ALL: [Self; 5] = [Self::Wrk, Self::Ab, Self::Hey, Self::Oha, Self::Locust];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk -t1",
            Self::Ab => "ab -k",
            Self::Hey => "hey",
            Self::Oha => "oha",
            Self::Locust => "locust, FastHttpUser",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Ab => "ab",
            Self::Hey => "hey",
            Self::Oha => "oha",
            Self::Locust => "locust",
        }
    }

    /// How to get it.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Wrk => "apt-get install wrk",
            Self::Ab => "apt-get install apache2-utils",
            Self::Hey => "apt-get install hey",
            Self::Oha | Self::Locust => "cargo xtask bench generator --install-peers",
        }
    }

    /// Where it is: installed for these benchmarks, or on PATH.
    pub(super) fn find(self, target: &Path) -> Option<PathBuf> {
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let own = [oha_root(target).join("bin"), venv(target).join("bin")];
        let folders = own.into_iter().chain(std::env::split_paths(&on_path));
        folders.map(|folder| folder.join(self.program())).find(|program| program.is_file())
    }

    /// Its words for this load.
    pub(super) fn words(self, target: &Path, load: Load<'_>) -> Result<Vec<String>> {
        let Load { url, connections, seconds, rate_per_s } = load;
        let (connections_text, time) = (connections.to_string(), format!("{seconds}s"));
        let mut words: Vec<String> = match self {
            Self::Wrk => vec!["-t1", "--latency", "-c", &connections_text, "-d", &time, url],
            Self::Ab => {
                let most = (seconds * AB_PER_S).to_string();
                let seconds = seconds.to_string();
                return Ok(owned(&["-k", "-q", "-c", &connections_text, "-t", &seconds, "-n", &most, url]));
            }
            Self::Hey => vec!["-c", &connections_text, "-z", &time, url],
            Self::Oha => vec!["--no-tui", "--output-format", "json", "-c", &connections_text, "-z", &time, url],
            Self::Locust => {
                let file = target.join("peers").join("locustfile.py");
                std::fs::create_dir_all(target.join("peers"))?;
                std::fs::write(&file, LOCUSTFILE).context("write Locust's file")?;
                let file = file.to_string_lossy();
                let users = ["--users", &connections_text, "--spawn-rate", &connections_text];
                let rest = ["--headless", "--only-summary", "--run-time", &time, "--host", url.trim_end_matches('/')];
                return Ok(owned(&[&["-f", &file][..], &users, &rest].concat()));
            }
        }
        .into_iter()
        .map(str::to_owned)
        .collect();
        let asked = match (self, rate_per_s) {
            // Its rate is for each connection.
            (Self::Hey, Some(rate)) => Some((rate / connections).max(1)),
            (Self::Oha, Some(rate)) => Some(rate),
            _ => None,
        };
        if let Some(rate) = asked {
            words.splice(0..0, ["-q".to_owned(), rate.to_string()]);
        }
        Ok(words)
    }

    /// Whether it can be told a rate.
    pub(super) const fn takes_a_rate(self) -> bool {
        matches!(self, Self::Hey | Self::Oha)
    }

    /// Its latencies in its own words.
    pub(super) fn read(self, output: &str) -> Said {
        let both = |percentile: &dyn Fn(u32) -> Option<f64>| Said { p90_ms: percentile(90), p99_ms: percentile(99) };
        match self {
            Self::Wrk => both(&|of| find_ms(output, &format!("{of}%"), "")),
            Self::Ab => both(&|of| find_ms(output, &format!("{of}%"), "ms")),
            Self::Hey => both(&|of| {
                find_ms(output, &format!("{of}%% in"), "s").or_else(|| find_ms(output, &format!("{of}% in"), "s"))
            }),
            Self::Oha => {
                let json: Value = serde_json::from_str(output).unwrap_or_default();
                both(&|of| Some(json["latencyPercentiles"][format!("p{of}")].as_f64()? * 1e3))
            }
            Self::Locust => Said::default(),
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The number after `label` at the beginning of a line, in milliseconds; `unit` is what it is in when it does not say so.
fn find_ms(output: &str, label: &str, unit: &str) -> Option<f64> {
    let word = output.lines().find_map(|line| line.trim().strip_prefix(label)?.split_whitespace().next())?;
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (number, own_unit) = word.split_at(digits);
    let ms = match if own_unit.is_empty() { unit } else { own_unit } {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * ms)
}

fn oha_root(target: &Path) -> PathBuf {
    target.join("peers").join("oha")
}

fn venv(target: &Path) -> PathBuf {
    target.join("peers").join("venv")
}

/// Installs what Debian does not have into the target folder.
pub(super) fn install(target: &Path) -> Result<()> {
    if Peer::Oha.find(target).is_none() {
        say("installing oha (some minutes)")?;
        let root = oha_root(target);
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        run(Command::new(cargo).args(["install", "--locked", "oha", "--root"]).arg(root))?;
    }
    if Peer::Locust.find(target).is_none() {
        say("installing Locust")?;
        let venv = venv(target);
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        run(Command::new(venv.join("bin").join("pip")).args(["install", "--quiet", "locust"]))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed", command.get_program().display());
    }
    Ok(())
}

/// Which cores a program gets: the server the first, every generator the second, so that none gains by where it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Core {
    Server,
    Generator,
}

/// A command on its core; on whatever cores there are when the machine has one only.
pub(super) fn pinned(core: Core, program: &Path) -> Command {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("-c").arg(if core == Core::Server { "0" } else { "1" }).arg(program);
    command
}

/// CPU time of the children that have ended, in the system's ticks of 10 ms.
pub(super) fn cpu_of_children() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let ticks = children_ticks(&stat).with_context(|| format!("/proc/self/stat says {stat:?}"))?;
    Ok(Duration::from_millis(ticks * 10))
}

fn children_ticks(stat: &str) -> Option<u64> {
    // The name may hold spaces and parentheses; what follows the last one is field 3 and on.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    Some(fields.get(13)?.parse::<u64>().ok()? + fields.get(14)?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ones_own_words_are_read() {
        let said = |p90, p99| Said { p90_ms: Some(p90), p99_ms: Some(p99) };
        let wrk =
            "  Latency Distribution\n     50%    1.05ms\n     90%    900.00us\n     99%    1.88s \n  Requests/sec: 5\n";
        assert_eq!(Peer::Wrk.read(wrk), said(0.9, 1_880.0));
        let ab = "  50%      1\n  90%      9\n  99%     15\n 100%   2003 (longest request)\n";
        assert_eq!(Peer::Ab.read(ab), said(9.0, 15.0));
        assert_eq!(Peer::Hey.read("  90% in 0.0080 secs\n  99% in 0.0150 secs\n"), said(8.0, 15.0));
        assert_eq!(Peer::Hey.read("  90%% in 0.0080 secs\n  99%% in 0.0150 secs\n"), said(8.0, 15.0));
        assert_eq!(Peer::Oha.read(r#"{"latencyPercentiles":{"p90":0.5,"p99":1.25}}"#), said(500.0, 1_250.0));
        assert_eq!(Peer::Wrk.read("nothing"), Said::default());
    }

    #[test]
    fn a_rate_is_divided_among_heys_connections() {
        let load = Load { url: "http://x/", connections: 50, seconds: 10, rate_per_s: Some(1_000) };
        let words = |peer: Peer| peer.words(Path::new("/nowhere"), load).unwrap().join(" ");
        assert_eq!(words(Peer::Hey), "-q 20 -c 50 -z 10s http://x/");
        assert!(words(Peer::Oha).starts_with("-q 1000 "));
        assert_eq!(words(Peer::Ab), "-k -q -c 50 -t 10 -n 1500000 http://x/");
    }

    #[test]
    fn the_childrens_time_is_behind_the_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 0 0 0 0 11 22 33 44 20 0 1 0";
        assert_eq!(children_ticks(stat), Some(77));
        assert_eq!(children_ticks("nonsense"), None);
    }
}
