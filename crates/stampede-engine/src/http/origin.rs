//! Where connections go, and opening them: socket, TLS, and how long each took.
//!
//! Invariant: an [`Origin`] is the same for every connection of a run; nothing about it can fail except the network and
//! the server.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, Scheme};
use super::failure::RequestFailure;
use super::http2::Pool;
use super::request::RequestPlan;
use super::stream::{Counted, Stream};
use super::tls::Alpn;
use super::wire::{Transport, Wire};
use crate::clock::Clock;

/// Bytes read at once: room for most answers, and one buffer serves all connections of a thread.
const READ_BYTES: usize = 64 << 10;

/// One server and the way to it.
#[derive(Clone)]
pub(crate) struct Origin {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    transport: Transport,
    pub(super) streams_per_connection: NonZeroU32,
}

impl Origin {
    /// The server of `request` at `address`, reached as the request wants it.
    pub(crate) fn of(request: &RequestPlan, address: SocketAddr) -> Self {
        Self::new(request.endpoint(), address, (request.transport(), request.wire()))
    }

    /// The server of `endpoint` at `address`, by hyper, for requests made one by one.
    pub(crate) fn singly(endpoint: &Endpoint, address: SocketAddr) -> Self {
        Self::new(endpoint, address, (Transport::Hyper, &Wire::default()))
    }

    fn new(endpoint: &Endpoint, address: SocketAddr, (transport, wire): (Transport, &Wire)) -> Self {
        let alpn = if transport == Transport::H2 { Alpn::H2 } else { Alpn::Http1 };
        let tls = match endpoint.scheme() {
            Scheme::Http => None,
            Scheme::Https(name) => Some((wire.tls.clone().unwrap_or_default().config(alpn), name.clone())),
        };
        Self { address, tls, transport, streams_per_connection: wire.streams_per_connection }
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("address", &self.address)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// How long a connection took to come about, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Until the socket was connected.
    pub(crate) connect_ns: u64,
    /// From there until TLS was agreed; `None` without TLS.
    pub(crate) tls_ns: Option<u64>,
}

/// Opens connections to one server for one thread; clones share what the thread's connections share.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(super) origin: Origin,
    pub(super) clock: Clock,
    pub(super) shared: Rc<Shared>,
}

/// What all connections of a thread use.
#[derive(Debug, Default)]
pub(super) struct Shared {
    buffer: OnceCell<RefCell<Box<[u8]>>>,
    pub(super) h2: Pool,
}

impl Shared {
    /// What is read goes here first. It is never borrowed across an await.
    pub(super) fn buffer(&self) -> &RefCell<Box<[u8]>> {
        self.buffer.get_or_init(|| RefCell::new(vec![0; READ_BYTES].into_boxed_slice()))
    }
}

impl Dialer {
    pub(crate) fn new(origin: Origin, clock: Clock) -> Self {
        Self { origin, clock, shared: Rc::default() }
    }

    /// Connects and agrees on TLS.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub(super) async fn dial(&self) -> Result<(Stream, Opened), RequestFailure> {
        let start_ns = self.clock.now_ns();
        let address = self.origin.address;
        let stream = TcpStream::connect(address).await.map_err(|error| RequestFailure::connecting(&error))?;
        // Without this, small requests would wait for the acknowledgement of the previous one.
        stream.set_nodelay(true).map_err(|error| RequestFailure::connecting(&error))?;
        let (counted, meter) = Counted::new(stream, self.clock);
        let connected_ns = self.clock.now_ns();
        let connect_ns = connected_ns - start_ns;
        let Some((config, name)) = &self.origin.tls else {
            return Ok((Stream::plain(counted, meter), Opened { connect_ns, tls_ns: None }));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let shaken = connector.connect(name.clone(), counted).await;
        let stream = shaken.map_err(|error| RequestFailure::shaking_hands(&error))?;
        if self.origin.transport == Transport::H2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(RequestFailure::no_h2());
        }
        let tls_ns = Some(self.clock.now_ns() - connected_ns);
        Ok((Stream::tls(stream, meter), Opened { connect_ns, tls_ns }))
    }
}
