//! Twins: whatever the first tenant has, the second one has under the same ids with other contents, beside things of its own.
//!
//! An id alone then never says whose a row is, so each predicate on the tenant is needed, also the one behind another that would
//! have found nothing.

use std::collections::HashSet;
use std::fmt::Write as _;

use kv_store::StoreConfig;
use kv_store::idempotency::Done;
use kv_store::imports::{NewImport, creation};
use kv_types::catalogue::NewCustomer;
use kv_types::imports::{ImportKind, OnConflict};
use kv_types::order::PlaceOrder;
use kv_types::stock::{Reservation, Reserve};
use kv_types::{CustomerId, ImportId, OrderId, ProductId, Ttl, WarehouseId};
use sandbox::testing::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::isolation::{Goods, fill, order_of};
use crate::support::{Account, House, app_config, reserve};

/// Things that nothing refers to, so that nothing but a predicate keeps them from being deleted.
pub(super) struct Idle {
    pub(super) customer: CustomerId,
    pub(super) product: ProductId,
    pub(super) warehouse: WarehouseId,
}

/// Two tenants that are twins, and how to bring them back to where they began.
pub(super) struct Twins {
    database: TestDatabase,
    pub(super) one: Account,
    pub(super) two: Account,
    pub(super) superuser: Client,
    tables: Vec<String>,
    order_number: i64,
    /// Every id that was there from the beginning.
    ids: HashSet<Uuid>,
    /// The first tenant's, with a twin each.
    pub(super) own: Goods,
    pub(super) own_idle: Idle,
    /// Two levels of 3 units: of two reservations on each one is due. Both twins are.
    pub(super) reclaimed: [(ProductId, WarehouseId); 2],
    /// 2 units, reserved for long. The twin is due.
    pub(super) reserved: (ProductId, WarehouseId),
    /// 2 units, of an order that is due.
    pub(super) ordered: (ProductId, WarehouseId),
    /// That order.
    pub(super) ordered_id: OrderId,
    /// Of the second tenant alone.
    pub(super) foreign: Goods,
    pub(super) foreign_idle: Idle,
    pub(super) foreign_held: Reservation,
    /// An order besides the one among the goods.
    pub(super) foreign_placed: OrderId,
    /// A further one.
    pub(super) foreign_grouped: OrderId,
    /// Of customers, products and goods, none of which was begun.
    pub(super) imports: [ImportId; 3],
    pub(super) foreign_import: ImportId,
}

async fn idle(house: &House, account: Account, sku: &str) -> Idle {
    let new = NewCustomer { code: sku.to_owned(), name: "Idle".to_owned(), email: None, phone: None };
    Idle {
        customer: house.store.create_customer(account.tenant, &new).await.unwrap().id,
        product: house.product(account, sku).await,
        warehouse: house.warehouse(account, sku, 1).await,
    }
}

async fn held(house: &House, account: Account, key: (ProductId, WarehouseId), units: i64) -> Reservation {
    let wish = Reserve { ttl: Ttl::parse(Ttl::MAX), ..reserve(&[(key, units)]) };
    house.store.stock().reserve(account.tenant, account.user, wish, None).await.unwrap()
}

async fn import(house: &House, account: Account, kind: ImportKind, on_conflict: OnConflict) -> ImportId {
    let new = NewImport { kind, name: Some("new".to_owned()), on_conflict };
    let made = house.store.apply(creation(account.tenant, account.user, new), None).await.unwrap();
    let Some(Done::Now(import)) = made else { panic!("{made:?}") };
    import.id
}

