//! The queue in Redis, shared by all processes.
//!
//! Keys, all in one database and, with a tag, in one slot of a cluster: the lists `queue:high`, `queue:default`, `queue:low`
//! hold the ids of the ready jobs in no order, each job's place being kept in `jobq:slots` so that any can be taken out at
//! once; `jobq:order:*` (ZSET) is the order in which they leave, `jobq:newest` (HASH) and `jobq:meta` (HASH) what
//! [`line`](super::line) needs for it, `jobq:since:*` (ZSET) since when they are ready; `jobq:jobs`, `jobq:tries` (HASH) what
//! they are and suffered; `jobq:delayed`, `jobq:leases`, `jobq:dead` (ZSET by time) the others, `jobq:tokens` and
//! `jobq:reasons` (HASH) what belongs to them; `jobq:claim:*` the last answers to claims, for as long as a lease; `jobq:unique` (HASH) the unique keys; `jobq:seq` and `jobq:epoch` mint.
//!
//! Invariants: each change is one script; every key is bounded by the number of jobs, and that by `JOBS_MAX`; no script looks
//! through a key, but a replay of a kind (through the dead letters) and the repair of a list that somebody else has changed.
//! The server must not evict (`maxmemory-policy noeviction`).

mod keys;
mod places;
mod reply;
mod scripts;
mod subscriber;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use redis::FromRedisValue;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::keys::Keys;
use self::places::{Answer, Places};
use self::reply::unexpected;
use self::scripts::Scripts;
use self::subscriber::Bell;
use super::backend::{Claim, Flow, Heard, QueueBackend, Which};
use super::bounds::{ClaimCount, LeaseTtl};
use super::counts::QueueCounts;
use super::job::{Job, Priority, Queues};
use super::outcome::{DeadLetter, Enqueued, FailOutcome, Lease, Replayed, Verdict};
use super::state::DELAY_MAX_MS;
use crate::epochs::Epochs;
use crate::error::CoordError;
use crate::link::{Link, NamedScript};
use crate::lock::EpochSource;
use crate::settings::RedisSettings;
use crate::subscription;

/// How often a claim may ask for a new epoch before it fails.
const MAX_EPOCH_RENEWALS: usize = 3;
/// Later than any job's time, and still exact as a score.
const TIME_MAX_MS: u64 = 1 << 52;

/// This back end: a connection for calls, and a task that listens.
pub(crate) struct RedisQueue {
    link: Link,
    scripts: Scripts,
    keys: Keys,
    epochs: Epochs,
    places: Places,
    bell: Arc<Notify>,
    _stop_on_drop: DropGuard,
}

