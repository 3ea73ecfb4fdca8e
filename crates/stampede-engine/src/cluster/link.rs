//! A link: the way of bytes between two programs, which can be made slow, narrow, silent or broken while it is in use.
//!
//! Invariants: a calm link passes bytes on at once and keeps none; what it holds back is bounded ([`HELD_MAX`] parts each way) and
//! in order; a silent link reads nothing, so that what was sent meanwhile arrives when it is heard again, as after a partition.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde::{Deserialize, Serialize};
use stampede_model::chaos::{Direction, HttpTrouble, Limits, draw};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::http;

/// Bytes that are read at once.
const PART: usize = 16 * 1024;
/// Parts held back each way: 1 MiB, as much as a kernel's own buffers.
const HELD_MAX: usize = 64;
/// A narrow link passes on so many parts a second, each the smaller for it.
const PARTS_PER_S: u64 = 20;

/// What a link does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkState {
    /// What becomes of connections.
    pub gate: Gate,
    /// What becomes of bytes.
    pub limits: Limits,
    /// Which bytes.
    pub direction: Direction,
    /// Which way nothing is passed on.
    pub silent: Option<Direction>,
    /// What becomes of requests of HTTP.
    #[serde(default)]
    pub http: Option<HttpTrouble>,
    /// What jitter is drawn from.
    pub seed: u64,
}

/// What becomes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// They are made.
    #[default]
    Open,
    /// Nobody listens.
    Refuse,
    /// They are accepted and reset.
    Reset,
}

/// Which way a pump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A link and the connections on it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: String,
    /// The name under which links of the same sort are disturbed together.
    pub(super) group: String,
    state: watch::Sender<LinkState>,
    broken: watch::Sender<u64>,
    open: AtomicUsize,
    /// Connections that are being made.
    coming: AtomicUsize,
    made: AtomicU64,
}

impl LinkState {
    /// Whether it does nothing at all.
    pub fn is_calm(&self) -> bool {
        let Self { gate, limits, silent, http, .. } = self;
        *gate == Gate::Open && *limits == Limits::default() && silent.is_none() && http.is_none()
    }

    fn way(&self, way: Way) -> Lane {
        let meant = |direction: Direction| match direction {
            Direction::Both => true,
            Direction::Up => way == Way::Up,
            Direction::Down => way == Way::Down,
        };
        let limits = if meant(self.direction) { self.limits } else { Limits::default() };
        Lane { limits, silent: self.silent.is_some_and(meant) }
    }
}

impl Link {
    pub(super) fn new(name: String, group: String, state: LinkState) -> Self {
        Self {
            name,
            group,
            state: watch::Sender::new(state),
            broken: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
            made: AtomicU64::new(0),
        }
    }

