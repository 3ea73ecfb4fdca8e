//! A socket, plain or under TLS, that counts its bytes and notes when the first byte of an answer came.
//!
//! Invariants: counting never changes what is read or written, nor costs a system call; bytes are counted as they travel,
//! below TLS; the first byte is that of an answer, above TLS, so that a session ticket is not taken for one.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::clock::Clock;

/// What a stream counted, shared with whoever sends on it.
#[derive(Debug)]
pub(crate) struct Meter {
    clock: Clock,
    read_bytes: Cell<u64>,
    written_bytes: Cell<u64>,
    /// When the first byte since [`Meter::await_first_byte`] was read.
    first_byte_ns: Cell<Option<u64>>,
    awaiting: Cell<Awaiting>,
}

/// Whether the next read is the first of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaiting {
    FirstByte,
    Rest,
}

/// Bytes that travelled since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Travelled {
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
}

impl Meter {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            read_bytes: Cell::new(0),
            written_bytes: Cell::new(0),
            first_byte_ns: Cell::new(None),
            awaiting: Cell::new(Awaiting::Rest),
        }
    }

    /// From here on the next byte read counts as the first of an answer.
    pub(super) fn await_first_byte(&self) {
        self.first_byte_ns.set(None);
        self.awaiting.set(Awaiting::FirstByte);
    }

    /// When the awaited byte came; `None` as long as nothing of an answer was seen.
    pub(crate) fn first_byte_ns(&self) -> Option<u64> {
        self.first_byte_ns.get()
    }

    /// What travelled since the last call.
    pub(crate) fn take(&self) -> Travelled {
        Travelled { read_bytes: self.read_bytes.take(), written_bytes: self.written_bytes.take() }
    }

    /// Adds what another meter counted.
    pub(super) fn add(&self, travelled: Travelled) {
        self.read_bytes.set(self.read_bytes.get() + travelled.read_bytes);
        self.written_bytes.set(self.written_bytes.get() + travelled.written_bytes);
    }

    /// The awaited byte is here.
    pub(super) fn note_first_byte(&self) {
        if self.awaiting.get() == Awaiting::FirstByte {
            self.awaiting.set(Awaiting::Rest);
            self.first_byte_ns.set(Some(self.clock.now_ns()));
        }
    }
}

/// A counting TCP stream.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: TcpStream,
    meter: Rc<Meter>,
}

impl Counted {
    pub(super) fn new(stream: TcpStream, clock: Clock) -> (Self, Rc<Meter>) {
        let meter = Rc::new(Meter::new(clock));
        (Self { stream, meter: Rc::clone(&meter) }, meter)
    }

    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.meter.written_bytes.set(self.meter.written_bytes.get() + *bytes as u64);
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let bytes = (buffer.filled().len() - before) as u64;
        self.meter.read_bytes.set(self.meter.read_bytes.get() + bytes);
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What HTTP is spoken on.
#[derive(Debug)]
pub(crate) struct Stream {
    layer: Layer,
    meter: Rc<Meter>,
}

#[derive(Debug)]
enum Layer {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

impl Stream {
    pub(super) fn plain(stream: Counted, meter: Rc<Meter>) -> Self {
        Self { layer: Layer::Plain(stream), meter }
    }

    pub(super) fn tls(stream: TlsStream<Counted>, meter: Rc<Meter>) -> Self {
        Self { layer: Layer::Tls(Box::new(stream)), meter }
    }

    pub(super) fn meter(&self) -> &Rc<Meter> {
        &self.meter
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        if buffer.filled().len() > before {
            self.meter.note_first_byte();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Layer::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(stream) => stream.is_write_vectored(),
            Layer::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
