//! A server of few words: one thread per connection, one manner for all.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How it answers everything but `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// 200, always.
    Open,
    /// 500, always.
    Failing,
    /// It hangs up.
    Silent,
}

type Seen = Arc<(Mutex<HashSet<String>>, Condvar)>;

/// It runs until the test program ends.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Seen,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let for_threads = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), Arc::clone(&for_threads));
                std::thread::spawn(move || serve(&stream, manner, &seen));
            }
        });
        Self { url, seen }
    }

    /// Returns once this path has been asked for.
    pub(crate) fn wait_for(&self, path: &str) {
        let (seen, changed) = &*self.seen;
        let limit = Duration::from_secs(30);
        let seen = changed.wait_timeout_while(seen.lock().unwrap(), limit, |seen| !seen.contains(path)).unwrap();
        assert!(!seen.1.timed_out(), "nobody asked for {path}");
    }
}

fn serve(stream: &TcpStream, manner: Manner, (seen, changed): &(Mutex<HashSet<String>>, Condvar)) {
    let mut lines = BufReader::new(stream).lines();
    // The requests of these tests have no bodies: a head ends at its empty line.
    while let Some(Ok(first)) = lines.next() {
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        seen.lock().unwrap().insert(path.clone());
        changed.notify_all();
        let status = match manner {
            _ if path == "/readyz" => "200 OK",
            Manner::Open => "200 OK",
            Manner::Failing => "500 Internal Server Error",
            Manner::Silent => return,
        };
        let mut stream = stream;
        if write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}").is_err() {
            return;
        }
    }
}
