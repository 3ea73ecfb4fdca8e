//! Answers that are lost, and requests that arrive late.

use std::net::SocketAddr;
use std::time::Duration;

use kv_client::{Client, Error, KeyState};
use kv_types::order::{OrderLine, PlaceOrder};
use kv_types::stock::{Receive, ReceiveLine};
use kv_types::{ProductId, WarehouseId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{client, customer, product, served, units, warehouse};
use crate::world::World;

/// Lets requests through and cuts the connection instead of the first `cuts` answers.
async fn cutting(service: SocketAddr, cuts: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((mut near, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut far = TcpStream::connect(service).await.unwrap();
                if number >= cuts {
                    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
                    return;
                }
                let mut request = vec![0; 65_536];
                let length = near.read(&mut request).await.unwrap();
                far.write_all(&request[..length]).await.unwrap();
                // The answer is there, so the effect is too.
                assert!(far.read(&mut request).await.unwrap() > 0);
            });
        }
    });
    address
}

#[tokio::test]
async fn a_write_whose_answers_are_lost_happens_once() {
    let world = World::new().await;
    let door = cutting(served(&world).await, 3).await;
    let made = client(door, &world).customers().create(&customer("once")).await.unwrap();
    let rows = world.one.get("/customers").await.expect(200);
    assert_eq!(rows["data"].as_array().unwrap().len(), 1);
    assert_eq!(rows["data"][0]["id"], made.id.to_string());
}

#[tokio::test]
async fn an_outcome_that_no_attempt_could_learn_is_told_with_its_key() {
    let world = World::new().await;
    let service = served(&world).await;
    let door = cutting(service, usize::MAX).await;
    let cut_off = Client::builder(format!("http://{door}")).token(world.one.token()).attempts(2).build().unwrap();
    let error = cut_off.customers().create(&customer("lost")).await.unwrap_err();
    let Error::Unknown { key: Some(key), .. } = error else { panic!("{error:?}") };
    let settled = client(service, &world).keys().settle(&key).await.unwrap();
    assert_eq!((settled.state, settled.status), (KeyState::Completed, Some(201)));
    let unread = cut_off.customers().list(&[]).await.unwrap_err();
    assert!(matches!(unread, Error::Unreachable(_)), "a read has no outcome to learn: {unread:?}");
}

#[tokio::test]
async fn nobody_at_the_door_is_no_unknown_outcome() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::builder(format!("http://{nobody}")).token(world.one.token()).attempts(2).build().unwrap();
    let error = client.customers().create(&customer("c")).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn what_is_over_is_over_though_nobody_said_so() {
    let world = World::new().await;
    let service = served(&world).await;
    let own = client(service, &world);
    let grant = own.locks().acquire("stock:p/1", Duration::ZERO, Duration::from_secs(30)).await.unwrap();
    client(cutting(service, 1).await, &world).locks().release(&grant).await.unwrap();
    assert!(!own.locks().get("stock:p/1").await.unwrap().held);
    assert_eq!(own.locks().release(&grant).await.unwrap_err().code(), Some("lock_expired"), "nothing was lost here");
    client(cutting(service, 1).await, &world).log_out().await.unwrap();
    assert_eq!(own.log_out().await.unwrap_err().code(), Some("token_invalid"));
}

#[tokio::test]
async fn a_grant_whose_answer_is_lost_is_not_asked_for_again() {
    let world = World::new().await;
    let service = served(&world).await;
    let (wait, ttl) = (Duration::from_secs(20), Duration::from_secs(30));
    let error = client(cutting(service, 1).await, &world).locks().acquire("stock:p/1", wait, ttl).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { key: None, .. }), "{error:?}");
    let state = client(service, &world).locks().get("stock:p/1").await.unwrap();
    assert_eq!((state.held, state.waiters), (true, Some(0)));
}

#[tokio::test]
async fn a_download_that_does_not_go_on_ends() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = Client::builder(url).token(world.one.token()).attempt_timeout(Duration::from_millis(50)).build();
    let error = silent.unwrap().export("customers", &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
}

/// A way to the service on which the first request is kept back.
struct Late {
    door: SocketAddr,
    first: oneshot::Receiver<Vec<u8>>,
    third_came: oneshot::Receiver<()>,
    let_third: oneshot::Sender<()>,
}

