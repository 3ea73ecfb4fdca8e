//! A small server with one habit, good or bad, on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Habit {
    /// Answers with this status.
    Status(u16),
    /// Answers and announces that it closes the connection, then does.
    Close,
    /// Answers nothing between these instants after the first connection, everything otherwise.
    Freeze { from: Duration, until: Duration },
    /// Never answers.
    Hang,
    /// Resets the connection.
    Reset,
    /// Announces ten bytes, sends three, closes.
    Truncate,
    /// Sends what is not HTTP.
    Garble,
    /// Sends the head and half of the body at once, the rest after this time.
    SlowBody(Duration),
    /// Stops listening after its first connection.
    Leave,
}

/// What the server saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) body_bytes: AtomicU64,
    pub(super) odd_paths: AtomicU64,
}

/// A running server; it ends when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(habit: Habit) -> Self {
        let (send_address, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::new(Seen::default());
        let for_thread = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_address.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = listen(listener, habit, for_thread) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), seen, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Connections, without the one that finds out whether anybody listens.
    pub(super) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst) - 1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn listen(listener: TcpListener, habit: Habit, seen: Arc<Seen>) {
    let mut first = None;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let started = *first.get_or_insert_with(Instant::now);
        seen.connections.fetch_add(1, Ordering::SeqCst);
        if matches!(habit, Habit::Leave) {
            break;
        }
        let seen = Arc::clone(&seen);
        tokio::spawn(async move { drop(serve(stream, habit, started, &seen).await) });
    }
    drop(listener);
    std::future::pending::<()>().await;
}

async fn serve(mut stream: TcpStream, habit: Habit, started: Instant, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        if !read_request(&mut stream, &mut buffer, seen).await? {
            return Ok(());
        }
        match habit {
            Habit::Status(status) => answer(&mut stream, status, "").await?,
            Habit::Close => {
                answer(&mut stream, 200, "connection: close\r\n").await?;
                return Ok(());
            }
            Habit::Freeze { from, until } => {
                if (started + from..started + until).contains(&Instant::now()) {
                    sleep_until(started + until).await;
                }
                answer(&mut stream, 200, "").await?;
            }
            Habit::Hang | Habit::Leave => std::future::pending().await,
            Habit::Reset => return stream.set_zero_linger(),
            Habit::Truncate => {
                return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
            }
            Habit::Garble => return stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n").await,
            Habit::SlowBody(pause) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await?;
                sleep_until(Instant::now() + pause).await;
                stream.write_all(b"4\r\ndefg\r\n0\r\n\r\n").await?;
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, status: u16, extra: &str) -> io::Result<()> {
    let text = format!("HTTP/1.1 {status} Said\r\nserver: toy\r\n{extra}content-length: 5\r\n\r\nhello");
    stream.write_all(text.as_bytes()).await
}

/// Reads one request with its body; `false` when the client is gone.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>, seen: &Seen) -> io::Result<bool> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8_lossy(&buffer.drain(..end + 4).collect::<Vec<u8>>()).to_lowercase();
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(false);
        }
    };
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(false);
        }
    }
    buffer.drain(..length);
    seen.requests.fetch_add(1, Ordering::SeqCst);
    seen.body_bytes.fetch_add(length as u64, Ordering::SeqCst);
    if head.lines().next().is_some_and(|line| line.contains("/odd")) {
        seen.odd_paths.fetch_add(1, Ordering::SeqCst);
    }
    Ok(true)
}
