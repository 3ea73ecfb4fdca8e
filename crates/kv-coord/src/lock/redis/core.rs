//! The scripts as calls, with the epoch seen to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::scripts::{FENCE_EPOCH, FENCE_SEQ, Keys, Reply, Scripts};
use crate::epochs::Epochs;
use crate::error::CoordError;
use crate::link::{Link, NamedScript};
use crate::lock::bounds::Ttl;
use crate::lock::fence::{EpochSource, Fence};
use crate::lock::grant::{LockInfo, ReleaseOutcome, RenewOutcome};
use crate::lock::resource::LockKey;
use crate::lock::token::Token;
use crate::settings::RedisSettings;

/// How long a woken waiter has to confirm before the lock counts as abandoned. A lost wake-up costs at most this.
const CLAIM_MS: u64 = 2_000;
/// How often a script may ask for a new epoch before the call fails.
const MAX_EPOCH_RENEWALS: usize = 3;

/// Who a call speaks for: the token, and the entry the scripts keep for a waiter.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) token: Token,
    pub(super) ttl: Ttl,
    entry: String,
}

/// What a waiter with a granted lock should do on leaving.
#[derive(Clone, Copy, Debug)]
pub(super) enum OnGrant {
    Keep,
    Return,
}

/// Connection, scripts, epoch and the waiters of this process.
pub(super) struct Core {
    link: Link,
    scripts: Scripts,
    epochs: Epochs,
    channel: String,
    /// What stands before each key.
    prefix: String,
    waiters: Mutex<HashMap<Token, Arc<Notify>>>,
}

impl Core {
    pub(super) fn open(settings: &RedisSettings, epochs: Arc<dyn EpochSource>) -> Result<Self, CoordError> {
        let endpoint = settings.endpoint(settings.lock_db());
        let prefix = settings.key_prefix();
        Ok(Self {
            link: Link::open(endpoint, settings.connect_timeout, settings.lock_timeout)?,
            scripts: Scripts::new(),
            epochs: Epochs::new(epochs, [format!("{prefix}{FENCE_SEQ}"), format!("{prefix}{FENCE_EPOCH}")]),
            // Random, since a name of the process could be taken by its successor while its waiters still stand in lines.
            channel: format!("{prefix}lockw:{}", Token::random()),
            prefix,
            waiters: Mutex::default(),
        })
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn caller(&self, token: Token, ttl: Ttl) -> Caller {
        Caller { token, ttl, entry: format!("{token}|{}|{}", self.channel, ttl.as_millis()) }
    }

    /// Where wake-ups for `token` arrive until [`Core::forget`].
    pub(super) fn expect(&self, token: Token) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        self.waiters().insert(token, Arc::clone(&bell));
        bell
    }

    /// Notes a grant's epoch, below which no later grant is accepted.
    pub(super) fn saw(&self, fence: Fence) {
        self.epochs.saw(fence);
    }

    pub(super) fn forget(&self, token: Token) {
        self.waiters().remove(&token);
    }

    pub(super) fn wake(&self, token: Token) {
        if let Some(bell) = self.waiters().get(&token) {
            bell.notify_one();
        }
    }

    /// After a gap in the subscription any wake-up may have been missed.
    pub(super) fn wake_all(&self) {
        for bell in self.waiters().values() {
            bell.notify_one();
        }
    }

