//! A server that does nothing but answer: what a generator costs, and what it hides, is measured against it.
//!
//! It answers every request with the same 76 bytes of JSON, by HTTP/1.0, HTTP/1.1 with keep-alive, and HTTP/2 without TLS.
//! It may answer late, and it may stand still for a while as a process does that collects garbage: it then neither reads nor
//! answers nor accepts. It listens on a free port of the loopback, on a thread of its own ([`NullServer`]) or, so that its
//! CPU time stands apart, in a process of its own ([`Child`]).
//!
//! Invariants: a request is counted once, when the last byte of its body was read; nothing listens after the drop.
//! Absent on purpose: routes, TLS, chunked request bodies (411), a port to choose: load must not reach a server that
//! happens to stand there.

mod child;
mod connection;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot};

pub use child::{Child, Tally, attend};

use crate::pacing::Pacer;
use crate::process::raise_open_files;

/// The body of every answer.
pub const BODY: &str = r#"{"id":1234567,"name":"a customer of some length","status":"active","n":1234}"#;
/// The longest drawn time, in medians.
const LONGEST_TIMES: f64 = 50.0;
/// How long to wait when no connection can be taken, so that running out of files is not a busy loop.
const NO_FILE_LEFT: Duration = Duration::from_millis(10);

/// What the server does with a request besides answering it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habits {
    /// Time before each answer; whole milliseconds, by tokio's timer.
    pub delay: Duration,
    /// How the time before an answer varies; always the same without.
    pub spread: Option<Spread>,
    /// When the whole server stands still.
    pub freeze: Option<Freeze>,
}

/// Times before answers that are drawn log-normally, with [`Habits::delay`] as their median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard deviation of the time's logarithm; 0.3 makes the 99th percentile twice the median.
    pub sigma: f64,
    /// Where the dice start.
    pub seed: u64,
}

/// A time in which the whole server stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// From the first request to its beginning.
    pub after: Duration,
    /// How long it takes.
    pub lasting: Duration,
}

/// A running server on a thread of its own; it ends when dropped (a frozen one when it thaws).
#[derive(Debug)]
pub struct NullServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    delay: Duration,
    spread: Option<Mutex<(f64, SmallRng)>>,
    requests: AtomicU64,
    first: Notify,
}

impl NullServer {
    /// Starts it; it listens when this returns.
    ///
    /// # Errors
    /// When no port, thread or reactor can be had.
    pub fn start(habits: Habits) -> io::Result<Self> {
        raise_open_files();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let dice = |spread: Spread| Mutex::new((spread.sigma, SmallRng::seed_from_u64(spread.seed)));
        let shared = Arc::new(Shared {
            delay: habits.delay,
            spread: habits.spread.map(dice),
            requests: AtomicU64::new(0),
            first: Notify::new(),
        });
        let (stop, stopped) = oneshot::channel();
        let for_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("null-server".to_owned())
            .spawn(move || serve(&runtime, listener, habits, &for_thread, stopped))?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Requests read so far, exactly.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server was printed where it happened.
            drop(thread.join());
        }
    }
}

fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    habits: Habits,
    shared: &Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        tokio::select! {
            () = accept(listener, shared) => {}
            () = stand_still(habits.freeze, shared) => {}
            _ = stopped => {}
        }
    });
}

async fn accept(listener: TcpListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection::serve(stream, Arc::clone(shared)))),
            Err(_) => tokio::time::sleep(NO_FILE_LEFT).await,
        }
    }
}

/// Blocks the server's only thread for the time of the freeze; never returns.
async fn stand_still(freeze: Option<Freeze>, shared: &Shared) {
    if let Some(Freeze { after, lasting }) = freeze {
        shared.first.notified().await;
        tokio::time::sleep(after).await;
        thread::sleep(lasting);
    }
    std::future::pending::<()>().await;
}

/// Waits to some ten microseconds: with tokio's own timer all answers would come on a grid of milliseconds, and a percentile would
/// jump from one line of it to the next.
async fn wait(delay: Duration) {
    let waited = match Pacer::new() {
        Ok(pacer) => pacer.wait(delay).await,
        Err(error) => Err(error),
    };
    if waited.is_err() {
        // No file is left for a timer: later is better than at once.
        tokio::time::sleep(delay).await;
    }
}

impl Shared {
    /// Counts a request and waits as long as each must.
    async fn take(&self) {
        if self.requests.fetch_add(1, Ordering::SeqCst) == 0 {
            self.first.notify_one();
        }
        if !self.delay.is_zero() {
            wait(self.drawn()).await;
        }
    }