    /// Whether a name means this link.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.group == name
    }

    pub(super) fn state(&self) -> LinkState {
        *self.state.borrow()
    }

    pub(super) fn states(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Changes what it does, also to connections that are open.
    pub(super) fn set(&self, state: LinkState) {
        self.state.send_replace(state);
        // Where a request begins is known only from the beginning of a connection.
        if state.gate != Gate::Open || state.http.is_some() {
            self.break_all();
        }
    }

    /// Resets every open connection.
    pub(super) fn break_all(&self) {
        self.broken.send_modify(|times| *times += 1);
    }

    /// Tells when open connections are reset.
    pub(super) fn breaks(&self) -> watch::Receiver<u64> {
        self.broken.subscribe()
    }

    /// Open connections.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection that is being made until the guard is dropped.
    pub(super) fn expect(&self) -> impl Drop + '_ {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Counted(&self.coming)
    }

    /// Open connections and those that are being made: many that come at once must not all go where nobody was a moment ago.
    pub(super) fn busy(&self) -> usize {
        self.open() + self.coming.load(Ordering::Relaxed)
    }

    /// Waits while nothing would be passed on either way; an error when the link broke meanwhile.
    pub(super) async fn until_heard(&self) -> io::Result<()> {
        let mut states = self.states();
        let mut broken = self.broken.subscribe();
        tokio::select! {
            heard = states.wait_for(|state| state.silent != Some(Direction::Both)) => match heard {
                Ok(_) => Ok(()),
                Err(_) => Err(io::ErrorKind::ConnectionReset.into()),
            },
            _ = broken.changed() => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Carries bytes both ways until both ends are done, one breaks, or the link is broken; a break is passed on as a reset.
    ///
    /// # Cancel safety
    /// Dropping the future closes both connections.
    pub(super) async fn carry(&self, mut client: TcpStream, mut server: TcpStream) {
        // Small requests must not wait for more bytes, whatever the two ends have asked of their sockets.
        client.set_nodelay(true).ok();
        server.set_nodelay(true).ok();
        if self.state().http.is_some() {
            // Copies of the descriptors, so that a break is told as what it is.
            let told = [&client, &server].into_iter().filter_map(|stream| rustix::io::dup(stream).ok()).collect();
            return self.carry_requests(client, server, told).await;
        }
        if !self.carry_between(client.split(), server.split()).await {
            reset(&client);
            reset(&server);
        }
    }

    /// The same from a pipe within this process, which sees a break as an end.
    ///
    /// # Cancel safety
    /// As [`Link::carry`].
    pub(super) async fn carry_pipe(&self, client: DuplexStream, mut server: TcpStream) {
        server.set_nodelay(true).ok();
        if self.state().http.is_some() {
            let told = rustix::io::dup(&server).into_iter().collect();
            return self.carry_requests(client, server, told).await;
        }
        if !self.carry_between(tokio::io::split(client), server.split()).await {
            reset(&server);
        }
    }

    async fn carry_requests<C>(&self, client: C, server: TcpStream, told: Vec<OwnedFd>)
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        self.open.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.open);
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        http::carry(self, client, server, (number, told)).await;
    }

    /// Whether both ends came to their end whole.
    async fn carry_between<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &self,
        (client_read, client_write): (R, W),
        (server_read, server_write): (ReadHalf<'_>, WriteHalf<'_>),
    ) -> bool {
        self.open.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.open);
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut broken = self.broken.subscribe();
        let up = self.pump(client_read, server_write, Way::Up, number);
        let down = self.pump(server_read, client_write, Way::Down, number);
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => both.is_ok(),
            _ = broken.changed() => false,
        }
    }

    async fn pump(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        way: Way,
        number: u64,
    ) -> io::Result<()> {
        let mut states = self.states();
        let mut held = Held::new(number * 2 + u64::from(way == Way::Down));
        let mut buffer = vec![0; PART];
        loop {
            let state = *states.borrow_and_update();
            let lane = state.way(way);
            let due = held.due();
            let room = lane.part().min(buffer.len());
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !lane.silent => {
                    match held.take(lane.limits) {
                        Some(Part::Bytes(bytes)) => to.write_all(&bytes).await?,
                        Some(Part::End) => return to.shutdown().await,
                        None => {}
                    }
                }
                read = from.read(&mut buffer[..room]), if held.has_room() && !lane.silent => match read? {
                    0 => held.end(lane.limits),
                    length if lane.is_calm() && held.is_empty() => to.write_all(&buffer[..length]).await?,
                    length => held.add(&buffer[..length], lane.limits, state.seed),
                },
            }
        }
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes the end of this connection a reset instead of a goodbye.
pub(super) fn reset(stream: &impl AsFd) {
    // Fails on a socket that is gone already, which is as good.
    set_socket_linger(stream, Some(Duration::ZERO)).ok();
}

/// What one way does to bytes.
#[derive(Clone, Copy, Debug)]
struct Lane {
    limits: Limits,
    silent: bool,
}

impl Lane {
    fn is_calm(self) -> bool {
        self.limits.latency_ms == 0 && self.limits.jitter_ms == 0 && self.limits.bytes_per_s == 0
    }

    /// How much is read at once.
    fn part(self) -> usize {
        match self.limits.bytes_per_s {
            0 => PART,
            rate => usize::try_from((rate / PARTS_PER_S).max(1)).unwrap_or(PART),
        }
    }
}

#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>),
    End,
}

/// What is held back, in order.
#[derive(Debug)]
struct Held {
    parts: VecDeque<(Instant, Part)>,
    ended: bool,
    last_due: Instant,
    free_at: Instant,
    seed: u64,
    drawn: u64,
}

impl Held {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self { parts: VecDeque::new(), ended: false, last_due: now, free_at: now, seed, drawn: 0 }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn has_room(&self) -> bool {
        self.parts.len() < HELD_MAX && !self.ended
    }

    fn due(&self) -> Option<Instant> {
        self.parts.front().map(|(due, _)| (*due).max(self.free_at))
    }

    fn add(&mut self, bytes: &[u8], limits: Limits, seed: u64) {
        self.drawn += 1;
        let jitter_ms = draw(seed ^ (self.seed << 32), self.drawn, limits.jitter_ms + 1);
        self.push(limits.latency_ms + jitter_ms, Part::Bytes(bytes.to_vec()));
    }

    fn end(&mut self, limits: Limits) {
        self.ended = true;
        self.push(limits.latency_ms + limits.close_ms, Part::End);
    }

    fn push(&mut self, late_ms: u64, part: Part) {
        // What was read later never arrives earlier: this is a stream.
        let due = (Instant::now() + Duration::from_millis(late_ms)).max(self.last_due);
        self.last_due = due;
        self.parts.push_back((due, part));
    }

    fn take(&mut self, limits: Limits) -> Option<Part> {
        let (_, part) = self.parts.pop_front()?;
        if let (Part::Bytes(bytes), rate @ 1..) = (&part, limits.bytes_per_s) {
            self.free_at = Instant::now() + Duration::from_secs_f64(bytes.len() as f64 / rate as f64);
        }
        Some(part)
    }
}
