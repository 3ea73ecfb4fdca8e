//! Replicas of the service on one PostgreSQL and one Redis, and a load generator for each of them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sandbox::{Login, ProcessSpec, Redis, RedisOptions, Supervised, testing};
use serde_json::Value;

use super::Bench;
use crate::bench::service::{APP_PASSWORD, DATABASE, Service, curl};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// The replicas; the first is the service's own process.
pub(super) struct Fleet {
    pub(super) service: Service,
    pub(super) redis: Redis,
    others: Vec<(String, Supervised)>,
}

/// What a load came to.
pub(super) struct Loaded {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    pub(super) generator_s: f64,
}

impl Fleet {
    pub(super) async fn start(bench: &Bench, replicas: usize) -> Result<Self> {
        let redis = Redis::start(RedisOptions::default()).await?;
        let shared = [format!("--redis-url={}", redis.url()), format!("--replicas={replicas}")];
        let service = Service::start_with(bench, &shared).await?;
        let mut others = Vec::new();
        for number in 1..replicas {
            let url = format!("http://127.0.0.1:{}", sandbox::free_port()?);
            let app = service.postgres.url_for(DATABASE, Login::Role { name: "kv_app", password: APP_PASSWORD });
            let spec = ProcessSpec::new(bench.program("kv-erp"))
                .args(["api", "--log", "warn", "--listen", url.trim_start_matches("http://")])
                .args(&shared)
                .env("KV_DATABASE_URL", app)
                .log(service.postgres.folder().join(format!("kv-erp-{number}.log")));
            let process = Supervised::spawn(spec)?;
            let ready = format!("{url}/readyz");
            testing::eventually(READY_WITHIN, async || curl(&["--fail", &ready]).map(drop)).await;
            others.push((url, process));
        }
        Ok(Self { service, redis, others })
    }

    /// The processes of all replicas.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.service.pid()).chain(self.others.iter().map(|(_, process)| process.pid()))
    }

    /// Loads the first `replicas`, each by a generator of its own and its share of the connections; every request must succeed.
    pub(super) fn load(
        &self,
        (bench, replicas, seconds): (&Bench, usize, u32),
        path: &str,
        body: Option<&str>,
    ) -> Result<Loaded> {
        let urls = std::iter::once(&self.service.url).chain(self.others.iter().map(|(url, _)| url)).take(replicas);
        let connections = (bench.connections as usize / replicas).max(1);
        let mut running = Vec::new();
        for (number, url) in urls.enumerate() {
            let file = self.service.postgres.folder().join(format!("load-{number}.json"));
            let mut command = Command::new(bench.program("stampede"));
            command
                .args(["load", "-c", &connections.to_string(), "-d", &format!("{seconds}s")])
                .args(["--threshold", "errors<0.01%", "-H", &self.service.authorization(), "-o"])
                .arg(&file);
            if let Some(body) = body {
                command.args(["-m", "POST", "--body", body, "-T", "application/json"]);
            }
            command.arg(format!("{url}{path}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            running.push((command.spawn().context("run stampede")?, file));
        }
        let mut all = Loaded { requests: 0, per_second: 0.0, generator_s: 0.0 };
        for (child, file) in running {
            all.add(&finished(child, &file)?)?;
        }
        Ok(all)
    }
}

fn finished(mut child: Child, file: &Path) -> Result<Value> {
    let status = child.wait().context("wait for stampede")?;
    // 5 says that the generator shares the machine with the service; what was measured is still what was measured.
    if !matches!(status.code(), Some(0 | 5)) {
        bail!("stampede load ended with {status}; see {}", file.display());
    }
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

impl Loaded {
    fn add(&mut self, run: &Value) -> Result<()> {
        let result = &run["result"];
        let number = |value: &Value| value.as_u64().context("a run file without its counts");
        self.requests += number(&result["counts"]["succeeded"])?;
        self.generator_s += number(&result["health"]["cpu_ns"])? as f64 / 1e9;
        self.per_second += run["metrics"]["requests_per_sec"].as_f64().context("a run file without a rate")?;
        Ok(())
    }
}
