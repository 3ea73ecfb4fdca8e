//! A running server: a thread, a port, connections.
//!
//! It plays a service of two processes behind a balancer that sends connections to them in turn. They share everything;
//! only a bug may keep something per process.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{LocalSet, spawn_local};

use crate::bugs::Bug;
use crate::config::Config;
use crate::state::State;
use crate::{face, jobs, stock};

/// Connections served at once; the next one waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 2_048;
/// How many processes the service pretends to have.
const PROCESSES: usize = 2;
/// How long to wait when no connection can be taken, so that running out of files is not a busy loop.
const NO_FILE_LEFT: Duration = Duration::from_millis(10);

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with this bug, or the sound one; it listens when this returns. The seed decides its pauses.
    ///
    /// # Errors
    /// When no port, thread or reactor can be had.
    pub fn start(bug: Option<&Bug>, seed: u64, config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let flaw = bug.map(|bug| bug.flaw);
        let thread = Builder::new().name("faulty-server".to_owned()).spawn(move || {
            let state = Rc::new(State::new(flaw, seed, config));
            serve(&runtime, listener, &state, stopped);
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens: scheme, address and port, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it; when this returns nothing listens any more.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server was printed where it happened.
            drop(thread.join());
        }
    }
}

fn serve(runtime: &Runtime, listener: TcpListener, state: &Rc<State>, stopped: oneshot::Receiver<()>) {
    let everything = async {
        spawn_local(jobs::relay(Rc::clone(state)));
        spawn_local(jobs::work(Rc::clone(state)));
        spawn_local(stock::sweep(Rc::clone(state)));
        tokio::select! {
            () = accept(listener, state) => {}
            _ = stopped => {}
        }
    };
    LocalSet::new().block_on(runtime, everything);
}

async fn accept(listener: TcpListener, state: &Rc<State>) {
    // It cannot fail: the listener does not block, and this is a reactor's thread.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for connection in 0.. {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = serve_connection(stream, connection % PROCESSES, Rc::clone(state));
                spawn_local(async move {
                    served.await;
                    drop(seat);
                });
            }
            Err(_) => tokio::time::sleep(NO_FILE_LEFT).await,
        }
    }
}

async fn serve_connection(stream: TcpStream, process: usize, state: Rc<State>) {
    // Without it answers wait for acknowledgements, and the bench measures the kernel.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let state = Rc::clone(&state);
        async move { Ok::<_, Infallible>(face::respond(state, process, request).await) }
    });
    // A client that hangs up is none of the server's business.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
