//! Doors and links against real sockets: what a client sees of each disturbance, and where the balancer leads.

use std::sync::atomic::AtomicU32;

use stampede_model::chaos::{Direction, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::super::backend::Backend;
use super::super::link::LinkState;
use super::*;

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Longer than anything that is not disturbed takes.
const LONG: Duration = Duration::from_secs(10);
/// Shorter than anything that is silent stays so.
const SHORT: Duration = Duration::from_millis(300);

/// A server that sends back what it gets, and counts its guests.
async fn echo() -> (SocketAddr, Arc<AtomicU32>, JoinHandle) {
    let listener = TcpListener::bind(ANYWHERE).await.unwrap();
    let (address, guests) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&guests);
    let serving = tokio::spawn(async move {
        loop {
            let (mut guest, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let (mut read, mut write) = guest.split();
                tokio::io::copy(&mut read, &mut write).await.ok();
                write.shutdown().await.ok();
            });
        }
    });
    (address, guests, serving)
}

type JoinHandle = tokio::task::JoinHandle<()>;

async fn door() -> (Arc<Door>, Arc<Link>) {
    let (to, _, _) = echo().await;
    let link = Arc::new(Link::new("l".into(), "l".into(), LinkState::default()));
    let behind = Behind::Place { to: to.to_string(), link: Arc::clone(&link) };
    (Door::open(ANYWHERE, behind).await.unwrap().0, link)
}

async fn said_back(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    timeout(LONG, stream.read_exact(&mut back)).await??;
    Ok(back)
}

