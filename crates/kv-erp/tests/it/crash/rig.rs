//! The real program as a process of its own on a durable PostgreSQL of its own, both of which can be killed and brought back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kv_erp::credentials::token::{Token, TokenKind};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::stock::verify_chains;
use kv_store::{Server, Store, StoreConfig, admin};
use kv_types::{ProductId, TenantId, WarehouseId};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use sandbox::testing::eventually;
use sandbox::{Login, Postgres, PostgresOptions, ProcessSpec, Session, Supervised, free_port};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::client::Connection;
use super::told::{Attempt, End, Record, Told};

const APP_PASSWORD: &str = "crash-app-password";
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Until a commit is seen to be held.
const HELD_WITHIN: Duration = Duration::from_mins(1);
/// A commit that is held is let go when a statement's time is over, and a request is answered when its own is: the crash is to come
/// before either, also on a machine that has much else to do.
const LONG_TIMES: [&str; 6] =
    ["--statement-timeout-ms", "30000", "--request-timeout-ms", "60000", "--lock-ttl-ms", "40000"];

/// More than the service has under way.
const TRANSACTIONS_OF_OTHERS: usize = 20;

/// Where a commit stands still.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold {
    /// Before any of it is on disk.
    BeforeDisk,
    /// When it is on disk.
    BeforeAnswer,
}

/// Where the service is, and who asks.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: String,
    pub(crate) token: String,
}

/// A stock level that is fought over.
#[derive(Clone)]
pub(crate) struct Level {
    pub(crate) product: ProductId,
    pub(crate) warehouse: WarehouseId,
}

impl Level {
    pub(crate) fn line(&self, units: i64) -> Value {
        json!({"product_id": self.product, "warehouse_id": self.warehouse, "quantity": units})
    }

    /// So many units more than the level says.
    pub(crate) fn more(&self, units: i64) -> Value {
        json!({"product_id": self.product, "warehouse_id": self.warehouse, "delta": units})
    }
}

