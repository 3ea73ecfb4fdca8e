//! Locks: wait, hold, use, outlive the lease, give back, and try to give back what is another's.

use std::io::Write;
use std::time::Duration;

use rand::RngExt as _;
use serde_json::Value;
use stampede_model::history::Fields;
use stampede_model::target::Scope;
use tokio::time::sleep;

use super::super::WorkloadError;
use super::super::client::{Client, Done, Intent};

/// Lease when the workload names none.
const TTL_MS: i64 = 400;
/// Longest wait for a lock.
const MAX_WAIT_MS: i64 = 300;
/// Longest time a lock is held without being used.
const MAX_HOLD_US: u64 = 3_000;
/// How late at most a holder that fell asleep wakes up after its lease: while the next one has just begun.
const MAX_LATE_US: u64 = 6_000;
/// What a former holder does before it sees that it is one.
const LATE_ACTS: u32 = 4;

#[derive(Clone, Debug)]
struct Held {
    object: usize,
    key: String,
    token: Value,
    fence: Option<Value>,
    /// When its lease is over at the latest, on the history's clock.
    until_ns: u64,
}

/// What a client holds, or held.
#[derive(Debug, Default)]
pub(in super::super) struct Exclusion {
    held: Option<Held>,
    /// A lock whose lease was left to run out, and how often its former holder will still act: none of it must count.
    lost: Option<(Held, u32)>,
    /// Some token that was once granted to this client.
    old_token: Option<Value>,
    written: i64,
}