/// What makes the second tenant the first one's twin. Behind the service's back: foreign keys and triggers are off.
const TWIN: &str = "
    set session_replication_role = replica;
    update reservations set expires_at = now(), due_at = now() where reference = 'due' or order_id in (select id from orders where reference = 'due');
    insert into customers select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'code', 'F-' || code, 'name', 'FOREIGN'))).*
      from customers t where tenant_id = 1;
    insert into products select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'sku', 'F-' || sku, 'name', 'FOREIGN', 'price_minor', 999))).*
      from products t where tenant_id = 1;
    insert into warehouses select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'code', 'F-' || code, 'name', 'FOREIGN', 'priority', 1))).*
      from warehouses t where tenant_id = 1;
    insert into stock_levels select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'quantity', quantity + 1000,
           'received_quantity', received_quantity + 1000))).* from stock_levels t where tenant_id = 1;
    insert into stock_movements select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'quantity_after', quantity_after + 77))).*
      from stock_movements t where tenant_id = 1 and kind <> 'transferred_in';
    insert into orders select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'number', number + 1000000, 'total_minor', 7))).*
      from orders t where tenant_id = 1;
    insert into order_items select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'quantity', quantity + 5))).*
      from order_items t where tenant_id = 1;
    insert into reservations select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'quantity', quantity + 5,
           'expires_at', case when expires_at is not null then now() end, 'due_at', case when due_at is not null then now() end))).*
      from reservations t where tenant_id = 1;
    insert into receipts select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'reference', 'FOREIGN'))).*
      from receipts t where tenant_id = 1;
    insert into adjustments select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'reference', 'FOREIGN'))).*
      from adjustments t where tenant_id = 1;
    insert into transfers select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'reference', 'FOREIGN'))).*
      from transfers t where tenant_id = 1;
    insert into imports select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'name', 'FOREIGN'))).*
      from imports t where tenant_id = 1;
    insert into import_rejections select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'detail', 'FOREIGN'))).*
      from import_rejections t where tenant_id = 1;
    insert into users select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'email', 'F-' || email, 'email_key', 'f-' || email_key,
           'name', 'FOREIGN'))).* from users t where tenant_id = 1;
    insert into api_tokens select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'name', 'FOREIGN',
           'token_sha256', '\\x' || encode(sha256(token_sha256), 'hex')))).* from api_tokens t where tenant_id = 1;
    insert into audit_log select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'address', 'FOREIGN'))).*
      from audit_log t where tenant_id = 1;
    insert into jobs select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'kind', 'FOREIGN', 'attempts', attempts + 7))).*
      from jobs t where tenant_id = 1;
    insert into jobs select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'id', gen_random_uuid(), 'state', 'open',
           'finished_at', null))).* from jobs t where tenant_id = 1 and state = 'dead';
    insert into events overriding system value
    select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'type', 'foreign', 'seq', seq + 100000, 'position', position + 100000))).*
      from events t where tenant_id = 1;
    insert into order_confirmations select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'subject', 'FOREIGN'))).*
      from order_confirmations t where tenant_id = 1;
    insert into webhook_endpoints select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'url', 'FOREIGN', 'failures', 3))).*
      from webhook_endpoints t where tenant_id = 1;
    insert into webhook_deliveries select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'last_error', 'FOREIGN', 'attempts', 5,
           'state', 'failed', 'finished_at', created_at))).*
      from webhook_deliveries t where tenant_id = 1;
    insert into stored_files select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'bytes', bytes + 100,
           'sha256', '\\x' || encode(sha256('foreign'), 'hex')))).* from stored_files t where tenant_id = 1;
    insert into stored_file_pieces select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2,
           'content', '\\x' || encode('FOREIGN', 'hex')))).* from stored_file_pieces t where tenant_id = 1;
    insert into export_files select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2, 'rows', rows + 77))).*
      from export_files t where tenant_id = 1;
    update lock_fences set fence = fence + 1000 where tenant_id = 2;
    insert into idempotency_keys select (jsonb_populate_record(t, jsonb_build_object('tenant_id', 2))).*
      from idempotency_keys t where tenant_id = 1;
    update idempotency_keys set fingerprint = sha256('foreign'), line = 'POST /foreign', head = 'FOREIGN', body = 'FOREIGN'
     where tenant_id = 2;
    update idempotency_keys set expires_at = now() - interval '1 s' where key = 'k-old';";

