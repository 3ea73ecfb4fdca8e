//! The balancer of requests against real sockets.

use std::net::{Ipv4Addr, SocketAddr};

use http_body_util::BodyExt;
use sandbox::testing::eventually;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::super::door::{Behind, Door};
use super::super::link::LinkState;
use super::*;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LONG: Duration = Duration::from_secs(10);

/// A server that says who it is, repeats what it gets, and at `/wait` answers when it is let.
struct Server {
    address: SocketAddr,
    let_go: Arc<Notify>,
    waiting: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind(ANYWHERE).await.unwrap();
        let (address, let_go) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
        let (waiting, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let shared = (Arc::clone(&let_go), Arc::clone(&waiting), Arc::clone(&seen));
        let serving = tokio::spawn(async move {
            let mut guests = tokio::task::JoinSet::new();
            loop {
                let (guest, _) = listener.accept().await.unwrap();
                let shared = shared.clone();
                let service = service_fn(move |request: Request<Incoming>| answer(name, shared.clone(), request));
                guests.spawn(async move {
                    let builder = hyper::server::conn::http1::Builder::new();
                    builder.serve_connection(TokioIo::new(guest), service).await.ok();
                });
            }
        });
        Self { address, let_go, waiting, seen, serving }
    }

    fn member(&self) -> Arc<Backend> {
        member(self.address)
    }
}

type Shared = (Arc<Notify>, Arc<AtomicUsize>, Arc<Mutex<Vec<HeaderMap>>>);

async fn answer(
    name: &'static str,
    (let_go, waiting, seen): Shared,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    seen.lock().unwrap().push(request.headers().clone());
    if request.uri() == "/wait" {
        waiting.fetch_add(1, Ordering::SeqCst);
        let_go.notified().await;
    }
    let echo = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Full::new(echo));
    response.headers_mut().insert("x-name", HeaderValue::from_static(name));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

fn member(address: SocketAddr) -> Arc<Backend> {
    let link = Arc::new(Link::new("m-1".into(), "m".into(), LinkState::default()));
    let backend = Backend::new(address, link);
    backend.turn_well();
    Arc::new(backend)
}

/// A balancer, and a client that keeps its one connection.
struct Front {
    members: Arc<Members>,
    link: Arc<Link>,
    address: SocketAddr,
}

impl Front {
    async fn before(backends: &[&Arc<Backend>]) -> Self {
        let members = Arc::new(Members::default());
        for backend in backends {
            members.add(Arc::clone(backend));
        }
        let link = Arc::new(Link::new("front".into(), "m".into(), LinkState::default()));
        let behind = Behind::Requests { door: Arc::clone(&link), members: Arc::clone(&members) };
        let address = Door::open(ANYWHERE, behind).await.unwrap().0.address();
        Self { members, link, address }
    }

