//! Jobs a second from the transaction that asks for them to their end, beside a plain queue in PostgreSQL and beside what Redis does
//! with LPUSH alone.
//!
//! Ours: clients of pgbench each write one job a transaction, and two workers bring them to Redis, claim them, do them and end them; the
//! clock stops when the last is done. The plain queue: the same clients write a row a transaction, and as many take one out with
//! `FOR UPDATE SKIP LOCKED`. LPUSH writes a job's id and nothing else.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sandbox::{Login, ProcessSpec, Redis, RedisOptions, Session, Supervised, testing};

use super::pgbench::{Script, find_pgbench};
use super::service::{APP_PASSWORD, DATABASE, Service};
use super::{Bench, Figure};
use crate::say;

const WORKERS: usize = 2;
const DRAINED_WITHIN: Duration = Duration::from_mins(30);
const PUSHES: u32 = 200_000;

/// Of an order that does not exist: the job's end is all that is written.
const ENQUEUE: &str = "INSERT INTO jobs (tenant_id, id, kind, payload) VALUES (1, gen_random_uuid(), \
    'send_order_confirmation', jsonb_build_object('order_id', gen_random_uuid()));\n";
const PLAIN_TABLE: &str =
    "create table plain_queue (id bigint generated always as identity primary key, payload jsonb not null)";
const PLAIN: &str =
    "INSERT INTO plain_queue (payload) VALUES ('{\"order_id\": \"018f0000-0000-7000-8000-000000000000\"}');
DELETE FROM plain_queue WHERE id = (SELECT id FROM plain_queue ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1);
";

pub(crate) async fn run(bench: &Bench) -> Result<()> {
    let service = Service::start(bench).await?;
    let redis = Redis::start(RedisOptions::default()).await?;
    let superuser = service.postgres.connect(DATABASE).await?;
    superuser.batch_execute(PLAIN_TABLE).await?;
    let url = service.postgres.url_for(DATABASE, Login::Superuser);
    let program = find_pgbench()?;
    let enqueue = Script::write(&service.postgres, (&program, &url), ("enqueue.sql", ENQUEUE))?;
    let plain = Script::write(&service.postgres, (&program, &url), ("plain.sql", PLAIN))?;
    let workers = (0..WORKERS).map(|number| worker(bench, &service, &redis, number)).collect::<Result<Vec<_>>>()?;
    let (mut ours, mut theirs, mut pushes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=bench.rounds {
        let mine = end_to_end(&superuser, (&enqueue, bench)).await?;
        let skip_locked = Figure { per_second: plain.measure(bench)?, p99_ms: None };
        let push = push_rate(&redis, bench.connections)?;
        say(&format!(
            "round {round}: {:.0} jobs/s, plain SKIP LOCKED {:.0}/s, LPUSH {:.0}/s",
            mine.per_second, skip_locked.per_second, push.per_second
        ))?;
        ours.push(mine);
        theirs.push(skip_locked);
        pushes.push(push);
    }
    for worker in &workers {
        anyhow::ensure!(worker.is_running(), "a worker ended:\n{}", worker.log_tail(20));
    }
    let name = "a job from its transaction to its end";
    bench.report((name, &ours), ("one row with SKIP LOCKED, in and out", &theirs))?;
    bench.report((name, &ours), ("redis-benchmark, LPUSH alone", &pushes))
}

fn worker(bench: &Bench, service: &Service, redis: &Redis, number: usize) -> Result<Supervised> {
    let app = service.postgres.url_for(DATABASE, Login::Role { name: "kv_app", password: APP_PASSWORD });
    let spec = ProcessSpec::new(bench.program("kv-erp"))
        .args(["worker", "--log", "warn", "--listen", "127.0.0.1:0"])
        .env("KV_DATABASE_URL", app)
        .env("KV_REDIS_URL", redis.url())
        .log(service.postgres.folder().join(format!("worker-{number}.log")));
    Ok(Supervised::spawn(spec)?)
}

/// Writes jobs for a while and waits until the last is done.
async fn end_to_end(superuser: &Session, (enqueue, bench): (&Script, &Bench)) -> Result<Figure> {
    let before = count(superuser, "done").await?;
    let begun = Instant::now();
    enqueue.measure(bench)?;
    testing::eventually(DRAINED_WITHIN, async || {
        count(superuser, "open").await.is_ok_and(|open| open == 0).then_some(())
    })
    .await;
    let took = begun.elapsed();
    let done = count(superuser, "done").await? - before;
    anyhow::ensure!(count(superuser, "dead").await? == 0, "jobs died");
    Ok(Figure { per_second: done as f64 / took.as_secs_f64(), p99_ms: None })
}

async fn count(superuser: &Session, state: &str) -> Result<i64> {
    let row = superuser.query_one("select count(*) from jobs where state = $1 and tenant_id = 1", &[&state]).await?;
    Ok(row.try_get(0)?)
}

fn push_rate(redis: &Redis, clients: u32) -> Result<Figure> {
    let url = redis.url();
    let password = url.split_once("default:").and_then(|(_, rest)| rest.split_once('@')).map_or("", |(word, _)| word);
    let port = redis.port().context("the sandbox's Redis has no port")?.to_string();
    let (clients, pushes) = (clients.to_string(), PUSHES.to_string());
    let args = ["-p", &port, "-a", password, "-t", "lpush", "-n", &pushes, "-c", &clients, "--csv"];
    let output = Command::new("redis-benchmark").args(args).output();
    let output = output.context("run redis-benchmark; hint: apt-get install redis-tools")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("redis-benchmark failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Figure { per_second: rate(&text).with_context(|| format!("no rate in {text}"))?, p99_ms: None })
}

/// The second column of the line that begins with LPUSH.
fn rate(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("\"LPUSH"))?;
    line.split(',').nth(1)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_redis_benchmarks_own_words() {
        let text = "\"test\",\"rps\",\"avg_latency_ms\"\n\"LPUSH\",\"81234.50\",\"0.3\"\n";
        assert_eq!(rate(text), Some(81_234.5));
        assert_eq!(rate("nothing"), None);
    }
}