impl Twins {
    pub(super) async fn new() -> Self {
        let house = House::new().await;
        let (one, two) = (house.one, house.two);
        // The strangers lie before the first tenant's rows, and the twins behind them.
        let foreign = fill(&house, two, "b").await;
        let foreign_idle = idle(&house, two, "idle-b").await;
        let more = house.stocked(two, "held-b", 1).await;
        let foreign_held = held(&house, two, more, 1).await;
        let order = order_of(foreign.customer.id, foreign.key.0, 1);
        let foreign_placed = house.store.stock().place_order(two.tenant, two.user, order, None).await.unwrap().id;
        let order = order_of(foreign.customer.id, house.stocked(two, "grouped-b", 1).await.0, 1);
        let foreign_grouped = house.store.stock().place_order(two.tenant, two.user, order, None).await.unwrap().id;
        let foreign_import = import(&house, two, ImportKind::Customers, OnConflict::Reject).await;
        let own = fill(&house, one, "a").await;
        let own_idle = idle(&house, one, "idle-a").await;
        let mut reclaimed = Vec::new();
        for sku in ["by-key", "anywhere"] {
            let key = house.stocked(one, sku, 3).await;
            let due = Reserve { ttl: Ttl::parse(60), reference: Some("due".to_owned()), ..reserve(&[(key, 1)]) };
            house.store.stock().reserve(one.tenant, one.user, due, None).await.unwrap();
            held(&house, one, key, 2).await;
            reclaimed.push(key);
        }
        let reserved = house.stocked(one, "reserved", 2).await;
        held(&house, one, reserved, 2).await;
        let ordered = house.stocked(one, "ordered", 2).await;
        let due = order_of(own.customer.id, ordered.0, 2);
        let due = PlaceOrder { ttl: Ttl::parse(60), reference: Some("due".to_owned()), ..due };
        let ordered_id = house.store.stock().place_order(one.tenant, one.user, due, None).await.unwrap().id;
        house.store.void_key(one.tenant, &"k-old".parse().unwrap()).await.unwrap();
        let imports = [
            import(&house, one, ImportKind::Customers, OnConflict::Update).await,
            import(&house, one, ImportKind::Products, OnConflict::Update).await,
            import(&house, one, ImportKind::StockReceipts, OnConflict::Reject).await,
        ];
        let superuser = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
        superuser.batch_execute(TWIN).await.unwrap();
        // A level of the first tenant's product that only the second one has.
        let level = "insert into stock_levels (tenant_id, product_id, warehouse_id) values (2, $1, $2)";
        superuser.execute(level, &[&reserved.0.uuid(), &foreign.key.1.uuid()]).await.unwrap();
        let reclaimed = [reclaimed[0], reclaimed[1]];
        let (tables, ids, order_number) = (Vec::new(), HashSet::new(), 0);
        // Whoever is connected from here on is the one who is watched.
        let House { database, store, .. } = house;
        drop(store);
        let mut twins = Self {
            database,
            one,
            two,
            superuser,
            tables,
            order_number,
            ids,
            own,
            own_idle,
            reclaimed,
            reserved,
            ordered,
            ordered_id,
            foreign,
            foreign_idle,
            foreign_held,
            foreign_placed,
            foreign_grouped,
            imports,
            foreign_import,
        };
        twins.keep().await;
        twins
    }

