//! One connection of the null server.
//!
//! HTTP/1 is a loop of reading and writing, because the server must be cheaper than any client it measures; HTTP/2 is
//! hyper's.
//! Invariant: a connection holds at most one head of [`HEAD_MAX`] bytes; a body is thrown away as it comes.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{BODY, Shared};

/// Largest head of a request.
const HEAD_MAX: usize = 64 << 10;
/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// How an HTTP/2 connection begins; no HTTP/1 method does.
const PREFACE: &[u8] = b"PRI ";

/// What a head asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    body: u64,
    answer: Answer,
    then: Then,
    with_body: WithBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Ok,
    LengthRequired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    KeepOpen,
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithBody {
    Yes,
    No,
}

pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // A client that leaves in the middle, or speaks nonsense, is no concern of a server without purpose.
    drop(speak(stream, shared).await);
}

async fn speak(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if is_http2(&stream).await? { speak_http2(stream, shared).await } else { speak_http1(stream, &shared).await }
}

async fn is_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut start = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut start).await?;
        if length == 0 || start[..length] != PREFACE[..length] {
            return Ok(false);
        }
        if length == PREFACE.len() {
            return Ok(true);
        }
        // A method that begins with P, one byte of it: rare, and not worth spinning for.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn speak_http2(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            while let Some(Ok(_)) = request.body_mut().frame().await {}
            shared.take().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY.as_bytes()))))
        }
    });
    let served = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
    served.map_err(io::Error::other)
}

async fn speak_http1(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut read = BytesMut::with_capacity(4 << 10);
    let (keep, close) = (answer_text("keep-alive"), answer_text("close"));
    loop {
        let Some((head, wish)) = parse(&read)? else {
            if read.len() >= HEAD_MAX || stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            continue;
        };
        if wish.answer == Answer::LengthRequired {
            let text = b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return stream.write_all(text).await;
        }
        read.advance(head);
        if !skip(&mut stream, &mut read, wish.body).await? {
            return Ok(());
        }
        shared.take().await;
        let text = if wish.then == Then::KeepOpen { &keep } else { &close };
        let length = if wish.with_body == WithBody::Yes { text.len() } else { text.len() - BODY.len() };
        stream.write_all(&text[..length]).await?;
        if wish.then == Then::Close {
            return stream.shutdown().await;
        }
    }
}

/// Throws `left` bytes of body away; `false` when the client is gone.
async fn skip(stream: &mut TcpStream, read: &mut BytesMut, mut left: u64) -> io::Result<bool> {
    loop {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(read.len());
        read.advance(here);
        left -= here as u64;
        if left == 0 {
            return Ok(true);
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(false);
        }
    }
}

/// The header is written in HTTP/1.1 too: a client of 1.0 needs it, and nobody minds.
fn answer_text(connection: &str) -> Vec<u8> {
    let length = BODY.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: {connection}\r\n\r\n{BODY}"
    )
    .into_bytes()
}

/// The length of the head and what it asks for; `None` while it is incomplete.
fn parse(bytes: &[u8]) -> io::Result<Option<(usize, Wish)>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let with_body = if request.method == Some("HEAD") { WithBody::No } else { WithBody::Yes };
    let mut wish = Wish { body: 0, answer: Answer::Ok, then: Then::Close, with_body };
    if request.version == Some(1) {
        wish.then = Then::KeepOpen;
    }
    for header in request.headers {
        let value = || std::str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            wish.body = value().parse().map_err(io::Error::other)?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            wish.answer = Answer::LengthRequired;
        } else if header.name.eq_ignore_ascii_case("connection") {
            if value().eq_ignore_ascii_case("close") {
                wish.then = Then::Close;
            } else if value().eq_ignore_ascii_case("keep-alive") {
                wish.then = Then::KeepOpen;
            }
        }
    }
    Ok(Some((head, wish)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(head: &str) -> Wish {
        let (length, wish) = parse(head.as_bytes()).unwrap().unwrap();
        assert_eq!(length, head.find("\r\n\r\n").unwrap() + 4);
        wish
    }

    #[test]
    fn a_head_says_what_comes_after_it() {
        assert_eq!(wish("GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /").then, Then::KeepOpen);
        assert_eq!(wish("GET / HTTP/1.0\r\n\r\n").then, Then::Close);
        assert_eq!(wish("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").then, Then::KeepOpen);
        assert_eq!(wish("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").then, Then::Close);
        assert_eq!(wish("POST / HTTP/1.1\r\nContent-Length: 17\r\n\r\n").body, 17);
        assert_eq!(wish("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").answer, Answer::LengthRequired);
        assert_eq!(wish("HEAD / HTTP/1.1\r\n\r\n").with_body, WithBody::No);
    }

    #[test]
    fn half_a_head_is_waited_for_and_nonsense_is_not() {
        assert_eq!(parse(b"").unwrap(), None);
        assert_eq!(parse(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap(), None);
        assert!(parse(b"\0\0\r\n\r\n").is_err());
        assert!(parse(b"GET / HTTP/1.1\r\ncontent-length: many\r\n\r\n").is_err());
    }
}