    async fn client(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

async fn ask(client: &mut SendRequest<Full<Bytes>>, path: &str, body: &[u8]) -> (u16, String, Bytes) {
    client.ready().await.unwrap();
    let request = Request::post(path).header("host", "x").header(CONNECTION, "keep-alive").header("te", "trailers");
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let response = client.send_request(request).await.unwrap();
    assert!(response.headers().get(CONNECTION).is_none(), "a member's goodbye is not the client's");
    let name = response.headers().get("x-name").map_or(String::new(), |name| name.to_str().unwrap().to_owned());
    (response.status().as_u16(), name, response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_kept_connection_reaches_every_member_and_a_new_one_at_once() {
    let (first, second) = (Server::start("a").await, Server::start("b").await);
    let (one, two) = (first.member(), second.member());
    let front = Front::before(&[&one]).await;
    let mut client = front.client().await;
    assert_eq!(ask(&mut client, "/", b"hello").await, (200, "a".into(), Bytes::from_static(b"hello")));
    front.members.add(Arc::clone(&two));
    let mut names = Vec::new();
    for _ in 0..10 {
        names.push(ask(&mut client, "/", b"").await.1);
    }
    assert_eq!(names.iter().filter(|name| *name == "b").count(), 5, "{names:?}");
    assert_eq!((one.traffic.answered(), two.traffic.answered()), (6, 5));
    let heard = second.seen.lock().unwrap()[0].clone();
    assert!(heard.get("te").is_none() && heard["host"] == "x", "{heard:?}");
    let much: Vec<u8> = (0..3_000_000_u32).map(|byte| byte as u8).collect();
    assert!(ask(&mut client, "/", &much).await.2 == much);
}

#[tokio::test]
async fn who_leaves_ends_what_it_has_and_gets_nothing_more() {
    let (first, second) = (Server::start("a").await, Server::start("b").await);
    let (one, two) = (first.member(), second.member());
    let front = Front::before(&[&one]).await;
    let mut slow = front.client().await;
    let under_way = tokio::spawn(async move { ask(&mut slow, "/wait", b"").await });
    eventually(LONG, async || first.waiting.load(Ordering::SeqCst) == 1).await;
    front.members.add(Arc::clone(&two));
    one.leaving.store(true, Ordering::SeqCst);
    let mut client = front.client().await;
    for _ in 0..6 {
        assert_eq!(ask(&mut client, "/", b"").await.1, "b");
    }
    assert_eq!(one.traffic.under_way(), 1);
    first.let_go.notify_one();
    assert_eq!(under_way.await.unwrap(), (200, "a".into(), Bytes::new()));
    eventually(LONG, async || one.traffic.under_way() == 0).await;
}

#[tokio::test]
async fn what_was_not_sent_goes_to_the_next_and_nobody_is_503() {
    let server = Server::start("a").await;
    let (alive, gone) = (server.member(), member(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
    let front = Front::before(&[&gone, &alive]).await;
    let mut client = front.client().await;
    for _ in 0..4 {
        assert_eq!(ask(&mut client, "/", b"x").await.0, 200);
    }
    assert!(!gone.takes_requests(), "it refused, and is left out until it is well again");
    // Its connections end while they wait: the next request makes a new one, which is refused.
    server.serving.abort();
    eventually(LONG, async || TcpStream::connect(server.address).await.is_err()).await;
    let request = Request::get("/").header("host", "x").body(Full::default()).unwrap();
    client.ready().await.unwrap();
    let response = client.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
}

#[tokio::test]
async fn when_nobody_is_ready_clients_hear_it_from_the_members() {
    let (server, other) = (Server::start("a").await, Server::start("b").await);
    let (one, two) = (server.member(), other.member());
    let front = Front::before(&[&one, &two]).await;
    let mut client = front.client().await;
    one.turn_unready();
    for _ in 0..4 {
        assert_eq!(ask(&mut client, "/", b"x").await.1, "b");
    }
    two.turn_unready();
    let mut who: Vec<String> = Vec::new();
    for _ in 0..4 {
        who.push(ask(&mut client, "/", b"x").await.1);
    }
    who.sort();
    assert_eq!(who, ["a", "a", "b", "b"]);
}

#[tokio::test]
async fn what_may_have_been_sent_is_502_and_sent_once() {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = listener.local_addr().unwrap();
    let guests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&guests);
    tokio::spawn(async move {
        loop {
            let (mut guest, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            // Reads something and leaves without a word.
            tokio::io::AsyncReadExt::read(&mut guest, &mut [0; 16]).await.ok();
        }
    });
    let (one, two) = (member(address), member(address));
    let front = Front::before(&[&one, &two]).await;
    let mut client = front.client().await;
    assert_eq!(ask(&mut client, "/", b"x").await.0, 502);
    assert_eq!(guests.load(Ordering::SeqCst), 1);
    assert_eq!(one.traffic.under_way() + two.traffic.under_way(), 0);
}

#[tokio::test]
async fn a_broken_door_resets_its_clients_and_a_broken_way_is_502() {
    let server = Server::start("a").await;
    let one = server.member();
    let front = Front::before(&[&one]).await;
    let mut client = front.client().await;
    assert_eq!(ask(&mut client, "/", b"").await.0, 200);
    let waits = tokio::spawn(async move { ask(&mut client, "/wait", b"").await });
    eventually(LONG, async || server.waiting.load(Ordering::SeqCst) == 1).await;
    one.link.break_all();
    assert_eq!(waits.await.unwrap().0, 502);
    let mut raw = TcpStream::connect(front.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut raw, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut part = [0; 64];
    assert!(tokio::io::AsyncReadExt::read(&mut raw, &mut part).await.unwrap() > 0);
    front.link.break_all();
    let ended = async {
        loop {
            match tokio::io::AsyncReadExt::read(&mut raw, &mut part).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(error.kind()),
            }
        }
    };
    let ended = tokio::time::timeout(LONG, ended).await.unwrap();
    assert_eq!(ended, Some(std::io::ErrorKind::ConnectionReset));
}
