//! Composed lists: every statement is one that the schema understands and that names the tenant; walks meet every row once.

use std::collections::BTreeSet;
use std::time::Duration;

use kv_store::lists::{Ask, Count, Kind, List, Listing, Position, Sort, Value, known};
use sandbox::testing::eventually;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::statements::{scans_of, tenant_tables};
use crate::support::{House, app_config};

/// A tenant that nobody else has, so that its number stands for the predicate in a plan.
const TENANT: i64 = 987_654_321;

fn sample(kind: Kind) -> Value {
    match kind {
        Kind::Text(_) => Value::Text("text".to_owned()),
        Kind::Search(_) => Value::Text("50%_x".to_owned()),
        Kind::Word(words) => Value::Text(words[0].to_owned()),
        Kind::Currency => Value::Text("EUR".to_owned()),
        Kind::Id => Value::Id(Uuid::from_u128(7)),
        Kind::Boolean => Value::Boolean(true),
        Kind::Whole(..) => Value::Whole(5),
        Kind::Instant => Value::Instant("2026-01-01T00:00:00Z".parse().unwrap()),
    }
}

/// Every filter alone, none and all together, each in every order, from the start and behind a position, counted and not.
fn asks(list: &'static List) -> Vec<Ask> {
    let none = Ask::of(list, 10);
    let each = list.filters.iter().map(|filter| Ask::of(list, 10).filtered(filter, sample(filter.kind)));
    let all = list.filters.iter().fold(Ask::of(list, 10), |ask, filter| ask.filtered(filter, sample(filter.kind)));
    let mut asks = Vec::new();
    for ask in std::iter::once(none).chain(each).chain([all]) {
        for sort in std::iter::once(list.default).chain(list.sorts) {
            let position: Position = sort.keys.iter().map(|key| sample(key.kind)).collect();
            let ask = ask.clone().sorted(sort);
            asks.push(ask.clone().counted(Count::Exact));
            asks.push(ask.after(Some(position)));
        }
    }
    asks
}

async fn plans(client: &Client, ask: &Ask, candidates: Option<&[Uuid]>) -> Vec<String> {
    let mut plans = Vec::new();
    for composed in ask.compose(candidates) {
        let own: (&(dyn ToSql + Sync), Type) = (&TENANT, Type::INT8);
        let params: Vec<_> = std::iter::once(own).chain(composed.params()).collect();
        client
            .query_typed(&composed.text, &params)
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", composed.text));
        let rows = client.query_typed(&format!("explain {}", composed.text), &params).await.unwrap();
        plans.push(rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect());
    }
    plans
}

/// As the service, under row-level security, each statement runs; as a superuser, whom security does not bind, each scan of each
/// names the tenant.
#[tokio::test]
async fn every_composed_statement_runs_and_names_the_tenant() {
    let house = House::new().await;
    let superuser = house.database.connect().await.unwrap();
    let app = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    let tables = tenant_tables(&superuser).await;
    let (mut composed, mut scans) = (0, 0);
    for list in known::ALL {
        for ask in asks(list) {
            for candidates in [None, Some(&[Uuid::from_u128(1)][..])] {
                if candidates.is_some() && list.filters.iter().all(|filter| !matches!(filter.kind, Kind::Search(_))) {
                    continue;
                }
                plans(&app, &ask, candidates).await;
                for plan in plans(&superuser, &ask, candidates).await {
                    composed += 1;
                    for scan in scans_of(&plan, &tables).into_iter().chain(first_scan(&plan, &tables)) {
                        scans += 1;
                        assert!(scan.contains(&format!("tenant_id = '{TENANT}'")), "{}: {plan}", list.name);
                    }
                }
            }
        }
    }
    assert!(composed > 500 && scans >= composed, "{scans} scans of {composed} statements were recognised");
}

/// The plan's root has no arrow before it.
fn first_scan<'a>(plan: &'a str, tables: &[String]) -> Option<&'a str> {
    let root = plan.split("->").next()?;
    let head = root.lines().next()?;
    (head.contains("Scan") && tables.iter().any(|table| head.contains(&format!(" on {table} ")))).then_some(root)
}

