//! A TCP stream that counts its bytes and notes when the first byte of an answer came.
//!
//! Invariant: counting never changes what is read or written, nor costs a system call.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

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
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            read_bytes: Cell::new(0),
            written_bytes: Cell::new(0),
            first_byte_ns: Cell::new(None),
            awaiting: Cell::new(Awaiting::Rest),
        }
    }

    /// From here on the next byte read counts as the first of an answer.
    pub(crate) fn await_first_byte(&self) {
        self.first_byte_ns.set(None);
        self.awaiting.set(Awaiting::FirstByte);
    }

    /// When the awaited byte came.
    pub(crate) fn first_byte_ns(&self) -> Option<u64> {
        self.first_byte_ns.get()
    }

    /// What travelled since the last call.
    pub(crate) fn take(&self) -> Travelled {
        Travelled { read_bytes: self.read_bytes.take(), written_bytes: self.written_bytes.take() }
    }

    fn note_read(&self, bytes: usize) {
        self.read_bytes.set(self.read_bytes.get() + bytes as u64);
        if bytes > 0 && self.awaiting.get() == Awaiting::FirstByte {
            self.awaiting.set(Awaiting::Rest);
            self.first_byte_ns.set(Some(self.clock.now_ns()));
        }
    }

    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.written_bytes.set(self.written_bytes.get() + *bytes as u64);
        }
    }
}

/// A counting TCP stream.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: TcpStream,
    meter: Rc<Meter>,
}

impl Metered {
    pub(crate) fn new(stream: TcpStream, clock: Clock) -> (Self, Rc<Meter>) {
        let meter = Rc::new(Meter::new(clock));
        (Self { stream, meter: Rc::clone(&meter) }, meter)
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.meter.note_read(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.meter.note_written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.meter.note_written(&written);
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