impl RedisQueue {
    /// Must be called within a tokio runtime. Does not wait for Redis.
    pub(crate) fn open(settings: &RedisSettings, epochs: Arc<dyn EpochSource>) -> Result<Self, CoordError> {
        let endpoint = settings.endpoint(settings.queue_db());
        let keys = Keys::new(settings.queue_tag(), settings.queue_db());
        let listened = endpoint.clone();
        let (bell, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let (waker, channel, connect_timeout) =
            (Bell(Arc::clone(&bell)), keys.channel.clone(), settings.connect_timeout);
        let stopped = stop.clone();
        tokio::spawn(async move {
            let listening = subscription::listen_for_ever(&listened, connect_timeout, &channel, &waker);
            stopped.run_until_cancelled(listening).await;
        });
        Ok(Self {
            link: Link::open(endpoint, settings.connect_timeout, settings.queue_timeout)?,
            scripts: Scripts::new(),
            epochs: Epochs::new(epochs, keys.of_fences()),
            keys,
            places: Places::default(),
            bell,
            _stop_on_drop: stop.drop_guard(),
        })
    }

    async fn call<T: FromRedisValue>(&self, script: &NamedScript, rest: &[&str]) -> Result<T, CoordError> {
        self.call_with(script, &self.keys.all(), rest).await
    }

    async fn call_with<T: FromRedisValue>(
        &self,
        script: &NamedScript,
        keys: &[&str],
        rest: &[&str],
    ) -> Result<T, CoordError> {
        let floor = self.epochs.floor().to_string();
        let mut args = vec![self.keys.channel.as_str(), &floor];
        args.extend_from_slice(rest);
        self.link.run(script, keys, &args).await
    }

    /// Calls a script that compares the lease's token first.
    async fn speak(
        &self,
        script: &NamedScript,
        lease: &Lease,
        rest: &[&str],
    ) -> Result<Heard<(String, u64)>, CoordError> {
        let fence = lease.fence.to_string();
        let mut args = vec![lease.id.as_str(), fence.as_str()];
        args.extend_from_slice(rest);
        let answer: (String, u64) = self.call(script, &args).await?;
        Ok(if answer.0 == "LOST" { Heard::Lost } else { Heard::Yes(answer) })
    }

    async fn claim_now(&self, queues: Queues, count: ClaimCount, ttl: LeaseTtl) -> Result<Claim, CoordError> {
        let Some(place) = self.places.take() else { return self.claim_as(None, queues, (count, ttl)).await };
        let (key, number) = (self.keys.of_claim(place.index), place.number.to_string());
        let claimed = self.claim_as(Some((key.as_str(), number.as_str())), queues, (count, ttl)).await;
        let is_lost = claimed.as_ref().is_err_and(CoordError::is_unreachable);
        self.places.leave(place, if is_lost { Answer::Lost } else { Answer::Heard });
        claimed
    }

    async fn claim_as(
        &self,
        place: Option<(&str, &str)>,
        queues: Queues,
        (count, ttl): (ClaimCount, LeaseTtl),
    ) -> Result<Claim, CoordError> {
        type Told = (String, i64, Vec<Vec<String>>);
        let mut keys = self.keys.all();
        keys.extend(place.map(|(key, _)| key));
        let number = place.map_or("", |(_, number)| number);
        let (count, ttl_ms, queues) = (count.get().to_string(), ttl.as_millis().to_string(), queues.to_string());
        for _ in 0..MAX_EPOCH_RENEWALS {
            let floor = self.epochs.floor();
            let (word, next_ms, rows): Told =
                self.call_with(&self.scripts.claim, &keys, &[&count, &ttl_ms, &queues, number]).await?;
            if let Some(run_id) = word.strip_prefix("EPOCH:") {
                self.epochs.renew(&self.link, floor, run_id).await?;
                continue;
            }
            let mut jobs = Vec::with_capacity(rows.len());
            for row in &rows {
                match reply::claimed(row) {
                    Some(job) => jobs.push(job),
                    None => self.park(row).await?,
                }
            }
            if let Some(job) = jobs.last() {
                self.epochs.saw(job.lease.fence);
            }
            return Ok(Claim { jobs, next_ms: u64::try_from(next_ms).ok() });
        }
        Err(CoordError::Epoch("Redis lost its epoch again and again".into()))
    }

    /// Makes a dead letter of a claimed job whose record this program cannot read, so that it spoils no claim but this one.
    async fn park(&self, row: &[String]) -> Result<(), CoordError> {
        let [id, fence, ..] = row else { return Err(unexpected("claim", &row)) };
        tracing::error!(job = %id, "a job's record cannot be read; it is parked as a dead letter");
        let args = [id.as_str(), fence, "POISON", "0", "its record cannot be read"];
        let _answer: (String, u64) = self.call(&self.scripts.fail, &args).await?;
        Ok(())
    }
}

/// Keeps the answer of a script that says no more than that it heard.
fn heard<T>(answer: Heard<(String, u64)>, read: impl FnOnce(&str, u64) -> Option<T>) -> Result<Heard<T>, CoordError> {
    match answer {
        Heard::Lost => Ok(Heard::Lost),
        Heard::Yes((word, number)) => {
            read(&word, number).map(Heard::Yes).ok_or_else(|| unexpected("lease", &(word, number)))
        }
    }
}

impl QueueBackend for RedisQueue {
    fn enqueue<'a>(&'a self, jobs: &'a [Job]) -> BoxFuture<'a, Result<Vec<Enqueued>, CoordError>> {
        async move {
            let mut args = Vec::with_capacity(9 * jobs.len());
            for job in jobs {
                args.extend([job.id.to_string(), job.not_before_ms.min(TIME_MAX_MS).to_string()]);
                args.extend([job.tenant.to_string(), job.priority.as_str().to_owned(), job.kind.to_string()]);
                args.extend([job.limits.attempts_max().to_string(), job.limits.losses_max().to_string()]);
                args.extend([
                    job.unique.as_ref().map(ToString::to_string).unwrap_or_default(),
                    job.payload.as_str().to_owned(),
                ]);
            }
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let rows: Vec<(String, String)> = self.call(&self.scripts.enqueue, &args).await?;
            let outcomes: Option<Vec<_>> = rows.iter().map(reply::enqueued).collect();
            let outcomes = outcomes.filter(|outcomes| outcomes.len() == jobs.len());
            outcomes.ok_or_else(|| unexpected("enqueue", &rows))
        }
        .boxed()
    }

