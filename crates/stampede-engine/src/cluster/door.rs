//! A door: an address of 127.0.0.1 that leads to one place, or to the members of a service.
//!
//! The balancer: least connections among the members that are well, the next one when a member refuses (which is then left out until
//! it is well again), none that is on its way out ([`Members`]). Members come and go while it runs. One that balances requests reads
//! HTTP ([`requests`]).
//! Invariants: at most [`CONNECTIONS_MAX`] connections at once, more are reset; a door whose link is cut does not listen, and
//! listens on the same port when it is whole again; the port stays below the range that the system hands to outgoing connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::link::{Gate, Link, reset};
use super::members::Members;
use super::requests;

/// Connections of one door at once.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a place may take to accept.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const LISTEN_AGAIN_EVERY: Duration = Duration::from_millis(20);
/// Ports that are tried before an error is told.
const PORT_ATTEMPTS: u16 = 64;
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Where a door leads.
#[derive(Debug)]
pub(super) enum Behind {
    /// One place, by a link.
    Place { to: String, link: Arc<Link> },
    /// The members of a service, each by its own link: a connection stays with its member.
    Members { door: Arc<Link>, members: Arc<Members> },
    /// The same, and each request goes where there is least to do.
    Requests { door: Arc<Link>, members: Arc<Members> },
}

/// A door.
#[derive(Debug)]
pub(super) struct Door {
    address: SocketAddr,
    behind: Behind,
    listening: AtomicBool,
    room: Arc<Semaphore>,
}

impl Door {
    /// Opens a door at `address`, with port 0 at a free one, and serves it until the returned task is aborted.
    pub(super) async fn open(
        address: SocketAddr,
        behind: Behind,
    ) -> io::Result<(Arc<Self>, tokio::task::JoinHandle<()>)> {
        let listener = if address.port() == 0 { listen_somewhere().await? } else { TcpListener::bind(address).await? };
        let door = Arc::new(Self {
            address: listener.local_addr()?,
            behind,
            listening: AtomicBool::new(true),
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        });
        let serving = tokio::spawn(Arc::clone(&door).serve(listener));
        Ok((door, serving))
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link whose gate this is.
    pub(super) fn link(&self) -> &Arc<Link> {
        match &self.behind {
            Behind::Place { link, .. } => link,
            Behind::Members { door, .. } | Behind::Requests { door, .. } => door,
        }
    }

    /// Where it leads, for people.
    pub(super) fn leads_to(&self) -> String {
        match &self.behind {
            Behind::Place { to, .. } => to.clone(),
            Behind::Members { members, .. } | Behind::Requests { members, .. } => {
                format!("{} members", members.count())
            }
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        let mut states = self.link().states();
        loop {
            if states.borrow_and_update().gate == Gate::Refuse {
                listener = None;
                self.listening.store(false, Ordering::Relaxed);
                if states.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Some(open) = &listener else {
                match TcpListener::bind(self.address).await {
                    Ok(again) => {
                        listener = Some(again);
                        self.listening.store(true, Ordering::Relaxed);
                    }
                    Err(error) => {
                        tracing::warn!(%error, address = %self.address, "a door cannot be opened again yet");
                        sleep(LISTEN_AGAIN_EVERY).await;
                    }
                }
                continue;
            };
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return },
                accepted = open.accept() => match accepted {
                    Ok((client, _)) => self.welcome(client),
                    // Out of file descriptors, or the client has left already.
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(LISTEN_AGAIN_EVERY).await;
                    }
                },
            }
        }
    }

    fn welcome(self: &Arc<Self>, client: TcpStream) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            reset(&client);
            return;
        };
        let door = Arc::clone(self);
        tokio::spawn(async move {
            door.lead(client).await;
            drop(place);
        });
    }

    async fn lead(&self, client: TcpStream) {
        if self.link().state().gate == Gate::Reset || self.link().until_heard().await.is_err() {
            reset(&client);
            return;
        }
        let reached = match &self.behind {
            Behind::Place { to, link } => connect(to.as_str()).await.map(|server| (server, Arc::clone(link))),
            Behind::Members { members, .. } => members.connect().await,
            Behind::Requests { door, members } => return requests::serve(client, door, members).await,
        };
        match reached {
            Ok((server, link)) => link.carry(client, server).await,
            // The client learns that nobody is there the way a closed port says it.
            Err(_) => reset(&client),
        }
    }
}

pub(super) async fn connect(to: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    timeout(CONNECT_WITHIN, TcpStream::connect(to)).await.unwrap_or_else(|late| Err(late.into()))
}

async fn listen_somewhere() -> io::Result<TcpListener> {
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..PORT_ATTEMPTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(PORTS))).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A port of 127.0.0.1 that is free right now and that the system gives to no outgoing connection.
pub(super) async fn quiet_port() -> io::Result<u16> {
    Ok(listen_somewhere().await?.local_addr()?.port())
}

#[cfg(test)]
mod tests;
