//! Row-level security alone: what the service's role sees and may do where no predicate helps. The predicates alone are in
//! [`crate::predicates`].

use kv_store::access::TokenHash;
use kv_store::idempotency::Done;
use kv_store::imports::{NewImport, Step, creation};
use kv_store::stock::{FenceClaim, Refusal, StockError};
use kv_types::catalogue::{Customer, NewCustomer};
use kv_types::imports::{ImportKind, OnConflict};
use kv_types::order::{Order, OrderLine, PlaceOrder};
use kv_types::stock::{Adjust, AdjustLine, AdjustTo, Adjustment, Reservation, Transfer, TransferLine, TransferStock};
use kv_types::{CustomerId, ImportId, ProductId, WarehouseId};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::{Account, House, app_config, quantity, reserve};

/// One thing of every kind that a tenant can have.
pub(crate) struct Goods {
    pub(crate) customer: Customer,
    pub(crate) key: (ProductId, WarehouseId),
    /// Of one unit, on its own.
    pub(crate) held: Reservation,
    /// Of two units.
    pub(crate) order: Order,
    /// Of one unit more.
    pub(crate) adjustment: Adjustment,
    /// Of one unit to a further warehouse.
    pub(crate) transfer: Transfer,
    pub(crate) token: TokenHash,
    /// Complete, of customers, with one row that was rejected.
    pub(crate) import: ImportId,
}

/// The lock under which the goods' reservation was made, and its token.
pub(crate) const FENCED: (&str, i64) = ("stock/goods", 7);

/// Fills every table for a tenant: goods from a receipt, of which a reservation under a lock and an order hold some.
pub(crate) async fn fill(house: &House, account: Account, sku: &str) -> Goods {
    let key = house.stocked(account, sku, 5).await;
    let new =
        NewCustomer { code: format!("c-{sku}"), name: "C".to_owned(), email: Some("c@x.y".to_owned()), phone: None };
    let customer = house.store.create_customer(account.tenant, &new).await.unwrap();
    let stock = house.store.stock();
    let fence = FenceClaim::new(FENCED.0, FENCED.1);
    let held = stock.reserve(account.tenant, account.user, reserve(&[(key, 1)]), Some(fence)).await.unwrap();
    let order = stock.place_order(account.tenant, account.user, order_of(customer.id, key.0, 2), None).await.unwrap();
    let adjustment = stock.adjust(account.tenant, account.user, counted(key, 1), None).await.unwrap();
    let far = house.warehouse(account, &format!("far-{sku}"), 200).await;
    let transfer = stock.transfer(account.tenant, account.user, moved(key, far, 1), None).await.unwrap();
    let token = TokenHash::of(&format!("token of {sku}"));
    let expires_at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    house.store.insert_session(account.tenant, account.user, &token, expires_at).await.unwrap();
    house.store.void_key(account.tenant, &format!("k-{sku}").parse().unwrap()).await.unwrap();
    let import = import(house, account, &customer).await;
    Goods { customer, key, held, order, adjustment, transfer, token, import }
}

/// An import whose one row is rejected.
async fn import(house: &House, account: Account, customer: &Customer) -> ImportId {
    let new = NewImport { kind: ImportKind::Customers, name: None, on_conflict: OnConflict::Reject };
    let made = house.store.apply(creation(account.tenant, account.user, new), None).await.unwrap();
    let Some(Done::Now(import)) = made else { panic!("{made:?}") };
    let mut upload = house.store.claim_import(account.tenant, account.user, import.id).await.unwrap();
    let step = Step {
        lines_done: 2,
        bytes_done: 20,
        prefix_hash: [0; 32],
        columns: vec!["code".to_owned(), "name".to_owned()],
        rejections: Vec::new(),
        is_last: true,
    };
    let row = NewCustomer { code: customer.code.clone(), name: "Again".to_owned(), email: None, phone: None };
    house.store.import_rows(&mut upload, &step, &[(2, row)]).await.unwrap();
    assert_eq!((upload.record.import.accepted, upload.record.import.rejected), (0, 1));
    import.id
}

pub(crate) fn order_of(customer: CustomerId, product: ProductId, units: i64) -> PlaceOrder {
    PlaceOrder {
        customer,
        lines: vec![OrderLine { product, quantity: quantity(units) }],
        reference: None,
        ttl: None,
        allow_partial: false,
    }
}

/// So many units more, or fewer.
pub(crate) fn counted((product, warehouse): (ProductId, WarehouseId), delta: i64) -> Adjust {
    let lines = vec![AdjustLine { product, warehouse, to: AdjustTo::Delta(delta) }];
    Adjust { lines, reason: "counted".to_owned(), reference: None }
}

/// Units of one product to another warehouse.
pub(crate) fn moved((product, from): (ProductId, WarehouseId), to: WarehouseId, units: i64) -> TransferStock {
    TransferStock { from, to, lines: vec![TransferLine { product, quantity: quantity(units) }], reference: None }
}