    /// The time before the next answer.
    fn drawn(&self) -> Duration {
        let Some(spread) = &self.spread else { return self.delay };
        let (sigma, dice) = &mut *spread.lock().unwrap_or_else(PoisonError::into_inner);
        // Box and Muller: a standard normal from two uniform draws; the first must not be 0.
        let (radius, angle) = (1.0 - dice.random::<f64>(), dice.random::<f64>());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        self.delay.mul_f64((*sigma * normal).exp().min(LONGEST_TIMES))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read, Write};
    use std::net::TcpStream;
    use std::num::NonZeroU32;
    use std::time::Instant;

    use super::*;
    use crate::load::{Control, LoadPlan, RequestPlan, Stop, run};

    /// Sends text and reads until the server closes.
    fn exchange(server: &NullServer, text: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn every_request_is_answered_and_counted() {
        let server = NullServer::start(Habits::default()).unwrap();
        let connections = NonZeroU32::new(5).unwrap();
        let stop = Stop { requests: Some(1_000), duration: None };
        let plan = LoadPlan::closed(RequestPlan::get(&server.url()).unwrap(), connections, stop);
        let result = run(&plan, &Control::new()).unwrap();
        assert_eq!((result.counts.succeeded, server.requests()), (1_000, 1_000));
    }

    #[test]
    fn two_requests_in_one_go_get_two_answers_and_a_body_is_not_taken_for_a_head() {
        let server = NullServer::start(Habits::default()).unwrap();
        let text = "POST /a HTTP/1.1\r\ncontent-length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\nconnection: close\r\n\r\n";
        let answer = exchange(&server, text);
        assert_eq!(server.requests(), 2);
        assert_eq!((answer.matches("200 OK").count(), answer.matches(BODY).count()), (2, 1), "{answer}");
    }

    #[test]
    fn an_old_client_is_told_that_its_connection_stays() {
        let server = NullServer::start(Habits::default()).unwrap();
        let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
        let answer = exchange(&server, kept);
        assert!(answer.contains("connection: keep-alive") && answer.contains("connection: close"), "{answer}");
        assert!(exchange(&server, "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").contains("411"));
    }

    #[test]
    fn http2_is_answered_too() {
        let server = NullServer::start(Habits::default()).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
            let io = hyper_util::rt::TokioIo::new(stream);
            let executor = hyper_util::rt::TokioExecutor::new();
            let (mut send, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
            tokio::spawn(connection);
            let empty = http_body_util::Empty::<bytes::Bytes>::new();
            send.send_request(http::Request::get("http://x/").body(empty).unwrap()).await.unwrap().status()
        });
        assert_eq!((status.as_u16(), server.requests()), (200, 1));
    }

    #[test]
    fn a_delay_delays_and_a_frozen_server_answers_nothing() {
        let (delay, lasting) = (Duration::from_millis(20), Duration::from_millis(300));
        let request = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
        let slow = NullServer::start(Habits { delay, ..Habits::default() }).unwrap();
        let before = Instant::now();
        exchange(&slow, request);
        assert!(before.elapsed() >= delay);

        let freeze = Some(Freeze { after: Duration::from_millis(100), lasting });
        let server = NullServer::start(Habits { freeze, ..Habits::default() }).unwrap();
        let started = Instant::now();
        // One request after the other: the one that meets the freeze takes about as long as it.
        let mut longest = Duration::ZERO;
        while started.elapsed() < Duration::from_millis(500) {
            let before = Instant::now();
            exchange(&server, request);
            longest = longest.max(before.elapsed());
        }
        assert!(longest >= lasting / 2, "nothing waited longer than {longest:?}");
    }

    #[test]
    fn drawn_delays_are_log_normal_and_repeat_with_their_seed() {
        let delay = Duration::from_millis(20);
        let drawn = |seed| {
            let spread = Some(Mutex::new((0.3, SmallRng::seed_from_u64(seed))));
            let shared = Shared { delay, spread, requests: AtomicU64::new(0), first: Notify::new() };
            let mut all: Vec<Duration> = (0..20_001).map(|_| shared.drawn()).collect();
            let in_order = all.clone();
            all.sort_unstable();
            (in_order, all[10_000].as_secs_f64() * 1e3, all[19_801].as_secs_f64() * 1e3)
        };
        let (first, median, p99) = drawn(1);
        // exp(0.3 x 2.326) is 2.009.
        assert!((19.5..20.5).contains(&median) && (38.5..42.0).contains(&p99), "{median} {p99}");
        assert_eq!(first, drawn(1).0);
        assert_ne!(first, drawn(2).0);
    }

    #[test]
    fn the_parent_gets_a_line_for_a_line() {
        let mut said = Vec::new();
        attend(Habits::default(), Cursor::new("\n\n"), &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines[0].starts_with("http://127.0.0.1:"), "{said}");
        assert!(lines.len() == 3 && lines[1].starts_with("0 "), "{said}");
    }
}