pub(crate) struct Rig {
    postgres: Postgres,
    service: Supervised,
    door: Door,
    pub(crate) tenant: TenantId,
    /// A reader of its own, beside the service.
    pub(crate) store: Store,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(PostgresOptions::default()).await
    }

    pub(crate) async fn start_with(options: PostgresOptions) -> Self {
        let postgres = Postgres::start(options).await.unwrap();
        let superuser = postgres.url().parse().unwrap();
        admin::migrate(&superuser, Some(APP_PASSWORD)).await.unwrap();
        let (tenant, token) = provision(&superuser).await;
        let door = Door { address: format!("127.0.0.1:{}", free_port().unwrap()), token };
        let service = serve(&postgres, &door).await;
        let store = Store::open(&StoreConfig::new(app_url(&postgres).parse().unwrap())).unwrap();
        Self { postgres, service, door, tenant, store }
    }

    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    /// Products with some units each in one warehouse, made over HTTP, and the record of that.
    pub(crate) async fn stock(&self, products: usize, units: i64) -> (Vec<Level>, Record) {
        let mut connection = Connection::open(&self.door).await.unwrap();
        let (mut levels, mut record) = (Vec::new(), Record::default());
        let warehouse = made(&mut connection, "warehouses", &json!({"code": "w", "name": "W"})).await;
        for number in 0..products {
            let product = json!({"sku": format!("hot-{number}"), "name": "Hot", "price_minor": 1, "currency": "EUR"});
            let product = made(&mut connection, "products", &product).await;
            let level = Level { product: product.parse().unwrap(), warehouse: warehouse.parse().unwrap() };
            let reference = format!("first-{number}");
            let body = json!({"items": [level.line(units)], "reference": reference});
            let told = Told::Yes(made(&mut connection, "stock-receipts", &body).await);
            record.receipts.push(Attempt { reference, level: number, units, told, end: End::Pending });
            levels.push(level);
        }
        (levels, record)
    }

    /// The database as its superuser sees it.
    pub(crate) async fn look_inside(&self) -> Session {
        self.postgres.connect("postgres").await.unwrap()
    }

    /// The chains of movements as an administrator reads them.
    pub(crate) async fn assert_chains_hold(&self) {
        let superuser = self.postgres.url_for("postgres", Login::Superuser).parse().unwrap();
        let mut broken = Vec::new();
        let verified = verify_chains(&superuser, None, |each| broken.push(each)).await.unwrap().unwrap();
        assert!(verified.movements > 0 && verified.unhashed == 0, "{verified:?}");
        assert_eq!(broken, vec![]);
    }

    /// The same by `kv-erp admin verify`.
    pub(crate) async fn assert_verified(&self) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kv-erp"));
        command.args(["admin", "verify", "--tenant", "crash", "--database-url", &self.postgres.url()]);
        let output = command.output().await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains(" 0 broken"), "{said}");
    }

    /// All that PostgreSQL has logged in all its lives.
    pub(crate) fn postgres_log(&self) -> String {
        std::fs::read_to_string(self.postgres.folder().join("server.log")).unwrap()
    }

    /// The most memory that the service has had, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn assert_serving(&self) {
        assert!(self.service.is_running(), "the service ended: {}", self.service.log_tail(20));
    }

    /// A worker with short times, so that what a kill delays is not delayed for long.
    pub(crate) async fn worker(&self, redis_url: &str) -> Supervised {
        let log = self.postgres.folder().join("worker.log");
        let spec = ProcessSpec::new(env!("CARGO_BIN_EXE_kv-erp"))
            .args(["worker", "--listen", "127.0.0.1:0", "--redis-url", redis_url, "--webhook-allow-private"])
            .args(["--job-lease-ms", "2000", "--job-patience-ms", "3000"])
            .env("KV_DATABASE_URL", app_url(&self.postgres))
            .log(&log);
        let worker = Supervised::spawn(spec).unwrap();
        eventually(READY_WITHIN, async || {
            assert!(worker.is_running(), "the worker ended: {}", worker.log_tail(20));
            worker.log_tail(50).contains("kv-erp works").then_some(())
        })
        .await;
        worker
    }

    /// SIGKILL for the service and for every process of PostgreSQL.
    pub(crate) async fn kill(&self) {
        tokio::join!(self.service.kill(), self.kill_postgres());
    }

    /// SIGKILL for the service alone.
    pub(crate) async fn kill_service(&self) {
        self.service.kill().await;
    }

    /// SIGKILL for every process of PostgreSQL. Without their postmaster the others would end by themselves, but each only when
    /// it is done with what it is doing; here nobody finishes a commit or says that it did.
    pub(crate) async fn kill_postgres(&self) {
        let pid = self.postgres.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        // Held before the first dies, so that no signal can meet a later process with the same number.
        let children: Vec<_> = children
            .split_whitespace()
            .filter_map(|child| Pid::from_raw(child.parse().unwrap()))
            .filter_map(|child| pidfd_open(child, PidfdFlags::empty()).ok())
            .collect();
        // The postmaster first: it would start others in place of those that die.
        tokio::join!(self.postgres.kill(), async {
            for child in children {
                // One that has ended meanwhile is as dead as it should be.
                pidfd_send_signal(child, Signal::KILL).ok();
            }
        });
    }

    pub(crate) async fn restart(&mut self) {
        self.restart_postgres().await;
        self.restart_service().await;
    }

    pub(crate) async fn restart_service(&mut self) {
        self.service = serve(&self.postgres, &self.door).await;
    }

    pub(crate) async fn restart_postgres(&mut self) {
        self.postgres.restart().await.unwrap();
        self.let_others_write().await;
        eventually(READY_WITHIN, async || self.store.ping().await).await;
    }

    /// Makes PostgreSQL slow at one point of a commit, and returns once the service waits there.
    pub(crate) async fn hold_commits(&self, at: Hold) {
        let inside = self.look_inside().await;
        let (settings, held): (&[_], _) = match at {
            // The longest there is, 100 ms, with the lock held without which nobody writes the log.
            Hold::BeforeDisk => (
                &[("commit_siblings", "0"), ("commit_delay", "100000")],
                "select from pg_stat_activity where usename = 'kv_app' and state = 'active' and query = 'commit'",
            ),
            // A commit is answered when this standby has it, too, and there is none.
            Hold::BeforeAnswer => (
                &[("synchronous_standby_names", "nobody")],
                "select from pg_stat_activity where usename = 'kv_app' and wait_event = 'SyncRep'",
            ),
        };
        for (name, value) in settings {
            inside.batch_execute(&format!("alter system set {name} = '{value}'")).await.unwrap();
        }
        inside.query_one("select pg_reload_conf()", &[]).await.unwrap();
        let held = inside.prepare(held).await.unwrap();
        eventually(HELD_WITHIN, async || !inside.query(&held, &[]).await.unwrap().is_empty()).await;
        // For the server that is started next; this one does not read it any more.
        inside.batch_execute("alter system reset all").await.unwrap();
        eventually(HELD_WITHIN, async || !inside.query(&held, &[]).await.unwrap().is_empty()).await;
    }

    /// Transactions of somebody else, which get the numbers of those that the crash has wiped out.
    async fn let_others_write(&self) {
        let inside = self.look_inside().await;
        for _ in 0..TRANSACTIONS_OF_OTHERS {
            inside.query_one("select pg_current_xact_id()", &[]).await.unwrap();
        }
    }
}

async fn made(connection: &mut Connection, what: &str, body: &Value) -> String {
    let (status, answer) = connection.post(&format!("/api/v1/{what}"), body).await.unwrap();
    assert_eq!(status, 201, "{what}: {answer}");
    answer["id"].as_str().unwrap().to_owned()
}

fn app_url(postgres: &Postgres) -> String {
    postgres.url_for("postgres", Login::Role { name: "kv_app", password: APP_PASSWORD })
}

async fn serve(postgres: &Postgres, door: &Door) -> Supervised {
    let spec = ProcessSpec::new(env!("CARGO_BIN_EXE_kv-erp"))
        .args(["api", "--log", "warn", "--listen", &door.address])
        .args(LONG_TIMES)
        .env("KV_DATABASE_URL", app_url(postgres))
        .log(postgres.folder().join("kv-erp.log"));
    let service = Supervised::spawn(spec).unwrap();
    eventually(READY_WITHIN, async || {
        assert!(service.is_running(), "the service ended: {}", service.log_tail(20));
        TcpStream::connect(&door.address).await
    })
    .await;
    service
}

async fn provision(superuser: &Server) -> (TenantId, String) {
    let mut provisioner = Provisioner::connect(superuser).await.unwrap();
    let tenant = provisioner.create_tenant("crash", "Crash").await.unwrap();
    let email = "hammer@crash.example";
    let new = NewUser {
        tenant: "crash",
        email,
        password_hash: "-",
        role: Role::Manager,
        rate_limit_per_minute: Some(1_000_000_000),
    };
    provisioner.create_user(&new).await.unwrap();
    let token = Token::generate(TokenKind::Api);
    let expires_at = Timestamp::now() + SignedDuration::from_hours(1);
    provisioner.create_token(email, &token.hash(), expires_at).await.unwrap();
    (tenant, token.reveal().to_owned())
}
