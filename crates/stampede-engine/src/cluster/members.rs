//! The members behind a balancer, and whose turn it is.
//!
//! Invariants: members that are well come before all others; when none is, those that answer at all are led to, so that clients are
//! told what the matter is (an answer of 503) where a reset would tell them nothing. A trouble that all members share is no reason
//! to hang up on anybody.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use super::backend::Backend;
use super::door::connect;
use super::link::{Gate, Link};

/// The members of a service.
#[derive(Debug, Default)]
pub(super) struct Members {
    all: Mutex<Vec<Arc<Backend>>>,
    turn: AtomicUsize,
}

impl Members {
    pub(super) fn add(&self, backend: Arc<Backend>) {
        self.lock().push(backend);
    }

    pub(super) fn remove(&self, backend: &Arc<Backend>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, backend));
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Whether any has been well for so long.
    pub(super) fn any_well_for(&self, long: Duration) -> bool {
        self.lock().iter().any(|backend| backend.well_for().is_some_and(|since| since >= long))
    }

    /// A connection to the member with the fewest, and the link that it goes by.
    pub(super) async fn connect(&self) -> io::Result<(TcpStream, Arc<Link>)> {
        for backend in self.in_turn(|backend| backend.link.busy()) {
            let link = Arc::clone(&backend.link);
            match link.state().gate {
                Gate::Refuse => continue,
                Gate::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
                Gate::Open => {}
            }
            let connected = {
                let _coming = link.expect();
                if link.until_heard().await.is_err() {
                    continue;
                }
                connect(backend.address).await
            };
            match connected {
                Ok(server) => return Ok((server, link)),
                Err(_) => drop(backend.turn_silent()),
            }
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    /// The members that take requests, the fewest under way first.
    pub(super) fn least_requests(&self) -> Vec<Arc<Backend>> {
        self.in_turn(|backend| backend.traffic.under_way())
    }

    /// The members that are well, the least busy first; among equals each comes first in turn. When none is well, those that can say
    /// why.
    fn in_turn(&self, busy: impl Fn(&Backend) -> usize) -> Vec<Arc<Backend>> {
        let all = self.lock().clone();
        let those = |fits: fn(&Backend) -> bool| -> Vec<Arc<Backend>> {
            all.iter().filter(|backend| fits(backend)).map(Arc::clone).collect()
        };
        let mut members = those(Backend::takes_requests);
        if members.is_empty() {
            members = those(Backend::can_say_why);
        }
        if !members.is_empty() {
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % members.len();
            members.rotate_left(first);
            // A silent way to a member is known to nobody but the balancer; it is tried last.
            members.sort_by_cached_key(|backend| (backend.link.state().silent.is_some(), busy(backend)));
        }
        members
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Backend>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
