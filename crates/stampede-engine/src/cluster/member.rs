//! One replica: a program that is started, watched, and started again.
//!
//! Invariants: it has one program at a time; while its program is gone no connection is led to it; after an end of its own it is
//! started at once, then after growing pauses of at most [`LONGEST_PAUSE`]; its port stays the same.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox::{ProcessSpec, Supervised, log_tail};
use stampede_model::chaos::ProcessId;
use stampede_model::target::{Balance, Restart};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::backend::Backend;
use super::door::Door;
use super::wire::{MemberState, MemberStatus};
use crate::chaos::processes::identity;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Who has run so long begins with short pauses again.
const PROVEN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOG_LINES: usize = 20;

/// What is wished of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It runs; another number means a new start.
    Run(u64),
    Down,
    Gone,
}

/// A replica.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) port: Option<u16>,
    pub(super) log: PathBuf,
    pub(super) backend: Option<Arc<Backend>>,
    /// Its ways to PostgreSQL, Redis and others.
    pub(super) doors: Vec<(Arc<Door>, tokio::task::JoinHandle<()>)>,
    wish: watch::Sender<Wish>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    state: MemberState,
    process: Option<ProcessId>,
    ended: u32,
    last_end: Option<String>,
    gone: bool,
    /// It was told to end and has not yet.
    ending: bool,
}

/// What a member is made of.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) port: Option<u16>,
    pub(super) log: PathBuf,
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) doors: Vec<(Arc<Door>, tokio::task::JoinHandle<()>)>,
}