async fn late(service: SocketAddr) -> Late {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = listener.local_addr().unwrap();
    let (keep, first) = oneshot::channel();
    let (third, third_came) = oneshot::channel();
    let (let_third, may_third) = oneshot::channel();
    tokio::spawn(async move {
        keep.send(request(&mut listener.accept().await.unwrap().0).await).ok();
        pass(&listener, service).await;
        let (mut near, _) = listener.accept().await.unwrap();
        third.send(()).ok();
        may_third.await.unwrap();
        let asked = request(&mut near).await;
        near.write_all(&deliver(service, &asked).await).await.unwrap();
        drop(near);
        loop {
            pass(&listener, service).await;
        }
    });
    Late { door, first, third_came, let_third }
}

/// One request that asks for the connection's end.
async fn request(near: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 65_536];
    let length = near.read(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
    text.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1).into_bytes()
}

async fn deliver(service: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut far = TcpStream::connect(service).await.unwrap();
    far.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.unwrap();
    answer
}

async fn pass(listener: &TcpListener, service: SocketAddr) {
    let (mut near, _) = listener.accept().await.unwrap();
    let asked = request(&mut near).await;
    near.write_all(&deliver(service, &asked).await).await.unwrap();
}

/// A product of which there is nothing yet.
struct Shelf {
    own: Client,
    product: ProductId,
    warehouse: WarehouseId,
    order: PlaceOrder,
}

impl Shelf {
    async fn new(service: SocketAddr, world: &World) -> Self {
        let own = client(service, world);
        let customer = own.customers().create(&customer("c")).await.unwrap().id;
        let product = own.products().create(&product("p")).await.unwrap().id;
        let warehouse = own.warehouses().create(&warehouse("w")).await.unwrap().id;
        let lines = vec![OrderLine { product, quantity: units(1) }];
        let order = PlaceOrder { customer, lines, reference: None, ttl: None, allow_partial: false };
        Self { own, product, warehouse, order }
    }

    async fn fill(&self) {
        let line = ReceiveLine { product: self.product, warehouse: self.warehouse, quantity: units(9) };
        self.own.receipts().book(&Receive { lines: vec![line], reference: None }).await.unwrap();
    }

    async fn orders(&self) -> Vec<kv_types::order::Order> {
        self.own.orders().list(&[]).await.unwrap().data
    }
}

#[tokio::test]
async fn what_is_told_as_refused_does_not_happen_later() {
    let world = World::new().await;
    let service = served(&world).await;
    let shelf = Shelf::new(service, &world).await;
    let Late { door, first, let_third, .. } = late(service).await;
    let_third.send(()).ok();
    let refused = client(door, &world).orders().place(&shelf.order).await.unwrap_err();
    assert_eq!(refused.code(), Some("insufficient_stock"));
    shelf.fill().await;
    let answer = String::from_utf8(deliver(service, &first.await.unwrap()).await).unwrap();
    assert!(answer.contains("idempotency_key_void"), "{answer}");
    assert_eq!(shelf.orders().await, []);
}

#[tokio::test]
async fn what_happened_behind_a_refusal_is_no_refusal() {
    let world = World::new().await;
    let service = served(&world).await;
    let shelf = Shelf::new(service, &world).await;
    let Late { door, first, third_came, let_third } = late(service).await;
    let hurried = client(door, &world);
    let orders = hurried.orders();
    let meanwhile = async {
        third_came.await.unwrap();
        shelf.fill().await;
        let answer = deliver(service, &first.await.unwrap()).await;
        assert!(answer.starts_with(b"HTTP/1.1 201"));
        let_third.send(()).ok();
    };
    let (placed, ()) = tokio::join!(orders.place(&shelf.order), meanwhile);
    assert_eq!(shelf.orders().await, [placed.unwrap()]);
}

#[tokio::test]
async fn a_callers_own_key_stays_usable() {
    let world = World::new().await;
    let service = served(&world).await;
    let shelf = Shelf::new(service, &world).await;
    let Late { door, let_third, .. } = late(service).await;
    let_third.send(()).ok();
    let keyed = client(door, &world).with_key("mine");
    let error = keyed.orders().place(&shelf.order).await.unwrap_err();
    let Error::Unknown { key: Some(key), last } = error else { panic!("{error:?}") };
    assert!(key == "mine" && last.contains("insufficient_stock"), "{key} {last}");
    shelf.fill().await;
    let placed = keyed.orders().place(&shelf.order).await.unwrap();
    assert_eq!(shelf.orders().await, [placed]);
}