    fn waiters(&self) -> std::sync::MutexGuard<'_, HashMap<Token, Arc<Notify>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn ask(
        &self,
        key: &LockKey,
        caller: &Caller,
        wait: Duration,
        cap: u32,
    ) -> Result<Reply, CoordError> {
        let wait_ms = wait.as_millis().to_string();
        self.call(&self.scripts.acquire, key, caller, &[&wait_ms, &cap.to_string()]).await
    }

    pub(super) async fn claim(&self, key: &LockKey, caller: &Caller) -> Result<Reply, CoordError> {
        self.call(&self.scripts.claim, key, caller, &[]).await
    }

    pub(super) async fn cancel(&self, key: &LockKey, caller: &Caller, on_grant: OnGrant) -> Result<Reply, CoordError> {
        let word = match on_grant {
            OnGrant::Keep => "KEEP",
            OnGrant::Return => "RETURN",
        };
        let reply = self.call(&self.scripts.cancel, key, caller, &[word]).await?;
        if let Some(run_id) = reply.released_without_epoch() {
            self.serve_line(key, run_id).await;
        }
        Ok(reply)
    }

    /// Hands a free lock to its line, once there is an epoch to mint under. Waiters look for themselves every second, so a
    /// failure here costs time only.
    async fn serve_line(&self, key: &LockKey, run_id: &str) {
        let nobody = self.caller(Token::random(), Ttl::DEFAULT);
        let served = async {
            self.epochs.renew(&self.link, self.epochs.floor(), run_id).await?;
            self.claim(key, &nobody).await
        };
        if let Err(error) = served.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a free lock was not handed to its line");
        }
    }

    pub(super) async fn release(
        &self,
        key: &LockKey,
        token: Token,
    ) -> Result<(ReleaseOutcome, Option<Duration>), CoordError> {
        let caller = self.caller(token, Ttl::DEFAULT);
        let reply = self.call(&self.scripts.release, key, &caller, &[]).await?;
        if let Some(run_id) = reply.released_without_epoch() {
            self.serve_line(key, run_id).await;
            return Ok((ReleaseOutcome::Released { handed_to: None }, None));
        }
        match reply.word.as_str() {
            "RELEASED" => {
                let handed_to = Fence::from_minted(reply.number(0)?);
                Ok((ReleaseOutcome::Released { handed_to }, Some(Duration::from_millis(reply.number(1)?))))
            }
            "EXPIRED" => Ok((ReleaseOutcome::Expired, None)),
            "NOT_OWNER" => Ok((ReleaseOutcome::NotOwner, None)),
            _ => Err(reply.unexpected()),
        }
    }

    pub(super) async fn renew(&self, key: &LockKey, token: Token, ttl: Ttl) -> Result<RenewOutcome, CoordError> {
        let caller = self.caller(token, ttl);
        let reply = self.call(&self.scripts.renew, key, &caller, &[]).await?;
        match reply.word.as_str() {
            "RENEWED" => Ok(RenewOutcome::Renewed),
            "EXPIRED" => Ok(RenewOutcome::Expired),
            "NOT_OWNER" => Ok(RenewOutcome::NotOwner),
            _ => Err(reply.unexpected()),
        }
    }

    pub(super) async fn inspect(&self, key: &LockKey) -> Result<Option<LockInfo>, CoordError> {
        let nobody = self.caller(Token::random(), Ttl::DEFAULT);
        let reply = self.call(&self.scripts.inspect, key, &nobody, &[]).await?;
        match reply.word.as_str() {
            "FREE" => Ok(None),
            "HELD" => Ok(Some(LockInfo {
                fence: reply.fence()?,
                age_ms: reply.number(1)?,
                ttl_ms: reply.number(2)?,
                waiters: u32::try_from(reply.number(3)?).unwrap_or(u32::MAX),
            })),
            _ => Err(reply.unexpected()),
        }
    }

    pub(super) async fn ping(&self) -> Result<(), CoordError> {
        self.link.ping().await
    }

    async fn call(
        &self,
        script: &NamedScript,
        key: &LockKey,
        caller: &Caller,
        rest: &[&str],
    ) -> Result<Reply, CoordError> {
        let keys = Keys::new(&self.prefix, key);
        let (token, ttl_ms) = (caller.token.to_string(), caller.ttl.as_millis().to_string());
        let claim_ms = CLAIM_MS.to_string();
        for _ in 0..MAX_EPOCH_RENEWALS {
            let floor = self.epochs.floor();
            let floor_text = floor.to_string();
            let mut args = vec![floor_text.as_str(), &claim_ms, &token, &caller.entry, &ttl_ms];
            args.extend_from_slice(rest);
            let (word, numbers) = self.link.run(script, &keys.all(), &args).await?;
            let reply = Reply { script: script.name(), word, numbers };
            let Some(run_id) = reply.wants_epoch() else {
                return Ok(reply);
            };
            self.epochs.renew(&self.link, floor, run_id).await?;
        }
        Err(CoordError::Epoch("Redis lost its epoch again and again".into()))
    }
}