/// Rows with ties in every key by which they may be ordered, of both tenants; of the customers, some have no address.
const ROWS: &str = "
    insert into customers (tenant_id, id, code, name, email, created_at)
        select t, gen_random_uuid(), 'C' || n, 'Name ' || n % 3, case when n % 2 = 0 then 'e' || n % 4 end,
               '2026-01-01Z'::timestamptz + n % 4 * interval '1 second' from generate_series(1, 33) n, generate_series(1, 2) t;
    insert into products (tenant_id, id, sku, name, price_minor, currency, created_at)
        select t, gen_random_uuid(), 'S' || n, 'Name ' || n % 3, 1, 'EUR', '2026-01-01Z'::timestamptz + n % 4 * interval '1 second'
          from generate_series(1, 33) n, generate_series(1, 2) t;
    insert into warehouses (tenant_id, id, code, name, priority, created_at)
        select t, gen_random_uuid(), 'W' || n, 'Name ' || n % 3, n % 4, '2026-01-01Z'::timestamptz + n % 4 * interval '1 second'
          from generate_series(1, 33) n, generate_series(1, 2) t;
    insert into orders (tenant_id, id, customer_id, status, currency, total_minor, created_at)
        select tenant_id, gen_random_uuid(), id, 'pending', 'EUR', ascii(code) + length(code),
               '2026-01-01Z'::timestamptz + length(code) * interval '1 second' from customers;
    insert into order_items (tenant_id, order_id, line, product_id, quantity, unit_price_minor)
        select o.tenant_id, o.id, n, (select id from products p where p.tenant_id = o.tenant_id limit 1), n, 1
          from orders o, generate_series(1, 2) n;
    insert into stock_levels (tenant_id, product_id, warehouse_id)
        select p.tenant_id, p.id, w.id from products p join warehouses w using (tenant_id) where w.code in ('W1', 'W2', 'W3');
    insert into reservations (tenant_id, id, line, product_id, warehouse_id, quantity, status, level_version, last_version, order_id,
                              created_at)
        select o.tenant_id, r.id, n, l.product_id, l.warehouse_id, 1, 'pending', 1, 1, o.id, o.created_at
          from (select tenant_id, id, created_at from orders) o
          cross join lateral (select gen_random_uuid() as id where o.id is not null) r
          cross join lateral (select product_id, warehouse_id, row_number() over (order by product_id, warehouse_id) as n
                                from stock_levels s where s.tenant_id = o.tenant_id order by 1, 2 limit 2) l;
    insert into receipts (tenant_id, id, actor_id, created_at)
        select tenant_id, gen_random_uuid(), id, created_at from customers;
    insert into adjustments (tenant_id, id, actor_id, reason, created_at)
        select tenant_id, gen_random_uuid(), id, 'counted', created_at from customers;
    insert into transfers (tenant_id, id, from_warehouse_id, to_warehouse_id, actor_id, created_at)
        select tenant_id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), id, created_at from customers";

/// Walks a list under each of its orders with short and long pages: every row once, in the order of the keys, whatever their ties.
macro_rules! assert_walks {
    ($house:expr, $list:expr, $read:ident, $key:expr) => {{
        let orders: Vec<&'static Sort> = std::iter::once($list.default).chain($list.sorts).collect();
        let mut wanted: Option<BTreeSet<String>> = None;
        for sort in orders {
            let mut sequence: Option<Vec<String>> = None;
            for limit in [1, 7, 100] {
                let (mut met, mut after) = (Vec::new(), None);
                loop {
                    let ask = Ask::of($list, limit).sorted(sort).after(after).counted(Count::Exact);
                    let page: Listing<_> = $house.store.$read($house.one.tenant, &ask).await.unwrap();
                    assert!(page.rows.len() <= usize::try_from(limit).unwrap());
                    met.extend(page.rows.iter().map($key));
                    assert_eq!(page.total, Some(i64::try_from(page_total(wanted.as_ref(), &page)).unwrap()));
                    let Some(next) = page.next else { break };
                    after = Some(next);
                }
                let set: BTreeSet<String> = met.iter().cloned().collect();
                assert_eq!(set.len(), met.len(), "{} by {:?}: a row came twice", $list.name, sort.name);
                assert!(set.len() >= 33, "{} has {} rows", $list.name, set.len());
                assert_eq!(wanted.get_or_insert_with(|| set.clone()), &set, "{} by {:?}", $list.name, sort.name);
                assert_eq!(sequence.get_or_insert_with(|| met.clone()), &met, "{} by {:?}", $list.name, sort.name);
            }
            assert_eq!(sequence, Some(in_order(&$house, &$list, sort.name).await), "{} by {:?}", $list.name, sort.name);
            let turned = $list.sorts.iter().find(|other| other.name == format!("-{}", sort.name));
            if let Some(turned) = turned {
                let ask = Ask::of($list, 100).sorted(turned);
                let back = $house.store.$read($house.one.tenant, &ask).await.unwrap();
                let mut forth = sequence.unwrap();
                forth.reverse();
                assert_eq!(back.rows.iter().map($key).collect::<Vec<_>>(), forth[..back.rows.len()].to_vec());
            }
        }
    }};
}

