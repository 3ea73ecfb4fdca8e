//! The steady state: one question that is answered as expected while all is well, asked before, during and after.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stampede_model::chaos::{Steady, SteadyReport};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::ChaosError;
use crate::cluster::{Status, ask_status};

const ASK_EVERY: Duration = Duration::from_millis(500);
const ASK_AGAIN_EVERY: Duration = Duration::from_millis(50);
/// Good answers in a row that make a state steady: one may have been luck.
const IN_A_ROW: u32 = 3;

/// Whoever asks.
#[derive(Debug)]
pub struct SteadyWatch {
    question: Question,
    seen: Arc<Mutex<SteadyReport>>,
    asking: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug)]
struct Question {
    address: SocketAddr,
    path: String,
    status: u16,
}

impl SteadyWatch {
    /// Takes the plan's question, or the target's own.
    ///
    /// # Errors
    /// When the target's URL is not an address of this machine.
    pub fn new(steady: &Steady, target: &Status) -> Result<Self, ChaosError> {
        let authority = target.url.trim_start_matches("http://").trim_end_matches('/');
        let address = authority.parse().map_err(|_| ChaosError::Aim(format!("{} is no address", target.url)))?;
        let (path, status) = match &steady.path {
            Some(path) => (path.clone(), steady.status),
            None => (target.ready_path.clone(), target.ready_status),
        };
        let question = format!("GET {path} is answered with {status}");
        let seen = Arc::new(Mutex::new(SteadyReport { question, ..SteadyReport::default() }));
        Ok(Self { question: Question { address, path, status }, seen, asking: None })
    }

    /// Asks now and then until [`SteadyWatch::finish`].
    pub fn begin(&mut self) {
        let (question, seen) = (self.question.clone(), Arc::clone(&self.seen));
        self.asking = Some(tokio::spawn(async move {
            loop {
                let answer = question.ask().await;
                {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    match answer {
                        Ok(()) => seen.well += 1,
                        Err(why) => {
                            seen.unwell += 1;
                            seen.last_trouble = Some(why);
                        }
                    }
                }
                sleep(ASK_EVERY).await;
            }
        }));
    }

    /// Waits for good answers in a row and tells how long that took.
    ///
    /// # Errors
    /// The last answer that was not as expected.
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn until_well(&self, within: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        let mut good = 0;
        let mut first_good = Duration::ZERO;
        loop {
            match self.question.ask().await {
                Ok(()) if good + 1 >= IN_A_ROW => return Ok(first_good),
                Ok(()) => {
                    if good == 0 {
                        first_good = began.elapsed();
                    }
                    good += 1;
                }
                Err(why) if began.elapsed() >= within => return Err(why),
                Err(_) => good = 0,
            }
            sleep(ASK_AGAIN_EVERY).await;
        }
    }

    /// Stops asking; what was seen.
    pub fn finish(&mut self, after: Option<Duration>) -> SteadyReport {
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        seen
    }
}

impl Drop for SteadyWatch {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

impl Question {
    async fn ask(&self) -> Result<(), String> {
        match ask_status(self.address, &self.path).await {
            Ok(status) if status == self.status => Ok(()),
            Ok(status) => Err(format!("GET {} was answered with {status}, not {}", self.path, self.status)),
            Err(error) => Err(format!("GET {} was not answered: {error}", self.path)),
        }
    }
}