#[tokio::test]
async fn a_calm_door_changes_nothing() {
    let (door, link) = door().await;
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    let much: Vec<u8> = (0..1_000_000_u32).map(|byte| byte as u8).collect();
    let (mut read, mut write) = client.split();
    let send = async {
        write.write_all(&much).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let ((), got) = tokio::join!(send, timeout(LONG, read.read_to_end(&mut back)));
    got.unwrap().unwrap();
    assert!(back == much, "{} of {} bytes came back", back.len(), much.len());
    drop(client);
    sandbox::testing::eventually(LONG, async || link.open() == 0).await;
}

#[tokio::test]
async fn latency_is_added_each_way_it_is_asked_for_and_ends_with_the_fault() {
    let (door, link) = door().await;
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    for (direction, least_ms) in [(Direction::Both, 200), (Direction::Up, 100), (Direction::Down, 100)] {
        let limits = Limits { latency_ms: 100, jitter_ms: 0, ..Limits::default() };
        link.set(LinkState { limits, direction, ..LinkState::default() });
        let began = Instant::now();
        assert_eq!(said_back(&mut client, b"hello").await.unwrap(), b"hello");
        assert!(began.elapsed() >= Duration::from_millis(least_ms), "{direction:?}: {:?}", began.elapsed());
    }
    link.set(LinkState::default());
    assert_eq!(said_back(&mut client, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn jitter_never_turns_the_order_round() {
    let (door, link) = door().await;
    let limits = Limits { latency_ms: 1, jitter_ms: 30, ..Limits::default() };
    link.set(LinkState { limits, seed: 7, ..LinkState::default() });
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    client.set_nodelay(true).unwrap();
    let (mut read, mut write) = client.split();
    let send = async {
        for number in 0..50_u8 {
            write.write_all(&[number]).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let mut back = [0; 50];
    let ((), got) = tokio::join!(send, timeout(LONG, read.read_exact(&mut back)));
    got.unwrap().unwrap();
    assert_eq!(back.to_vec(), (0..50).collect::<Vec<u8>>());
}

#[tokio::test]
async fn a_narrow_link_passes_on_no_more_than_its_rate() {
    let (door, link) = door().await;
    let limits = Limits { bytes_per_s: 20_000, ..Limits::default() };
    link.set(LinkState { limits, direction: Direction::Up, ..LinkState::default() });
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    let began = Instant::now();
    said_back(&mut client, &[7; 10_000]).await.unwrap();
    // The first part goes at once, the last is not waited for.
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_cut_link_refuses_ends_what_it_had_and_listens_again() {
    let (door, link) = door().await;
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    said_back(&mut client, b"hello").await.unwrap();
    link.set(LinkState { gate: Gate::Refuse, ..LinkState::default() });
    let ended = timeout(LONG, client.read(&mut [0])).await.unwrap().unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
    sandbox::testing::eventually(LONG, async || {
        TcpStream::connect(door.address()).await.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
    .await;
    link.set(LinkState::default());
    sandbox::testing::eventually(LONG, async || door.is_listening()).await;
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    assert_eq!(said_back(&mut client, b"whole").await.unwrap(), b"whole");
}

#[tokio::test]
async fn a_resetting_link_accepts_and_resets() {
    let (door, link) = door().await;
    let mut old = TcpStream::connect(door.address()).await.unwrap();
    said_back(&mut old, b"hello").await.unwrap();
    link.set(LinkState { gate: Gate::Reset, ..LinkState::default() });
    let mut new = TcpStream::connect(door.address()).await.unwrap();
    for stream in [&mut old, &mut new] {
        let ended = timeout(LONG, stream.read(&mut [0])).await.unwrap().unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_silent_link_says_nothing_and_loses_nothing() {
    let (door, link) = door().await;
    let mut old = TcpStream::connect(door.address()).await.unwrap();
    said_back(&mut old, b"hello").await.unwrap();
    link.set(LinkState { silent: Some(Direction::Both), ..LinkState::default() });
    let mut new = TcpStream::connect(door.address()).await.unwrap();
    for stream in [&mut old, &mut new] {
        stream.write_all(b"later").await.unwrap();
        assert!(timeout(SHORT, stream.read(&mut [0])).await.is_err(), "a silent link said something");
    }
    link.set(LinkState::default());
    for stream in [&mut old, &mut new] {
        let mut back = [0; 5];
        timeout(LONG, stream.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(&back, b"later");
    }
}

#[tokio::test]
async fn the_end_of_a_connection_can_be_late() {
    let (door, link) = door().await;
    let limits = Limits { close_ms: 300, ..Limits::default() };
    link.set(LinkState { limits, direction: Direction::Down, ..LinkState::default() });
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    said_back(&mut client, b"hello").await.unwrap();
    let began = Instant::now();
    client.shutdown().await.unwrap();
    assert_eq!(timeout(LONG, client.read(&mut [0])).await.unwrap().unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

fn backend(address: SocketAddr, number: u32) -> Arc<Backend> {
    let link = Arc::new(Link::new(format!("m-{number}"), "m".into(), LinkState::default()));
    let backend = Backend::new(address, link);
    backend.turn_well();
    Arc::new(backend)
}

#[tokio::test]
async fn the_balancer_leads_to_the_least_busy_and_leaves_out_who_refuses_or_leaves() {
    let members = Arc::new(Members::default());
    let (first, first_guests, first_serving) = echo().await;
    let (second, second_guests, _) = echo().await;
    let backends = [backend(first, 1), backend(second, 2)];
    for backend in &backends {
        members.add(Arc::clone(backend));
    }
    let link = Arc::new(Link::new("front".into(), "m".into(), LinkState::default()));
    let behind = Behind::Members { door: link, members: Arc::clone(&members) };
    let (door, _) = Door::open(ANYWHERE, behind).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..10 {
        let mut client = TcpStream::connect(door.address()).await.unwrap();
        said_back(&mut client, b"hello").await.unwrap();
        open.push(client);
    }
    let counts = || (first_guests.load(Ordering::Relaxed), second_guests.load(Ordering::Relaxed));
    assert_eq!(counts(), (5, 5));
    // One that ends is found out by the first connection that it refuses, which another member then gets.
    first_serving.abort();
    sandbox::testing::eventually(LONG, async || TcpStream::connect(first).await.is_err()).await;
    let refused_before = first_guests.load(Ordering::Relaxed);
    open.clear();
    for _ in 0..4 {
        let mut client = TcpStream::connect(door.address()).await.unwrap();
        said_back(&mut client, b"hello").await.unwrap();
    }
    assert_eq!(counts(), (refused_before, 9));
    assert!(!backends[0].takes_requests());
    // Nobody is left: the client is told at once.
    backends[1].leaving.store(true, Ordering::Relaxed);
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    assert!(timeout(LONG, client.read(&mut [0])).await.unwrap().is_err());
    members.remove(&backends[1]);
    assert_eq!(members.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_come_at_once_are_shared_also_when_one_member_has_more() {
    let members = Arc::new(Members::default());
    let (first, first_guests, _) = echo().await;
    let (second, second_guests, _) = echo().await;
    for (address, number) in [(first, 1), (second, 2)] {
        members.add(backend(address, number));
    }
    let link = Arc::new(Link::new("front".into(), "m".into(), LinkState::default()));
    let (door, _) = Door::open(ANYWHERE, Behind::Members { door: link, members }).await.unwrap();
    let mut alone = TcpStream::connect(door.address()).await.unwrap();
    said_back(&mut alone, b"hello").await.unwrap();
    let crowd = futures_util::future::join_all((0..40).map(|_| TcpStream::connect(door.address()))).await;
    let mut crowd: Vec<TcpStream> = crowd.into_iter().map(Result::unwrap).collect();
    for client in &mut crowd {
        said_back(client, b"hello").await.unwrap();
    }
    let counts = (first_guests.load(Ordering::Relaxed), second_guests.load(Ordering::Relaxed));
    assert_eq!(counts.0 + counts.1, 41);
    assert!(counts.0.abs_diff(counts.1) <= 8, "{counts:?}");
}

/// What a client gets of whoever is behind the door: an answer, or the end.
async fn is_led(door: &Door) -> bool {
    let mut client = TcpStream::connect(door.address()).await.unwrap();
    said_back(&mut client, b"hello").await.is_ok()
}

#[tokio::test]
async fn when_nobody_is_well_those_that_answer_are_led_to_and_only_then() {
    let members = Arc::new(Members::default());
    let (first, first_guests, _) = echo().await;
    let (second, second_guests, _) = echo().await;
    let backends = [backend(first, 1), backend(second, 2)];
    for backend in &backends {
        members.add(Arc::clone(backend));
    }
    let link = Arc::new(Link::new("front".into(), "m".into(), LinkState::default()));
    let (door, _) = Door::open(ANYWHERE, Behind::Members { door: link, members: Arc::clone(&members) }).await.unwrap();
    backends[0].turn_unready();
    for _ in 0..4 {
        assert!(is_led(&door).await);
    }
    let counts = || (first_guests.load(Ordering::Relaxed), second_guests.load(Ordering::Relaxed));
    assert_eq!(counts(), (0, 4));
    backends[1].turn_unready();
    // A connection that has just ended still counts for a moment.
    sandbox::testing::eventually(LONG, async || backends.iter().all(|backend| backend.link.busy() == 0)).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut client = TcpStream::connect(door.address()).await.unwrap();
        said_back(&mut client, b"hello").await.unwrap();
        open.push(client);
    }
    assert_eq!(counts(), (2, 6));
    // One that says nothing has nothing to tell, and one that leaves is not asked any more.
    backends[0].turn_silent();
    assert!(is_led(&door).await);
    assert_eq!(counts(), (2, 7));
    backends[1].leaving.store(true, Ordering::SeqCst);
    assert!(!is_led(&door).await);
}

#[test]
fn who_is_well_and_since_when_is_known() {
    let members = Members::default();
    let one = Arc::new(backend_at_nothing());
    members.add(Arc::clone(&one));
    assert!(one.unwell_for().is_some() && !members.any_well_for(Duration::ZERO));
    one.turn_well();
    assert!(members.any_well_for(Duration::ZERO) && !members.any_well_for(LONG) && one.unwell_for().is_none());
    one.turn_unready();
    assert!(!members.any_well_for(Duration::ZERO) && one.can_say_why());
    assert!(one.turn_silent(), "it could be led to");
    assert!(!one.turn_silent(), "it could not any more");
    assert!(one.unwell_for().is_some() && !one.can_say_why());
}

fn backend_at_nothing() -> Backend {
    Backend::new(ANYWHERE, Arc::new(Link::new("m".into(), "m".into(), LinkState::default())))
}
