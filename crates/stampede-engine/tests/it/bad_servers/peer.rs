//! A hand-written server in threads: one habit, plain or under TLS, written in terms of bytes.
//!
//! Absent on purpose: any HTTP library. A library would not do what these servers do.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_linger, set_socket_reuseaddr, set_tcp_cork};
use rustix::net::{self, AddressFamily, SocketType};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

/// What a server does with one connection.
pub(crate) type Habit = dyn Fn(&mut Peer) -> io::Result<()> + Send + Sync;

/// What a server saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Connections with a request, or at least a completed handshake.
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) resumed: AtomicU64,
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    pub(crate) seen: Arc<Seen>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    /// Holds the port of a server that does not listen any more.
    keeper: Option<OwnedFd>,
}

/// One client of it.
pub(crate) struct Peer {
    socket: TcpStream,
    tls: Option<Box<StreamOwned<ServerConnection, TcpStream>>>,
    unread: Vec<u8>,
    seen: Arc<Seen>,
    /// Whether it is among the connections that were seen.
    counted: bool,
}

impl Server {
    pub(crate) fn start(habit: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::with(None, habit)
    }

    pub(crate) fn start_tls(
        config: ServerConfig,
        habit: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(Arc::new(config)), habit)
    }

    /// Stops listening at its first request, and resets that.
    pub(crate) fn start_for_one() -> Self {
        let socket = || net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let (listening, keeper) = (socket(), socket());
        set_socket_reuseaddr(&listening, true).unwrap();
        set_socket_reuseaddr(&keeper, true).unwrap();
        net::bind(&listening, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = SocketAddr::try_from(net::getsockname(&listening).unwrap()).unwrap();
        // It never listens: nobody else gets the port as long as the server is there.
        net::bind(&keeper, &address).unwrap();
        net::listen(&listening, 16).unwrap();
        let listener = TcpListener::from(listening);
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::<Seen>::default();
        let (for_thread, stop) = (Arc::clone(&seen), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let (socket, _) = listener.accept().unwrap();
                let mut peer = Peer::new(socket, None, Arc::clone(&for_thread)).unwrap();
                if matches!(peer.read_request(), Ok(true)) {
                    drop(listener);
                    peer.reset().unwrap();
                    return;
                }
            }
        });
        Self { address, scheme: "http", seen, stopped, thread: Some(thread), keeper: Some(keeper) }
    }

    fn with(
        tls: Option<Arc<ServerConfig>>,
        habit: impl Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stopped) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let habit: Arc<Habit> = Arc::new(habit);
        let (for_thread, stop) = (Arc::clone(&seen), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            let mut running = Vec::new();
            for socket in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                let (habit, tls, seen) = (Arc::clone(&habit), tls.clone(), Arc::clone(&for_thread));
                // A client that goes away in the middle is no fault of the server's.
                running.push(thread::spawn(move || {
                    drop(Peer::new(socket, tls, seen).and_then(|mut peer| habit(&mut peer)));
                }));
            }
            // The clients are gone by now, and no habit goes on without one.
            for thread in running {
                thread.join().unwrap();
            }
        });
        Self { address, scheme, seen, stopped, thread: Some(thread), keeper: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    pub(crate) fn url_by(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/", self.address.port())
    }

    pub(crate) fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn resumed(&self) -> u64 {
        self.seen.resumed.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread from its accept.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
        drop(self.keeper.take());
    }
}

impl Peer {
    fn new(socket: TcpStream, tls: Option<Arc<ServerConfig>>, seen: Arc<Seen>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let mut peer = Self { socket: socket.try_clone()?, tls: None, unread: Vec::new(), seen, counted: false };
        if let Some(config) = tls {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = Box::new(StreamOwned::new(session, socket));
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock)?;
            }
            if stream.conn.handshake_kind() == Some(HandshakeKind::Resumed) {
                peer.seen.resumed.fetch_add(1, Ordering::SeqCst);
            }
            peer.tls = Some(stream);
        }
        Ok(peer)
    }

    /// Reads a request to its empty line; `false` when the client is gone.
    pub(crate) fn read_request(&mut self) -> io::Result<bool> {
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                self.unread.drain(..end + 4);
                self.seen.requests.fetch_add(1, Ordering::SeqCst);
                return Ok(true);
            }
            if !self.read_some()? {
                return Ok(false);
            }
        }
    }

    /// Exactly so many bytes; `None` when the client is gone.
    pub(crate) fn read_exactly(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        while self.unread.len() < length {
            if !self.read_some()? {
                return Ok(None);
            }
        }
        Ok(Some(self.unread.drain(..length).collect()))
    }

    pub(crate) fn count_request(&self) {
        self.seen.requests.fetch_add(1, Ordering::SeqCst);
    }

    fn read_some(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4_096];
        let read = match &mut self.tls {
            Some(stream) => stream.read(&mut buffer)?,
            None => self.socket.read(&mut buffer)?,
        };
        if read > 0 && !self.counted {
            self.counted = true;
            self.seen.connections.fetch_add(1, Ordering::SeqCst);
        }
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
            None => self.socket.write_all(bytes),
        }
    }

    /// Sends and closes so that the client gets both at once.
    pub(crate) fn send_and_close(&mut self, bytes: &[u8]) -> io::Result<()> {
        set_tcp_cork(&self.socket, true)?;
        self.send(bytes)?;
        if let Some(stream) = &mut self.tls {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        self.close()
    }

    /// Closes without a word of TLS.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)?;
        // A close with unread bytes would become a reset.
        while self.socket.read(&mut [0; 1_024])? > 0 {}
        Ok(())
    }

    /// From here on the end of the connection is a reset.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        Ok(set_socket_linger(&self.socket, Some(Duration::ZERO))?)
    }
}