    fn claim(&self, queues: Queues, count: ClaimCount, ttl: LeaseTtl) -> BoxFuture<'_, Result<Claim, CoordError>> {
        self.claim_now(queues, count, ttl).boxed()
    }

    fn heartbeat<'a>(&'a self, lease: &'a Lease, ttl: LeaseTtl) -> BoxFuture<'a, Result<Heard<u64>, CoordError>> {
        async move {
            let ttl_ms = ttl.as_millis().to_string();
            let answer = self.speak(&self.scripts.heartbeat, lease, &[&ttl_ms]).await?;
            heard(answer, |word, until_ms| (word == "HELD").then_some(until_ms))
        }
        .boxed()
    }

    fn complete<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Heard<()>, CoordError>> {
        async move {
            let answer = self.speak(&self.scripts.complete, lease, &[]).await?;
            heard(answer, |word, _| (word == "DONE").then_some(()))
        }
        .boxed()
    }

    fn fail<'a>(
        &'a self,
        lease: &'a Lease,
        verdict: &'a Verdict,
    ) -> BoxFuture<'a, Result<Heard<FailOutcome>, CoordError>> {
        async move {
            let (word, delay_ms, reason) = match verdict {
                Verdict::Retry { delay_ms, reason } => ("RETRY", *delay_ms, reason.as_str()),
                Verdict::PutOff { delay_ms } => ("PUT_OFF", *delay_ms, ""),
                Verdict::Poison { reason } => ("POISON", 0, reason.as_str()),
            };
            let delay_ms = delay_ms.min(DELAY_MAX_MS).to_string();
            let answer = self.speak(&self.scripts.fail, lease, &[word, &delay_ms, reason]).await?;
            heard(answer, |word, _| match word {
                "RETRIED" => Some(FailOutcome::Retried),
                "DEAD" => Some(FailOutcome::Dead),
                _ => None,
            })
        }
        .boxed()
    }

    fn give_back<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Heard<()>, CoordError>> {
        async move {
            let answer = self.speak(&self.scripts.give_back, lease, &[]).await?;
            heard(answer, |word, _| (word == "READY").then_some(()))
        }
        .boxed()
    }

    fn dead_letters(&self) -> BoxFuture<'_, Result<Vec<DeadLetter>, CoordError>> {
        async move {
            let rows: Vec<Vec<String>> = self.call(&self.scripts.dead_letters, &[]).await?;
            // One that cannot be read hides no other.
            Ok(rows.iter().filter_map(|row| reply::dead_letter(row)).collect())
        }
        .boxed()
    }

    fn replay<'a>(&'a self, which: &'a Which) -> BoxFuture<'a, Result<Replayed, CoordError>> {
        async move {
            let args = match which {
                Which::One(id) => ["ONE", id.as_str()],
                Which::OfKind(kind) => ["KIND", kind.as_str()],
            };
            let (replayed, not_unique) = self.call(&self.scripts.replay, &args).await?;
            Ok(Replayed { replayed, not_unique })
        }
        .boxed()
    }

    fn set_flow(&self, priority: Priority, flow: Flow) -> BoxFuture<'_, Result<(), CoordError>> {
        async move {
            let word = match flow {
                Flow::Open => "OPEN",
                Flow::Paused => "PAUSED",
            };
            let _zero: u64 = self.call(&self.scripts.flow, &[priority.as_str(), word]).await?;
            Ok(())
        }
        .boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<QueueCounts, CoordError>> {
        async move {
            let numbers: Vec<i64> = self.call(&self.scripts.counts, &[]).await?;
            reply::counts(&numbers).ok_or_else(|| unexpected("counts", &numbers))
        }
        .boxed()
    }

    fn incarnation(&self) -> BoxFuture<'_, Result<String, CoordError>> {
        async move {
            let name = format!("{:016x}", rand::random::<u64>());
            self.call(&self.scripts.incarnation, &[&name]).await
        }
        .boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>> {
        self.link.ping().boxed()
    }

    fn called(&self) -> BoxFuture<'_, ()> {
        self.bell.notified().boxed()
    }

    fn call_another(&self) {
        self.bell.notify_one();
    }
}
