//! A connection that breaks behind a commit: what is told is what happened, whatever others have done meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::idempotency::Done;
use kv_store::stock::{Action, StockError};
use kv_store::{Server, Store, StoreConfig, StoreError, admin};
use kv_types::order::{Order, OrderStatus, PlaceOrder};
use kv_types::stock::{ReservationStatus, Reserve};
use kv_types::{MinorUnits, ProductId, WarehouseId};
use sandbox::testing::eventually;
use sandbox::{Login, Postgres, PostgresAddress, PostgresOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use crate::idempotency::{asked, run};
use crate::isolation::{fill, order_of};
use crate::support::{APP_PASSWORD, Account, House, quantity, reserve};

const SOON: Duration = Duration::from_secs(20);

/// A line to PostgreSQL that breaks when a commit passes: the commit arrives, its answer does not.
struct Line {
    port: u16,
    is_armed: Arc<AtomicBool>,
    /// Whether connections are let through. Those that come meanwhile wait.
    is_open: watch::Sender<bool>,
}

impl Line {
    async fn to(address: &PostgresAddress) -> Self {
        let socket = address.socket_dir().unwrap().join(format!(".s.PGSQL.{}", address.port()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_armed, (is_open, gate)) = (Arc::new(AtomicBool::new(false)), watch::channel(true));
        let (armed, sender) = (Arc::clone(&is_armed), is_open.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, socket.clone(), Arc::clone(&armed), sender.clone(), gate.clone()));
            }
        });
        Self { port, is_armed, is_open }
    }

    /// A store with one stock writer whose connections go through the line.
    fn store(&self, server: &Server) -> Store {
        let config = server.config();
        let through = format!(
            "host=127.0.0.1 port={} user={} password={} dbname={}",
            self.port,
            config.get_user().unwrap(),
            APP_PASSWORD,
            config.get_dbname().unwrap()
        );
        let mut config = StoreConfig::new(through.parse().unwrap());
        config.stock_writers = 1;
        Store::open(&config).unwrap()
    }

    /// The next commit is the last that passes, until [`Line::mend`].
    fn arm(&self) {
        self.is_armed.store(true, Ordering::SeqCst);
    }

    async fn until_severed(&self) {
        eventually(SOON, async || !*self.is_open.borrow()).await;
    }

    fn mend(&self) {
        self.is_open.send(true).unwrap();
    }
}

async fn carry(
    mut client: TcpStream,
    socket: PathBuf,
    is_armed: Arc<AtomicBool>,
    is_open: watch::Sender<bool>,
    mut gate: watch::Receiver<bool>,
) {
    gate.wait_for(|open| *open).await.unwrap();
    let Ok(mut server) = UnixStream::connect(socket).await else { return };
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                let is_commit = up[..read].windows(7).any(|bytes| bytes == b"commit\0");
                if server.write_all(&up[..read]).await.is_err() { return }
                if is_commit && is_armed.swap(false, Ordering::SeqCst) {
                    is_open.send(false).unwrap();
                    // Until the server has nothing more to say to it, so that the commit is done.
                    drop(client);
                    server.shutdown().await.unwrap();
                    while matches!(server.read(&mut down).await, Ok(1..)) {}
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() { return }
            }
        }
    }
}

async fn until_status(store: &Store, one: Account, order: &Order, status: OrderStatus) {
    eventually(SOON, async || store.order(one.tenant, order.id).await.unwrap().unwrap().status == status).await;
}

/// An order's confirmation moves no stock, and another replica has called the order off before anybody could look.
#[tokio::test]
async fn a_lost_commit_is_told_although_the_row_has_moved_on() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let one = house.one;
    let order = order_of(goods.customer.id, goods.key.0, 1);
    let order = house.store.stock().place_order(one.tenant, one.user, order, None).await.unwrap();
    let line = Line::to(sandbox::testing::postgres().await.address()).await;
    let severed = line.store(&crate::support::app_config(&house.database));
    line.arm();
    let confirming = {
        let severed = severed.clone();
        tokio::spawn(async move { severed.stock().confirm_order(one.tenant, one.user, order.id, None).await })
    };
    line.until_severed().await;
    until_status(&house.store, one, &order, OrderStatus::Confirmed).await;
    house.store.stock().cancel_order(one.tenant, one.user, order.id, None).await.unwrap();
    line.mend();
    let confirmed = confirming.await.unwrap().unwrap();
    assert_eq!((confirmed.status, confirmed.version), (OrderStatus::Confirmed, 2));
    house.assert_ledger_holds().await;
}

/// What is lost on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    /// It moves stock.
    Movement,
    /// It moves none.
    Step,
    /// Likewise, under an idempotency key.
    KeyedStep,
}