impl Exclusion {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        if let Some((lost, left)) = self.lost.take() {
            return self.act_late(client, lost, left).await;
        }
        let Some(held) = self.held.clone() else { return self.idle(client).await };
        match client.rng.random_range(0..20) {
            0..=6 if client.has("write") && held.fence.is_some() => self.write(client, &held).await,
            7 | 8 if client.has("exists") => look(client, "exists", held.object).await,
            9 | 10 if client.has("renew") => self.renew(client, held).await,
            11 if client.has("read-guarded") => look(client, "read-guarded", held.object).await,
            // One in twenty holders falls asleep until its lease is over, and then goes on as if nothing had happened.
            12 => {
                let late_ns = client.rng.random_range(0..MAX_LATE_US) * 1_000;
                sleep(Duration::from_nanos(held.until_ns.saturating_sub(client.now_ns()) + late_ns)).await;
                self.lost = self.held.take().map(|held| (held, LATE_ACTS));
                Ok(())
            }
            _ => {
                sleep(Duration::from_micros(client.rng.random_range(0..MAX_HOLD_US))).await;
                self.give_back(client).await
            }
        }
    }

    /// Writes, or renews its lease, as if it still held the lock.
    async fn act_late<W: Write>(
        &mut self,
        client: &mut Client<'_, '_, W>,
        lost: Held,
        left: u32,
    ) -> Result<(), WorkloadError> {
        if left > 1 {
            self.lost = Some((lost.clone(), left - 1));
        }
        let may_write = client.has("write") && lost.fence.is_some();
        if client.has("renew") && (!may_write || client.rng.random_range(0..3) == 0) {
            return self.renew_as(client, &lost).await.map(drop);
        }
        if may_write { self.write(client, &lost).await } else { Ok(()) }
    }

    async fn idle<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let object = client.any_object();
        match client.rng.random_range(0..16) {
            0 if client.has("exists") => look(client, "exists", object).await,
            1 if client.has("read-guarded") => look(client, "read-guarded", object).await,
            2 if self.old_token.is_some() => self.release_foreign(client, object).await,
            _ => self.acquire(client, object).await,
        }
    }

    async fn acquire<W: Write>(&mut self, client: &mut Client<'_, '_, W>, object: usize) -> Result<(), WorkloadError> {
        let ttl_ms = ttl_ms(client);
        let wait_ms = if client.rng.random() { 0 } else { client.rng.random_range(1..=MAX_WAIT_MS) };
        let key = key(client, object);
        let intent = Intent {
            role: "acquire",
            object,
            key: Some(key.clone()),
            input: Fields::new().with("ttl_ms", ttl_ms).with("wait_ms", wait_ms),
            slots: Scope::default().with("ttl_ms", ttl_ms).with("wait_ms", wait_ms),
            patience: Duration::from_millis(wait_ms.unsigned_abs()),
            ..Intent::default()
        };
        let done = client.perform(intent).await?;
        if done.is_ok() {
            let token = done.taken.get("token").or_else(|| done.taken.get("fence")).cloned().unwrap_or(Value::Null);
            self.old_token = Some(token.clone());
            let granted_ns = done.operation.return_ns.unwrap_or(done.operation.call_ns);
            let until_ns = granted_ns + ttl_ms.unsigned_abs() * 1_000_000;
            self.held = Some(Held { object, key, token, fence: done.taken.get("fence").cloned(), until_ns });
        }
        Ok(())
    }

    async fn write<W: Write>(&mut self, client: &mut Client<'_, '_, W>, held: &Held) -> Result<(), WorkloadError> {
        self.written += 1;
        let value = (client.number as i64 + 1) * 1_000_000 + self.written;
        let fence = held.fence.clone().unwrap_or(Value::Null);
        let intent = Intent {
            role: "write",
            object: held.object,
            key: Some(held.key.clone()),
            input: Fields::new().with("fence", fence.clone()).with("value", value),
            slots: Scope::default().with("token", held.token.clone()).with("fence", fence).with("value", value),
            ..Intent::default()
        };
        client.perform(intent).await?;
        Ok(())
    }

    async fn renew<W: Write>(&mut self, client: &mut Client<'_, '_, W>, held: Held) -> Result<(), WorkloadError> {
        let done = self.renew_as(client, &held).await?;
        if done.operation.is_refused() {
            self.lost = self.held.take().map(|held| (held, 1));
        } else if let (true, Some(held)) = (done.is_ok(), &mut self.held) {
            let renewed_ns = done.operation.return_ns.unwrap_or(done.operation.call_ns);
            held.until_ns = renewed_ns + ttl_ms(client).unsigned_abs() * 1_000_000;
        }
        Ok(())
    }

    async fn renew_as<W: Write>(&self, client: &mut Client<'_, '_, W>, held: &Held) -> Result<Done, WorkloadError> {
        let ttl_ms = ttl_ms(client);
        let intent = Intent {
            role: "renew",
            object: held.object,
            key: Some(held.key.clone()),
            input: Fields::new().with("token", held.token.clone()).with("ttl_ms", ttl_ms),
            slots: slots(held).with("ttl_ms", ttl_ms),
            ..Intent::default()
        };
        client.perform(intent).await
    }

    /// Releases what is held.
    pub(super) async fn give_back<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let intent = Intent {
            role: "release",
            object: held.object,
            key: Some(held.key.clone()),
            input: Fields::new().with("token", held.token.clone()),
            slots: slots(&held),
            ..Intent::default()
        };
        client.perform(intent).await?;
        Ok(())
    }

    /// Shows a token that was real once to a lock that is somebody else's, or nobody's.
    async fn release_foreign<W: Write>(
        &mut self,
        client: &mut Client<'_, '_, W>,
        object: usize,
    ) -> Result<(), WorkloadError> {
        let token = self.old_token.take().unwrap_or(Value::Null);
        let intent = Intent {
            role: "release",
            object,
            key: Some(key(client, object)),
            input: Fields::new().with("token", token.clone()).with("foreign", true),
            slots: Scope::default().with("token", token.clone()).with("fence", token),
            is_kept: true,
            ..Intent::default()
        };
        client.perform(intent).await?;
        Ok(())
    }
}

fn slots(held: &Held) -> Scope {
    Scope::default().with("token", held.token.clone()).with("fence", held.fence.clone().unwrap_or(Value::Null))
}

/// The lease of this workload.
fn ttl_ms<W: Write>(client: &Client<'_, '_, W>) -> i64 {
    client.shared.workload.setting("ttl_ms").unwrap_or(TTL_MS).max(1)
}

/// Two tenants' locks of one name are two locks.
fn key<W: Write>(client: &Client<'_, '_, W>, object: usize) -> String {
    let name = client.shared.objects.get(object).map(|object| object.key.clone()).unwrap_or_default();
    let tenant = client.tenant();
    if tenant.is_empty() { name } else { format!("{tenant}/{name}") }
}

async fn look<W: Write>(
    client: &mut Client<'_, '_, W>,
    role: &'static str,
    object: usize,
) -> Result<(), WorkloadError> {
    let key = Some(key(client, object));
    client.perform(Intent { role, object, key, ..Intent::default() }).await?;
    Ok(())
}