impl Member {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { name, number, port, log, backend, doors } = parts;
        let seen =
            Seen { state: MemberState::Starting, process: None, ended: 0, last_end: None, gone: false, ending: false };
        Self { name, number, port, log, backend, doors, wish: watch::Sender::new(Wish::Run(0)), seen: Mutex::new(seen) }
    }

    /// Keeps the program running as wished; ends when the member is gone.
    pub(super) async fn keep(self: Arc<Self>, spec: ProcessSpec, restart: Restart) {
        let mut wishes = self.wish.subscribe();
        let mut pause = Duration::ZERO;
        loop {
            let wish = *wishes.borrow_and_update();
            match wish {
                Wish::Gone => break,
                Wish::Down => {
                    self.note(|seen| seen.state = MemberState::Down);
                    if wishes.changed().await.is_err() {
                        break;
                    }
                    pause = Duration::ZERO;
                    continue;
                }
                Wish::Run(_) => {}
            }
            let how = match Supervised::spawn(spec.clone()) {
                Ok(process) => {
                    let began = Instant::now();
                    self.note(|seen| (seen.state, seen.process) = (MemberState::Starting, identity(process.pid())));
                    let ended = tokio::select! {
                        status = process.wait() => Some(status),
                        _ = wishes.changed() => None,
                    };
                    let Some(status) = ended else {
                        // What is under way may finish: that is the program's own affair.
                        self.note(|seen| seen.ending = true);
                        self.takes_no_more();
                        process.terminate().await;
                        // Whoever asked it at the last moment may have thought it well.
                        self.takes_no_more();
                        self.note(|seen| (seen.process, seen.ending) = (None, false));
                        pause = Duration::ZERO;
                        continue;
                    };
                    self.is_unwell();
                    if began.elapsed() >= PROVEN {
                        pause = Duration::ZERO;
                    }
                    status.to_string()
                }
                Err(error) => error.to_string(),
            };
            self.note(|seen| {
                (seen.state, seen.process) = (MemberState::Waiting, None);
                seen.ended += 1;
                seen.last_end = Some(how);
            });
            if restart == Restart::Never {
                self.wish.send_replace(Wish::Down);
                continue;
            }
            tokio::select! {
                () = sleep(pause) => {}
                _ = wishes.changed() => {}
            }
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
        self.note(|seen| (seen.process, seen.gone) = (None, true));
    }

    /// Starts the program anew, or for the first time after it was down.
    pub(super) fn restart(&self) {
        self.wish.send_modify(|wish| *wish = Wish::Run(if let Wish::Run(times) = wish { *times + 1 } else { 0 }));
    }

    /// Sees to it that it runs; nothing happens when it does.
    pub(super) fn start(&self) {
        let waits = self.seen().state == MemberState::Waiting;
        self.wish.send_if_modified(|wish| match wish {
            // A pause after an end is cut short.
            Wish::Run(times) if waits => {
                *times += 1;
                true
            }
            Wish::Run(_) | Wish::Gone => false,
            Wish::Down => {
                *wish = Wish::Run(0);
                true
            }
        });
    }

    /// Stops it until it is started.
    pub(super) fn stop(&self) {
        self.wish.send_if_modified(|wish| {
            let changes = matches!(wish, Wish::Run(_));
            if changes {
                *wish = Wish::Down;
            }
            changes
        });
    }

    /// Gives it nothing new, and waits a while for what it has to end by itself.
    pub(super) async fn drain(&self, balance: Balance, within: Duration) {
        self.note(|seen| seen.state = MemberState::Leaving);
        self.stand_aside(balance, within).await;
    }

    /// The same for one that comes back: [`Member::return_to_work`] follows.
    pub(super) async fn stand_aside(&self, balance: Balance, within: Duration) {
        let Some(backend) = &self.backend else { return };
        backend.leaving.store(true, Ordering::SeqCst);
        let left = || match balance {
            Balance::Connections | Balance::Haproxy => backend.link.open(),
            Balance::Requests => backend.traffic.under_way(),
        };
        let empty = async {
            while left() > 0 {
                sleep(LOOK_EVERY).await;
            }
        };
        // Those that stay are ended with the program.
        timeout(within, empty).await.ok();
        backend.traffic.forget_idle();
    }

    /// Takes what is new again.
    pub(super) fn return_to_work(&self) {
        if let Some(backend) = &self.backend {
            backend.leaving.store(false, Ordering::SeqCst);
        }
    }

    /// Stops it for good and closes its doors.
    pub(super) async fn end(&self) {
        self.wish.send_replace(Wish::Gone);
        while !self.seen().gone {
            sleep(LOOK_EVERY).await;
        }
        self.is_unwell();
        for (_, serving) in &self.doors {
            serving.abort();
        }
    }

    fn takes_no_more(&self) {
        if let Some(backend) = &self.backend {
            backend.turn_silent();
        }
    }

    /// It answers as it should.
    pub(super) fn is_well(&self) {
        if let Some(backend) = &self.backend {
            backend.turn_well();
        }
        self.note(|seen| {
            if matches!(seen.state, MemberState::Starting | MemberState::Unready) {
                seen.state = MemberState::Ready;
            }
        });
    }

    /// It says that it is not; what it has it keeps, for its answers tell more than a reset.
    pub(super) fn is_unready(&self) {
        if let Some(backend) = &self.backend {
            backend.turn_unready();
        }
        self.note_unready();
    }

    /// It says nothing; connections to it are ended, so that clients turn to others.
    pub(super) fn is_unwell(&self) {
        if let Some(backend) = &self.backend
            && backend.turn_silent()
        {
            backend.link.break_all();
        }
        self.note_unready();
    }

    fn note_unready(&self) {
        self.note(|seen| {
            if seen.state == MemberState::Ready {
                seen.state = MemberState::Unready;
            }
        });
    }

    /// Whether it is to be down, or gone.
    pub(super) fn is_unwanted(&self) -> bool {
        !matches!(*self.wish.borrow(), Wish::Run(_))
    }

    pub(super) fn state(&self) -> MemberState {
        self.seen().state
    }

    /// Whether it has a program that was not told to end.
    pub(super) fn can_be_asked(&self) -> bool {
        let seen = self.seen();
        seen.process.is_some() && !seen.ending
    }

    pub(super) fn has_process(&self) -> bool {
        self.seen().process.is_some()
    }

    pub(super) fn log_tail(&self) -> String {
        log_tail(&self.log, LOG_LINES)
    }

    pub(super) fn status(&self) -> MemberStatus {
        let Seen { state, process, ended, last_end, .. } = self.seen().clone();
        MemberStatus {
            name: self.name.clone(),
            state,
            process,
            port: self.port,
            ended,
            last_end,
            connections: self.backend.as_ref().map_or(0, |backend| backend.link.open()),
            requests: self.backend.as_ref().map_or(0, |backend| backend.traffic.answered()),
            under_way: self.backend.as_ref().map_or(0, |backend| backend.traffic.under_way()),
            log: self.log.display().to_string(),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
