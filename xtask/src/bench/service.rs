//! The service under measurement: `kv-erp api` on a durable private PostgreSQL, and the load on it by `stampede load`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sandbox::{Login, Postgres, PostgresOptions, ProcessSpec, Supervised, testing};
use serde_json::Value;

use super::{Bench, Figure};

pub(super) const DATABASE: &str = "kv_saas_erp";
pub(super) const APP_PASSWORD: &str = "bench-app-password";
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running service with one tenant, whose token is not limited in practice.
pub(crate) struct Service {
    pub(crate) postgres: Postgres,
    /// The service's URL.
    pub(crate) url: String,
    /// A caller's token.
    pub(crate) token: String,
    /// Its process.
    pub(crate) process: Supervised,
}

impl Service {
    pub(crate) async fn start(bench: &Bench) -> Result<Self> {
        Self::start_with(bench, &[]).await
    }

    /// The same with further arguments for `kv-erp api`.
    pub(crate) async fn start_with(bench: &Bench, more: &[String]) -> Result<Self> {
        // For as many clients of pgbench as may be asked for, beside the service's and the workers' own.
        let options = PostgresOptions::default().setting("max_connections", "1200");
        let postgres = Postgres::start(options).await?;
        postgres.connect("postgres").await?.batch_execute(&format!("create database {DATABASE}")).await?;
        let program = bench.program("kv-erp");
        let token = provision(&program, &postgres)?;
        let url = format!("http://127.0.0.1:{}", sandbox::free_port()?);
        let app = postgres.url_for(DATABASE, Login::Role { name: "kv_app", password: APP_PASSWORD });
        let spec = ProcessSpec::new(program)
            .args(["api", "--log", "warn", "--listen", url.trim_start_matches("http://")])
            .args(more)
            .env("KV_DATABASE_URL", app)
            .log(postgres.folder().join("kv-erp.log"));
        let process = Supervised::spawn(spec)?;
        let service = Self { postgres, url, token, process };
        let ready = format!("{}/readyz", service.url);
        testing::eventually(READY_WITHIN, async || curl(&["--fail", &ready]).map(drop)).await;
        Ok(service)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Calls the service once and gives its JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (authorization, url) = (self.authorization(), format!("{}{path}", self.url));
        let body = body.to_string();
        let headers = ["--header", &authorization, "--header", "content-type: application/json"];
        let mut args = vec!["--fail-with-body", "--data", &body, &url];
        args.extend(headers);
        Ok(serde_json::from_slice(&curl(&args)?)?)
    }

    /// What one GET answers.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>> {
        curl(&["--fail", "--header", &self.authorization(), &format!("{}{path}", self.url)])
    }

    pub(crate) fn authorization(&self) -> String {
        format!("authorization: Bearer {}", self.token)
    }
}

/// Roles, schema, one tenant, one account and its token.
fn provision(program: &Path, postgres: &Postgres) -> Result<String> {
    let secret = postgres.folder().join("app-password");
    std::fs::write(&secret, APP_PASSWORD).context("write the service role's password")?;
    let superuser = postgres.url_for(DATABASE, Login::Superuser);
    let run = |args: &[&str]| -> Result<String> {
        let output = Command::new(program).args(args).env("KV_ADMIN_DATABASE_URL", &superuser).output()?;
        if !output.status.success() {
            bail!("kv-erp {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    run(&["migrate", "--app-password-file", &secret.to_string_lossy()])?;
    run(&["admin", "create-tenant", "--slug", "bench", "--name", "Bench"])?;
    let email = "load@bench.example";
    let limit = ["--role", "manager", "--rate-limit-per-minute", "1000000000"];
    run(&[&["admin", "create-user", "--tenant", "bench", "--email", email][..], &limit].concat())?;
    run(&["admin", "create-token", "--email", email])
}

/// Closed-loop load by the bench's own generator; every request must succeed.
pub(crate) fn load(bench: &Bench, results: &Path, args: &[&str]) -> Result<Figure> {
    let file: PathBuf = results.join("load.json");
    let (connections, duration) = (bench.connections.to_string(), format!("{}s", bench.seconds));
    let output = Command::new(bench.program("stampede"))
        .args(["load", "-c", &connections, "-d", &duration, "--threshold", "errors<0.01%", "-o"])
        .arg(&file)
        .args(args)
        .output()
        .context("run stampede")?;
    // 5 says that the generator shares the machine with the service; the rate is a lower bound then, and still the rate.
    if !matches!(output.status.code(), Some(0 | 5)) {
        let text = [output.stdout, output.stderr].concat();
        bail!("stampede load failed: {}", String::from_utf8_lossy(&text));
    }
    let run: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let per_second =
        run["metrics"]["requests_per_sec"].as_f64().context("no metrics.requests_per_sec in the run file")?;
    Ok(Figure { per_second, p99_ms: run["metrics"]["latency_ms"]["p99"].as_f64() })
}

pub(crate) fn curl(args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "10"]).args(args).output();
    let output = output.context("run curl; hint: apt-get install curl")?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!("curl failed: {}", String::from_utf8_lossy(&text));
    }
    Ok(output.stdout)
}
