//! One question, asked at a rate for as long as a run lasts, each time on a new connection: whether the system is there.
//!
//! Invariants: a question leaves at its time whatever became of those before it; at most [`UNDER_WAY_MAX`] are under way, and one that
//! finds no room counts as not answered; it has a thread of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use stampede_model::verdict::Uptime;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::cluster::ask_status_within;

const UNDER_WAY_MAX: usize = 500;
/// Failures that are kept.
const FAILURES: usize = 5;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where.
    pub address: SocketAddr,
    /// The path of a GET.
    pub path: String,
    /// The good answer.
    pub status: u16,
    /// How often.
    pub rate_per_s: u32,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Whoever asks.
#[derive(Debug)]
pub struct Probe {
    stop: watch::Sender<bool>,
    seen: Arc<Mutex<Seen>>,
    asking: JoinHandle<()>,
}

#[derive(Debug)]
struct Seen {
    uptime: Uptime,
    last_good: Instant,
}

impl Probe {
    /// Begins to ask.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn begin(question: Question) -> std::io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let seen = Arc::new(Mutex::new(Seen { uptime: Uptime::default(), last_good: Instant::now() }));
        let noted = Arc::clone(&seen);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asking = std::thread::Builder::new()
            .name("probe".to_owned())
            .spawn(move || runtime.block_on(ask(question, noted, stopped)))?;
        Ok(Self { stop, seen, asking })
    }

    /// Ends the asking; what was seen.
    ///
    /// # Cancel safety
    /// Dropping the future loses what was seen.
    pub async fn end(self) -> Uptime {
        self.stop.send_replace(true);
        let asking = self.asking;
        // It fails only when the thread panicked; what was seen until then is told.
        tokio::task::spawn_blocking(move || drop(asking.join())).await.ok();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut uptime = seen.uptime.clone();
        uptime.longest_dark_ns = uptime.longest_dark_ns.max(ns(seen.last_good.elapsed()));
        uptime
    }
}

async fn ask(question: Question, seen: Arc<Mutex<Seen>>, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut ticks = interval(Duration::from_secs(1) / question.rate_per_s.max(1));
    // Questions that this machine was too busy to send are not made up for: they would say nothing of the moment.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            note(&seen, Err("no room: earlier questions are still under way".to_owned()));
            continue;
        };
        let (question, seen) = (question.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let answer = ask_status_within(question.address, &question.path, question.timeout).await;
            let good = match answer {
                Ok(status) if status == question.status => Ok(()),
                Ok(status) => Err(format!("GET {} was answered with {status}", question.path)),
                Err(error) => Err(format!("GET {} was not answered: {error}", question.path)),
            };
            note(&seen, good);
            drop(place);
        });
    }
    // Those under way have their time.
    drop(room.acquire_many(u32::try_from(UNDER_WAY_MAX).unwrap_or(u32::MAX)).await);
}

fn note(seen: &Mutex<Seen>, answer: Result<(), String>) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.uptime.asked += 1;
    match answer {
        Ok(()) => {
            let dark = ns(seen.last_good.elapsed());
            seen.uptime.longest_dark_ns = seen.uptime.longest_dark_ns.max(dark);
            seen.last_good = Instant::now();
        }
        Err(why) => {
            seen.uptime.failed += 1;
            if seen.uptime.failures.len() < FAILURES && !seen.uptime.failures.contains(&why) {
                seen.uptime.failures.push(why);
            }
        }
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
