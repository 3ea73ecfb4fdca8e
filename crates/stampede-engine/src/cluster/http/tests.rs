//! Requests through a link that is disturbed: what the client is told, and how often the server was asked.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use stampede_model::chaos::HttpTrouble;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::super::door::{Behind, Door};
use super::super::link::LinkState;
use super::*;

const LONG: Duration = Duration::from_secs(10);
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A server that counts requests and answers each with its body.
async fn server() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (guest, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            let service = service_fn(move |request: Request<Incoming>| {
                counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    Ok::<_, hyper::Error>(Response::new(Full::new(body)))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(guest), service));
        }
    });
    (address, asked)
}

async fn door() -> (Arc<Door>, Arc<Link>, Arc<AtomicU32>) {
    let (to, asked) = server().await;
    let link = Arc::new(Link::new("l".into(), "l".into(), LinkState::default()));
    let behind = Behind::Place { to: to.to_string(), link: Arc::clone(&link) };
    (Door::open(ANYWHERE, behind).await.unwrap().0, link, asked)
}

fn trouble(what: HttpWhat, share: f64, seed: u64) -> LinkState {
    let http = Some(HttpTrouble { what, per_million: (share * 1e6) as u32 });
    LinkState { http, seed, ..LinkState::default() }
}

/// Asks on an open connection; everything that came back, empty when it was closed without a word.
async fn ask(stream: &mut TcpStream, body: &str) -> String {
    let head = format!("POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    if stream.write_all(head.as_bytes()).await.is_err() {
        return String::new();
    }
    let mut seen = Vec::new();
    let mut part = [0; 4_096];
    loop {
        match timeout(LONG, stream.read(&mut part)).await.unwrap() {
            Ok(0) | Err(_) => break,
            Ok(length) => seen.extend_from_slice(&part[..length]),
        }
        let text = String::from_utf8_lossy(&seen);
        let whole = |(head, rest): (&str, &str)| {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            length.is_some_and(|length: usize| rest.len() >= length)
        };
        if text.split_once("\r\n\r\n").is_some_and(whole) {
            break;
        }
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn an_error_is_the_links_own_and_the_server_is_not_asked() {
    let (door, link, asked) = door().await;
    link.set(trouble(HttpWhat::Error(502), 1.0, 7));
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    for _ in 0..3 {
        let answer = ask(&mut client, "hello").await;
        assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("x-stampede-chaos"), "{answer}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // The connection goes on when the fault is over.
    link.set(LinkState::default());
    let answer = ask(&mut client, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_dropped_answer_is_of_a_request_that_was_carried_out() {
    let (door, link, asked) = door().await;
    link.set(trouble(HttpWhat::NoAnswer, 1.0, 7));
    for number in 1..=3 {
        let mut client = TcpStream::connect(door.address()).await.unwrap();
        assert_eq!(ask(&mut client, "hello").await, "");
        assert_eq!(asked.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn a_request_that_is_passed_on_twice_is_answered_once() {
    let (door, link, asked) = door().await;
    link.set(trouble(HttpWhat::Twice, 1.0, 7));
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    for number in 1..=3 {
        let answer = ask(&mut client, "hello").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        assert_eq!(asked.load(Ordering::SeqCst), 2 * number);
    }
}

#[tokio::test]
async fn what_is_drawn_follows_from_the_seed_and_open_connections_are_reset_once() {
    let (door, link, _) = door().await;
    let mut old = TcpStream::connect(door.address()).await.unwrap();
    assert!(ask(&mut old, "hello").await.starts_with("HTTP/1.1 200"));
    link.set(trouble(HttpWhat::Error(503), 0.3, 11));
    assert_eq!(ask(&mut old, "hello").await, "", "it was reset");
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    let mut failed = Vec::new();
    for _ in 0..100 {
        failed.push(ask(&mut client, "hello").await.starts_with("HTTP/1.1 503"));
    }
    // The second connection of the link, whose first was the old one.
    let drawn: Vec<bool> = (0..100).map(|asked| draw(0xb ^ (1 << 32), asked, MILLION) < 300_000).collect();
    assert_eq!(failed, drawn);
    let count = failed.iter().filter(|is_so| **is_so).count();
    assert!((15..50).contains(&count), "{count} of 100");
}