/// The ids of a tenant's rows in an order that is spelt out here.
async fn in_order(house: &House, list: &List, sort: &str) -> Vec<String> {
    let (name, direction) = sort.strip_prefix('-').map_or((sort, "asc"), |name| (name, "desc"));
    let table = match list.name {
        "stock-levels" => "stock_levels",
        other => other.trim_start_matches("stock-"),
    };
    let id = if table == "stock_levels" { "product_id::text || warehouse_id::text" } else { "id::text" };
    let column = match name {
        "" => id,
        "total" => "total_minor",
        "sku" | "code" | "name" | "created_at" | "priority" | "number" => name,
        other => panic!("{other}: say here what it means"),
    };
    let sorted = format!(
        "select id from (select distinct {id} as id, {column} as key from {table} where tenant_id = $1) rows
          order by key {direction}, id {direction}"
    );
    let rows = house.database.connect().await.unwrap().query(&sorted, &[&house.one.tenant.get()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn page_total<T>(wanted: Option<&BTreeSet<String>>, page: &Listing<T>) -> usize {
    wanted.map_or_else(|| usize::try_from(page.total.unwrap()).unwrap(), BTreeSet::len)
}

#[tokio::test]
async fn walks_meet_every_row_once_in_every_order() {
    let house = House::new().await;
    house.database.connect().await.unwrap().batch_execute(ROWS).await.unwrap();
    assert_walks!(house, &known::CUSTOMERS, list_customers, |row| row.id.to_string());
    assert_walks!(house, &known::PRODUCTS, list_products, |row| row.id.to_string());
    assert_walks!(house, &known::WAREHOUSES, list_warehouses, |row| row.id.to_string());
    assert_walks!(house, &known::ORDERS, list_orders, |row| row.id.to_string());
    assert_walks!(house, &known::RESERVATIONS, list_reservations, |row| row.id.to_string());
    assert_walks!(house, &known::RECEIPTS, list_receipts, |row| row.id.to_string());
    assert_walks!(house, &known::ADJUSTMENTS, list_adjustments, |row| row.id.to_string());
    assert_walks!(house, &known::TRANSFERS, list_transfers, |row| row.id.to_string());
    assert_walks!(house, &known::STOCK_LEVELS, list_stock_levels, |row| format!(
        "{}{}",
        row.product_id, row.warehouse_id
    ));
}

const MANY: &str = "
    insert into customers (tenant_id, id, code, name)
        select t, gen_random_uuid(), 'C' || n, case when n % 5000 = 0 then 'Rare' else 'Common' end || ' ' || md5(n::text || t)
          from generate_series(1, 10000) n, generate_series(1, 2) t;
    analyze customers";

/// Both ways to find a text, through the index and along the list, show the same as a look at every row does.
#[tokio::test]
async fn a_search_finds_the_same_by_its_index_and_along_the_list() {
    let house = House::new().await;
    let superuser = house.database.connect().await.unwrap();
    superuser.batch_execute(MANY).await.unwrap();
    let filter = known::CUSTOMERS.filters.iter().find(|filter| filter.name == "q").unwrap();
    // Few rows, too many rows for the index, no row, and texts that the index knows nothing of.
    for text in ["rare", "COMMON", "rarer", "ab", "r", "%", "c99"] {
        let ask = Ask::of(&known::CUSTOMERS, 100).filtered(filter, Value::Text(text.to_owned())).counted(Count::Exact);
        let page = house.store.list_customers(house.one.tenant, &ask).await.unwrap();
        let sought =
            "select id from customers where tenant_id = $1 and strpos(lower(code || E'\\n' || name), lower($2)) > 0
             order by id";
        let rows = superuser.query(sought, &[&house.one.tenant.get(), &text]).await.unwrap();
        let wanted: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(page.total, Some(i64::try_from(wanted.len()).unwrap()), "{text}");
        let met: Vec<Uuid> = page.rows.iter().map(|customer| customer.id.uuid()).collect();
        assert_eq!(met, wanted[..wanted.len().min(100)], "{text}");
    }
}

/// Why there is a function for it: under row-level security the index of the text is not used, behind the function it is.
#[tokio::test]
async fn the_index_of_the_text_is_used_behind_the_function_alone() {
    let house = House::new().await;
    let client = house.database.connect().await.unwrap();
    client.batch_execute(MANY).await.unwrap();
    // What was just inserted waits before the index until a vacuum, and the plan reckons with that.
    client.batch_execute("vacuum analyze customers").await.unwrap();
    let sought = "explain select id from customers where tenant_id = 1 and tenant_id = app.tenant_id()
         and lower(code || E'\\n' || name || E'\\n' || coalesce(email, '')) like lower('%rare%') limit 10";
    client
        .batch_execute(
            "begin; set local app.tenant_id = '1'; set local enable_seqscan = off;
         set local enable_indexscan = off",
        )
        .await
        .unwrap();
    for (role, is_used) in [("kv_app", false), ("kv_auth", true)] {
        client.batch_execute(&format!("set local role {role}")).await.unwrap();
        let rows = client.query(sought, &[]).await.unwrap();
        let plan: String = rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
        let is_searched =
            plan.contains("Index Cond") && plan.contains("~~ '%rare%'") && plan.contains("customers_by_text");
        assert_eq!(is_searched, is_used, "{role}: {plan}");
    }
    // Of another tenant the function says nothing, whatever number it is given.
    client.batch_execute("set local role kv_app").await.unwrap();
    let foreign = client.query_one("select app.find_customers(2, '%rare%', 10)", &[]).await.unwrap();
    assert_eq!(foreign.get::<_, Option<Vec<Uuid>>>(0), None);
}

#[tokio::test]
async fn the_secret_is_the_same_for_every_store_and_made_when_there_is_none() {
    let house = House::new().await;
    let other = kv_store::Store::open(&kv_store::StoreConfig::new(app_config(&house.database))).unwrap();
    assert_eq!(house.store.cursor_secret().await.unwrap(), other.cursor_secret().await.unwrap());
    house.database.connect().await.unwrap().batch_execute("delete from app.cursor_secrets").await.unwrap();
    let third = kv_store::Store::open(&kv_store::StoreConfig::new(app_config(&house.database))).unwrap();
    let made = third.cursor_secret().await.unwrap();
    assert_eq!(made.as_bytes().len(), 32);
    assert_ne!(made, house.store.cursor_secret().await.unwrap());
    let app = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    app.query("select secret from app.cursor_secrets", &[]).await.unwrap_err();
}

/// Composed reads may take long, so they leave connections to what is short, and end with whoever asked.
#[tokio::test]
async fn composed_reads_leave_room_and_end_with_their_caller() {
    let house = House::new().await;
    let mut config = kv_store::StoreConfig::new(app_config(&house.database));
    config.pool_size = 2;
    config.pool_wait = Duration::from_millis(200);
    let store = kv_store::Store::open(&config).unwrap();
    let (blocker, looker) = (house.database.connect().await.unwrap(), house.database.connect().await.unwrap());
    blocker.batch_execute("begin; lock table customers in access exclusive mode").await.unwrap();
    let waiting = async || {
        let waiting = "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock' and query ilike '%from customers%'";
        looker.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0)
    };
    let ask = Ask::of(&known::CUSTOMERS, 10).counted(Count::Exact);
    let (again, tenant, first) = (store.clone(), house.one.tenant, ask.clone());
    let reading = tokio::spawn(async move { again.list_customers(tenant, &first).await });
    eventually(Duration::from_secs(20), async || waiting().await == 1).await;
    let second = store.list_customers(tenant, &ask).await;
    assert!(matches!(second, Err(kv_store::StoreError::Overloaded)), "{second:?}");
    let warehouse = kv_types::catalogue::NewWarehouse { code: "w".into(), name: "W".into(), priority: 1, active: true };
    store.create_warehouse(tenant, &warehouse).await.unwrap();
    reading.abort();
    eventually(Duration::from_secs(20), async || waiting().await == 0).await;
    blocker.batch_execute("rollback").await.unwrap();
    store.list_customers(tenant, &ask).await.unwrap();
}
