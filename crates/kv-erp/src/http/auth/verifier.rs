//! Password checks on a bounded number of threads: a flood of logins must not take every core.
//!
//! Invariants: [`THREADS`] checks run at a time and [`QUEUE`] wait; one more is turned away at once. The failure counter is
//! asked and raised while a thread is held, so concurrent guesses exceed an account's allowance by [`THREADS`] at most.

use std::sync::Arc;
use std::time::Instant;

use kv_store::access::Login;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::verified::Verified;
use crate::credentials::password::{self, Verdict};

/// Checks at a time.
const THREADS: usize = 2;
/// Checks that may wait for their turn: a few seconds' worth.
const QUEUE: usize = 512;

/// Checks passwords.
#[derive(Debug)]
pub struct PasswordVerifier {
    running: Semaphore,
    admitted: Semaphore,
    verified: Arc<Verified>,
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// The right to check one password now.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _running: SemaphorePermit<'a>,
    _admitted: SemaphorePermit<'a>,
}

impl Default for PasswordVerifier {
    fn default() -> Self {
        let verified = Arc::new(Verified::new());
        Self { running: Semaphore::new(THREADS), admitted: Semaphore::new(THREADS + QUEUE), verified }
    }
}

impl PasswordVerifier {
    /// Waits for a turn, first come first served.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, QueueFull> {
        let admitted = self.admitted.try_acquire().map_err(|_| QueueFull)?;
        let running = self.running.acquire().await.map_err(|_| QueueFull)?;
        Ok(Turn { _running: running, _admitted: admitted })
    }

    /// Checks a password: against recent right ones first, which is cheap, then with all the work that Argon2 wants. Without an
    /// account it works the same and finds it wrong.
    ///
    /// # Cancel safety
    /// A dropped future lets the check run to its end on its thread; nothing is recorded but a right password.
    pub(super) async fn check(&self, _turn: &Turn<'_>, login: Option<&Login>, password: &str) -> Verdict {
        if let Some(login) = login
            && self.verified.contains(login.account.user, &login.password_hash, password, Instant::now())
        {
            return Verdict::Right;
        }
        let stored = login.map(|login| (login.account.user, login.password_hash.clone()));
        let (password, verified) = (password.to_owned(), Arc::clone(&self.verified));
        let check = tokio::task::spawn_blocking(move || {
            let verdict = password::verify(&password, stored.as_ref().map(|(_, hash)| hash.as_str()));
            if let (Verdict::Right, Some((user, hash))) = (verdict, &stored) {
                verified.insert(*user, hash, &password, Instant::now());
            }
            verdict
        });
        // A check that panicked or was shut down found nothing right.
        check.await.unwrap_or(Verdict::Wrong)
    }
}