/// The same when the server has been started anew since, so that the transaction's number proves nothing: a movement proves itself, and
/// so does a key; of a row that has moved on nothing is claimed.
#[tokio::test]
async fn after_a_crash_a_lost_commit_is_proved_or_said_to_be_unknown() {
    let mut server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let superuser: Server = server.url().parse().unwrap();
    admin::migrate(&superuser, Some(APP_PASSWORD)).await.unwrap();
    let mut provisioner = Provisioner::connect(&superuser).await.unwrap();
    let tenant = provisioner.create_tenant("one", "One").await.unwrap();
    let new =
        NewUser { tenant: "one", email: "a@b.c", password_hash: "-", role: Role::Clerk, rate_limit_per_minute: None };
    let one = Account { tenant, user: provisioner.create_user(&new).await.unwrap() };
    let app: Server =
        server.url_for("postgres", Login::Role { name: "kv_app", password: APP_PASSWORD }).parse().unwrap();
    let store = Store::open(&StoreConfig::new(app.clone())).unwrap();
    let (key, order) = goods(&store, one).await;
    let line = Line::to(server.address()).await;
    let severed = line.store(&app);

    for lost in [Lost::Movement, Lost::Step, Lost::KeyedStep] {
        line.arm();
        let order = store.stock().place_order(one.tenant, one.user, order.clone(), None).await.unwrap();
        let (again, id) = (severed.clone(), order.id);
        let wish = Reserve { reference: Some("severed".to_owned()), ..reserve(&[(key, 2)]) };
        let acting = tokio::spawn(async move {
            match lost {
                Lost::Movement => {
                    let held = again.stock().reserve(one.tenant, one.user, wish, None).await;
                    held.map(|held| held.status == ReservationStatus::Pending)
                }
                Lost::Step => again.stock().confirm_order(one.tenant, one.user, id, None).await.map(|_| true),
                Lost::KeyedStep => {
                    let confirmed = run(&again, one, Action::ConfirmOrder(id), asked("lost", 1)).await;
                    confirmed.map(|done| matches!(done, Done::Now(_)))
                }
            }
        });
        line.until_severed().await;
        if lost == Lost::Movement {
            let is_held =
                async || store.stock_level(tenant, key.0, key.1).await.unwrap().unwrap().reserved_quantity == 3;
            eventually(SOON, is_held).await;
        } else {
            until_status(&store, one, &order, OrderStatus::Confirmed).await;
        }
        server.kill().await;
        eventually(SOON, async || store.ping().await.is_err()).await;
        // The killed server's last processes may hold its memory for another moment.
        let mut tries = 0;
        while let Err(error) = server.restart().await {
            tries += 1;
            assert!(tries < 10, "{error}");
        }
        eventually(SOON, async || store.ping().await).await;
        if lost != Lost::Movement {
            let cancel = async || store.stock().cancel_order(one.tenant, one.user, order.id, None).await;
            eventually(SOON, cancel).await;
        }
        line.mend();
        let told = acting.await.unwrap();
        if lost == Lost::Step {
            assert!(matches!(told, Err(StockError::Store(StoreError::OutcomeUnknown))), "{told:?}");
        } else {
            assert!(matches!(told, Ok(true)), "{lost:?}: {told:?}");
        }
    }
    assert_eq!(store.audit_stock(tenant).await.unwrap(), vec![]);
}

/// Ten units of a product, and what orders one of them.
async fn goods(store: &Store, one: Account) -> ((ProductId, WarehouseId), PlaceOrder) {
    use kv_types::catalogue::{NewCustomer, NewProduct, NewWarehouse};
    use kv_types::stock::{Receive, ReceiveLine};
    let product = NewProduct {
        sku: "a".to_owned(),
        name: "A".to_owned(),
        description: None,
        uom: "unit".to_owned(),
        price: MinorUnits::parse_price(250).unwrap(),
        currency: "EUR".parse().unwrap(),
        active: true,
    };
    let product = store.create_product(one.tenant, &product).await.unwrap().id;
    let warehouse = NewWarehouse { code: "w".to_owned(), name: "W".to_owned(), priority: 1, active: true };
    let warehouse = store.create_warehouse(one.tenant, &warehouse).await.unwrap().id;
    let customer = NewCustomer { code: "c".to_owned(), name: "C".to_owned(), email: None, phone: None };
    let customer = store.create_customer(one.tenant, &customer).await.unwrap().id;
    let line = ReceiveLine { product, warehouse, quantity: quantity(10) };
    let receive = Receive { lines: vec![line], reference: None };
    store.stock().receive(one.tenant, one.user, receive, None).await.unwrap();
    ((product, warehouse), order_of(customer, product, 1))
}