/// Every table with tenants' rows, and its column of the tenant.
async fn tenant_tables(client: &Client) -> Vec<(String, &'static str)> {
    let named =
        "select tablename::text from pg_tables where schemaname = 'public' and tablename <> 'refinery_schema_history'";
    let rows = client.query(named, &[]).await.unwrap();
    let column = |table: &str| if table == "tenants" { "id" } else { "tenant_id" };
    rows.iter().map(|row| row.get::<_, String>(0)).map(|table| (table.clone(), column(&table))).collect()
}

/// How many rows of each tenant a superuser sees.
async fn count(client: &Client, table: &str, column: &str, account: Account) -> i64 {
    let asked = format!("select count(*) from {table} where {column} = $1");
    client.query_one(&asked, &[&account.tenant.get()]).await.unwrap().get(0)
}

/// How many rows the service's role sees; `None` where it may not look at all.
async fn seen(client: &Client, table: &str) -> Option<i64> {
    match client.query_one(&format!("select count(*) from {table}"), &[]).await {
        Ok(row) => Some(row.get(0)),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => None,
        Err(error) => panic!("{table}: {error:?}"),
    }
}

/// The tables that the service's role may not look into at all.
const CLOSED: [&str; 2] = ["tenants", "users"];

/// What the service's role sees without a tenant, whatever it asks: nothing. And it may write nothing.
#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    let house = House::new().await;
    fill(&house, house.one, "a").await;
    let superuser = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    let client = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    let tables = tenant_tables(&superuser).await;
    assert!(tables.len() >= 18, "{tables:?}");
    for (table, column) in &tables {
        assert!(count(&superuser, table, column, house.one).await > 0, "{table} is empty, so nothing is shown of it");
        let expected = (!CLOSED.contains(&table.as_str())).then_some(0);
        assert_eq!(seen(&client, table).await, expected, "{table} without a tenant");
    }
    let write = client
        .execute("insert into customers (tenant_id, id, code, name) values (1, gen_random_uuid(), 'x', 'x')", &[])
        .await
        .unwrap_err();
    assert!(refused_by_policy(&write), "{write:?}");
    for change in ["update customers set name = 'x'", "delete from customers", "update orders set status = 'cancelled'"]
    {
        assert_eq!(client.execute(change, &[]).await.unwrap(), 0, "{change}");
    }
}

fn refused_by_policy(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|refusal| refusal.message().contains("row-level security policy"))
}

/// A query without the predicate still sees one tenant's rows alone, and the setting does not outlive its transaction.
#[tokio::test]
async fn security_holds_without_the_predicate() {
    let house = House::new().await;
    fill(&house, house.one, "a").await;
    fill(&house, house.two, "b").await;
    // The second tenant has one more of most things, so that no count is right by chance.
    fill(&house, house.two, "c").await;
    let superuser = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    let client = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    for account in [house.one, house.two] {
        for (table, column) in tenant_tables(&superuser).await {
            client.batch_execute("begin").await.unwrap();
            act_for(&client, account).await;
            let shown = seen(&client, &table).await;
            client.batch_execute("commit").await.unwrap();
            let own = count(&superuser, &table, column, account).await;
            assert!(own > 0, "{table} is empty");
            assert_eq!(shown, (!CLOSED.contains(&table.as_str())).then_some(own), "{table}");
            assert!(seen(&client, &table).await.unwrap_or(0) == 0, "the tenant outlived its transaction");
        }
    }
}

async fn act_for(client: &Client, account: Account) {
    client.query("select set_config('app.tenant_id', $1::bigint::text, true)", &[&account.tenant.get()]).await.unwrap();
}

/// Acting for one tenant, no write reaches or makes another's row, whatever it names.
#[tokio::test]
async fn security_holds_against_writes() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let client = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    let (one, customer) = (house.one.tenant.get(), goods.customer.id.uuid());
    for change in [
        "update customers set name = 'x' where tenant_id = $1 and id = $2",
        "delete from customers where tenant_id = $1 and id = $2",
        "update orders set status = 'cancelled' where tenant_id = $1 and customer_id = $2",
    ] {
        client.batch_execute("begin").await.unwrap();
        act_for(&client, house.two).await;
        assert_eq!(client.execute(change, &[&one, &customer]).await.unwrap(), 0, "{change}");
        client.batch_execute("commit").await.unwrap();
    }
    client.batch_execute("begin").await.unwrap();
    act_for(&client, house.two).await;
    let made = "insert into customers (tenant_id, id, code, name) values ($1, gen_random_uuid(), 'x', 'x')";
    let error = client.execute(made, &[&one]).await.unwrap_err();
    assert!(refused_by_policy(&error), "{error:?}");
}

/// Composite foreign keys: a row cannot refer to another tenant's.
#[tokio::test]
async fn a_foreign_customer_or_product_is_unknown() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let order = order_of(goods.customer.id, goods.key.0, 1);
    let refused =
        house.store.stock().place_order(house.two.tenant, house.two.user, order.clone(), None).await.unwrap_err();
    let StockError::Refused(Refusal::Unknown(unknown)) = refused else { panic!("{refused:?}") };
    assert_eq!(unknown.len(), 2, "the customer and the product are both named: {unknown:?}");
    house.store.stock().place_order(house.one.tenant, house.one.user, order, None).await.unwrap();
    house.assert_ledger_holds().await;
}
