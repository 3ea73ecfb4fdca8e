//! One member as the balancer sees it.
//!
//! Invariants: one that leaves gets nothing new, whatever it says; one that has no process or refuses is no way out either.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;
use super::requests::Traffic;

/// A member behind a balancer.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    pub(super) link: Arc<Link>,
    pub(super) leaving: AtomicBool,
    pub(super) traffic: Traffic,
    well: AtomicBool,
    /// It answers the question whether it is ready, be it with no.
    answers: AtomicBool,
    /// When it became well or ceased to be.
    turned: Mutex<Instant>,
}

impl Backend {
    /// One that is not well yet.
    pub(super) fn new(address: SocketAddr, link: Arc<Link>) -> Self {
        Self {
            address,
            link,
            leaving: AtomicBool::new(false),
            traffic: Traffic::default(),
            well: AtomicBool::new(false),
            answers: AtomicBool::new(false),
            turned: Mutex::new(Instant::now()),
        }
    }

    /// Whether it is well and stays.
    pub(super) fn takes_requests(&self) -> bool {
        self.well.load(Ordering::SeqCst) && !self.leaving.load(Ordering::SeqCst)
    }

    /// Whether it can at least tell a client what the matter is: for when nobody is well.
    pub(super) fn can_say_why(&self) -> bool {
        self.answers.load(Ordering::SeqCst) && !self.leaving.load(Ordering::SeqCst)
    }

    /// It answers as it should.
    pub(super) fn turn_well(&self) {
        self.answers.store(true, Ordering::SeqCst);
        self.turn(true);
    }

    /// It answers, and says that it is not ready.
    pub(super) fn turn_unready(&self) {
        self.answers.store(true, Ordering::SeqCst);
        self.turn(false);
    }

    /// It does not answer, or it refused a connection: it is left out until it is well again. Whether it was led to by then.
    pub(super) fn turn_silent(&self) -> bool {
        let answered = self.answers.swap(false, Ordering::SeqCst);
        self.turn(false) || answered
    }

    /// How long it has been well; `None` when it is not.
    pub(super) fn well_for(&self) -> Option<Duration> {
        let turned = self.turned();
        self.takes_requests().then(|| turned.elapsed())
    }

    /// How long it has not been well; `None` when it is.
    pub(super) fn unwell_for(&self) -> Option<Duration> {
        let turned = self.turned();
        (!self.well.load(Ordering::SeqCst)).then(|| turned.elapsed())
    }

    fn turn(&self, well: bool) -> bool {
        let mut turned = self.turned();
        let was = self.well.swap(well, Ordering::SeqCst);
        if was != well {
            *turned = Instant::now();
        }
        was
    }

    fn turned(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
