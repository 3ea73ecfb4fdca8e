//! A server that gives one answer to every request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// A running server; its threads end with the test process.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Server {
    /// Answers with `status` and ten bytes.
    pub(crate) fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, counter) = (stream.unwrap(), Arc::clone(&counter));
                thread::spawn(move || serve(stream, status, &counter));
            }
        });
        Self { address, requests }
    }

    /// Reads requests and answers none.
    pub(crate) fn silent() -> Self {
        Self::answering(0)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/a", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads heads without bodies; HTTP/1.0 is closed after its answer unless it asks otherwise.
fn serve(mut stream: TcpStream, status: u16, requests: &AtomicU64) {
    let mut head = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        if status == 0 {
            head.clear();
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).unwrap().to_lowercase();
        let keep = !text.contains("http/1.0") || text.contains("connection: keep-alive");
        let connection = if keep { "keep-alive" } else { "close" };
        let answer = format!(
            "HTTP/1.1 {status} Said\r\nServer: toy/1\r\nConnection: {connection}\r\nContent-Length: 10\r\n\r\n0123456789"
        );
        if stream.write_all(answer.as_bytes()).is_err() || !keep {
            return;
        }
    }
}