    /// Keeps everything as it is now, to be brought back.
    async fn keep(&mut self) {
        let tables = "select c.relname::text, array(select a.attname::text from pg_attribute a
                where a.attrelid = c.oid and a.atttypid = 'uuid'::regtype)
           from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
            and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id') order by 1";
        self.superuser.batch_execute("create schema kept").await.unwrap();
        for row in self.superuser.query(tables, &[]).await.unwrap() {
            let (table, columns): (String, Vec<String>) = (row.get(0), row.get(1));
            self.superuser.batch_execute(&format!("create table kept.{table} as table {table}")).await.unwrap();
            for column in columns {
                let ids = format!("select {column} from {table} where {column} is not null");
                let rows = self.superuser.query(&ids, &[]).await.unwrap();
                self.ids.extend(rows.iter().map(|row| row.get::<_, Uuid>(0)));
            }
            self.tables.push(table);
        }
        let row = self.superuser.query_one("select last_value from order_numbers", &[]).await.unwrap();
        self.order_number = row.get(0);
    }

    /// Brings everything back to the beginning.
    pub(super) async fn restore(&self) {
        let mut script = format!("begin; select setval('order_numbers', {}); ", self.order_number);
        for table in &self.tables {
            write!(script, "delete from {table}; insert into {table} overriding system value table kept.{table}; ")
                .unwrap();
        }
        script.push_str("commit");
        self.superuser.batch_execute(&script).await.unwrap();
    }

    /// Takes away all that the second tenant has.
    pub(super) async fn remove_foreign(&self) {
        let mut script = "begin; ".to_owned();
        for table in self.tables.iter().filter(|table| *table != "users") {
            write!(script, "delete from {table} where tenant_id = 2; ").unwrap();
        }
        script.push_str("commit");
        self.superuser.batch_execute(&script).await.unwrap();
    }

    /// Has the twins' words and numbers be the first tenant's own, so that whatever a list is filtered by leaves both.
    pub(super) async fn equal_words(&self) {
        let script = "
            update customers set code = substr(code, 3) where tenant_id = 2 and code like 'F-%';
            update products set sku = substr(sku, 3) where tenant_id = 2 and sku like 'F-%';
            update warehouses set code = substr(code, 3) where tenant_id = 2 and code like 'F-%';
            update orders set number = number - 1000000 where tenant_id = 2 and number > 1000000;
            update receipts set reference = 'same';
            update adjustments set reference = 'same';
            update transfers set reference = 'same';
            drop index users_email;
            update users f set email = o.email, email_key = o.email_key from users o
             where f.tenant_id = 2 and o.tenant_id = 1 and f.id = o.id";
        self.superuser.batch_execute(script).await.unwrap();
    }

    /// Takes row-level security off every table.
    pub(super) async fn switch_security_off(&self) {
        for table in &self.tables {
            self.superuser.batch_execute(&format!("alter table {table} disable row level security")).await.unwrap();
        }
    }

    /// The second tenant's rows, as one value.
    pub(super) async fn foreign_rows(&self) -> String {
        let mut rows = String::new();
        for table in &self.tables {
            let digest = format!(
                "select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from {table} t where tenant_id = 2"
            );
            let row = self.superuser.query_one(&digest, &[]).await.unwrap();
            writeln!(rows, "{table} {}", row.get::<_, String>(0)).unwrap();
        }
        rows
    }

    /// Nobody of the service is connected any more.
    pub(super) async fn is_left(&self) -> bool {
        let count = "select count(*) from pg_stat_activity where datname = current_database() and usename = 'kv_app'";
        self.superuser.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 0
    }

    /// The service's login, with one connection and one writer so that everything happens in one order.
    pub(super) fn config(&self) -> StoreConfig {
        let mut config = StoreConfig::new(app_config(&self.database));
        (config.pool_size, config.stock_writers) = (1, 1);
        config
    }

    /// A text without what differs from run to run: ids that were not there from the beginning, and times.
    pub(super) fn settle(&self, text: &str) -> String {
        let mut settled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(id) = crate::wire::id_at(rest) {
                settled.push_str(&if self.ids.contains(&id) { id.to_string() } else { "(new)".to_owned() });
                rest = &rest[36..];
            } else if let Some(length) = time_length(rest) {
                settled.push_str("(time)");
                rest = &rest[length..];
            } else {
                settled.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        settled
    }
}

/// How long the time is with which a text begins, as in `2026-01-31T10:00:00.5Z`.
fn time_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let begins = bytes.len() >= 20
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && (bytes[4], bytes[7], bytes[10]) == (b'-', b'-', b'T');
    let end = text.find('Z').filter(|_| begins)?;
    (end < 32).then_some(end + 1)
}
