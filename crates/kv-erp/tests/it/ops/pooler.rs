//! PgBouncer in transaction mode, as Debian has it, between the service and PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kv_store::{Pooler, StoreConfig, admin};
use sandbox::testing::eventually;
use sandbox::{Postgres, ProcessSpec, Supervised, free_port};
use serde_json::json;
use tempfile::TempDir;

use super::{PASSWORD, PATIENCE, Service, primary};

/// A PgBouncer with so few server connections that every client meets those of the others.
struct Bouncer {
    port: u16,
    _process: Supervised,
    folder: TempDir,
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

impl Bouncer {
    async fn before(server: &Postgres) -> Self {
        let folder = crate::process::place();
        let port = free_port().unwrap();
        let place = folder.path();
        write(place, "users", &format!("\"kv_app\" \"{PASSWORD}\"\n"));
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = {}/users\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n",
            server.port(),
            place.display()
        );
        write(place, "pgbouncer.ini", &settings);
        let program = if Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
        let mut spec = ProcessSpec::new(program).log(place.join("log"));
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root, and becomes somebody else itself.
            spec = spec.args(["--user", "nobody"]);
        }
        let process = Supervised::spawn(spec.arg(place.join("pgbouncer.ini"))).unwrap();
        let bouncer = Self { port, _process: process, folder };
        eventually(PATIENCE, async || {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            connected.map(drop).map_err(|error| format!("{error}: {}", bouncer.log()))
        })
        .await;
        bouncer
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn config(&self) -> StoreConfig {
        let url = format!("postgresql://kv_app:{PASSWORD}@127.0.0.1:{}/postgres", self.port);
        let mut config = StoreConfig::new(url.parse().unwrap());
        config.pooler = Pooler::Transaction;
        config
    }
}

#[tokio::test]
async fn the_service_works_through_a_pooler_that_mixes_its_transactions() {
    let primary = primary().await;
    let bouncer = Bouncer::before(&primary).await;
    let config = bouncer.config();
    admin::check_service(&config).await.unwrap_or_else(|error| panic!("{error}: {}", bouncer.log()));
    // Two services, so that what one left on a connection is met by the other.
    let (one, two) = (Service::on(&config).await, Service::on(&config).await);
    let caller = one.caller(&primary).await;
    let other = caller.through(&two.router);
    let (product, warehouse) = caller.stocked("SKU", 1_000).await;
    let held = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1}]});
    let each = async |number: usize| {
        let caller = if number.is_multiple_of(2) { &caller } else { &other };
        let id = caller.post("/reservations", &held).await.made();
        caller.get(&format!("/reservations/{id}")).await.expect(200);
        let keyed = caller.with("idempotency-key", format!("key-number-{number}"));
        let customer = keyed.customer(&format!("C-{number}")).await;
        assert_eq!(keyed.customer(&format!("C-{number}")).await, customer, "a repeat is answered as before");
        caller.get(&format!("/customers/{customer}")).await.expect(200);
        caller.get("/customers?limit=10").await.expect(200);
        caller.get("/customers?sort=-name&count=exact").await.expect(200);
        caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    };
    futures_util::future::join_all((0..40).map(each)).await;
    assert_eq!(caller.ask("GET /exports/customers").await.status, 200);
    let level = caller.get(&format!("/stock-levels/{product}/{warehouse}")).await.expect(200);
    assert_eq!((&level["quantity"], &level["reserved_quantity"]), (&json!(960), &json!(40)));
    assert_eq!(one.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
    assert!(!bouncer.log().contains("prepared statement"), "{}", bouncer.log());
}

#[tokio::test]
async fn a_service_that_does_not_know_of_the_pooler_and_a_role_without_limits_are_refused() {
    let primary = primary().await;
    let bouncer = Bouncer::before(&primary).await;
    let mut unaware = bouncer.config();
    unaware.pooler = Pooler::None;
    let refused = admin::check_service(&unaware).await.unwrap_err();
    let words = kv_erp::failure::chain(&refused);
    assert!(words.contains("options"), "{words}");
    super::run(&primary, "alter role kv_app in database postgres reset lock_timeout").await;
    // Connections of before keep their settings.
    super::run(&primary, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'kv_app'").await;
    let words = eventually(PATIENCE, async || {
        let refused = admin::check_service(&bouncer.config()).await.err().map(|error| error.to_string());
        refused.filter(|words| words.contains("lock_timeout"))
    })
    .await;
    assert!(words.contains("lock_timeout = 0") && words.contains("kv-erp migrate"), "{words}");
}
