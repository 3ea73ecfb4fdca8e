//! Row-level security alone: what the service's role sees and may do where no predicate helps. The predicates alone are in
//! [`crate::predicates`].

use kv_store::access::tokens::{self, NewApiToken};
use kv_store::access::users::{self, NewUser};
use kv_store::access::{Grant, Role, Scope, Scopes, TokenHash};
use kv_store::audit_log::{Request, Trail, follow};
use kv_store::exports::{ExportText, NewExport, creation as export_creation};
use kv_store::idempotency::Done;
use kv_store::imports::{NewImport, Received, Sender, Step, Upload, creation};
use kv_store::jobs::{NewJob, Work};
use kv_store::stock::{FenceClaim, Refusal, StockError};
use kv_store::webhooks::NewEndpoint;
use kv_types::catalogue::{Customer, NewCustomer};
use kv_types::exports::ExportKind;
use kv_types::imports::{ImportKind, OnConflict};
use kv_types::jobs::JobState;
use kv_types::order::{Order, OrderLine, PlaceOrder};
use kv_types::stock::{Adjust, AdjustLine, AdjustTo, Adjustment, Reservation, Transfer, TransferLine, TransferStock};
use kv_types::{
    ApiTokenId, CustomerId, ExportFileId, ImportId, JobId, ProductId, UserId, WarehouseId, WebhookDeliveryId,
    WebhookEndpointId,
};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

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
    /// An account besides the one that made all this.
    pub(crate) member: UserId,
    /// An API token of it, by which another one was made.
    pub(crate) api_token: ApiTokenId,
    /// A job that is to be done.
    pub(crate) job: JobId,
    /// A dead one.
    pub(crate) dead: JobId,
    pub(crate) endpoint: WebhookEndpointId,
    /// Pending.
    pub(crate) delivery: WebhookDeliveryId,
    pub(crate) files: Files,
}

/// Files that are kept.
pub(crate) struct Files {
    /// An import whose file waits for its job.
    pub(crate) waiting: ImportId,
    /// That file.
    pub(crate) file: Uuid,
    /// An import whose file broke off.
    pub(crate) broken: ImportId,
    /// What came of it: one piece.
    pub(crate) part: Uuid,
    /// Two exports that are being written, each with one piece.
    pub(crate) exports: [ExportFileId; 2],
}

/// The lock under which the goods' reservation was made, and its token.
pub(crate) const FENCED: (&str, i64) = ("stock/goods", 7);

/// Fills every table for a tenant: goods from a receipt, of which a reservation under a lock and an order hold some.
pub(crate) async fn fill(house: &House, account: Account, sku: &str) -> Goods {
    // In a box, because it does much.
    Box::pin(make_goods(house, account, sku)).await
}

async fn make_goods(house: &House, account: Account, sku: &str) -> Goods {
    let hook = NewEndpoint { url: format!("https://{sku}.example"), description: None, event_types: Vec::new() };
    let endpoint = house.store.create_webhook_endpoint(account.tenant, &hook, &[7; 32]).await.unwrap().unwrap().id;
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
    let (member, api_token) = member(house, account, sku).await;
    let trail = trail_of(account.user, Some(api_token));
    follow(trail, house.store.void_key(account.tenant, &format!("k-{sku}").parse().unwrap())).await.unwrap();
    let import = import(house, account, &customer).await;
    let (job, dead, delivery) = follow_up(house, account, &order, endpoint).await;
    Goods {
        customer,
        key,
        held,
        order,
        adjustment,
        transfer,
        token,
        import,
        member,
        api_token,
        job,
        dead,
        endpoint,
        delivery,
        files: files(house, account).await,
    }
}

/// A request that is noted.
pub(crate) fn trail_of(actor: UserId, token: Option<ApiTokenId>) -> Trail {
    Trail::of(Request {
        actor: Some(actor),
        token,
        operation: "done",
        object_type: "thing",
        id: Some("request".to_owned()),
        address: Some("192.0.2.1".to_owned()),
    })
}

pub(crate) fn new_user(email: &str) -> NewUser {
    NewUser {
        email: email.to_owned(),
        name: None,
        role: Role::Clerk,
        password_hash: "-".to_owned(),
        rate_limit_per_minute: None,
    }
}

pub(crate) fn new_token(secret: &str) -> NewApiToken {
    NewApiToken {
        hash: TokenHash::of(secret),
        hint: "kva_test".to_owned(),
        name: "test".to_owned(),
        scopes: Scopes::NONE.with(Scope::TokensWrite),
        expires_at: jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1),
        rate_limit_per_minute: None,
    }
}

/// A clerk with an API token, and another one that was made with that.
async fn member(house: &House, Account { tenant, user }: Account, sku: &str) -> (UserId, ApiTokenId) {
    let new = users::creation(tenant, user, new_user(&format!("{sku}@{tenant}.example")));
    let Some(Done::Now(member)) = house.store.apply(new, None).await.unwrap() else {
        panic!("an owner makes accounts")
    };
    let mut by = Grant::default();
    for secret in ["token", "child"] {
        let new = new_token(&format!("{secret} of {tenant} {sku}"));
        let made = house.store.apply(tokens::creation(tenant, member.id, &by, new), None).await.unwrap();
        let Some(Done::Now(made)) = made else { panic!("{made:?}") };
        by.api_token.get_or_insert(made.id);
    }
    (member.id, by.api_token.unwrap())
}

/// What follows from an order: its confirmation, and the pending delivery of its event; and a job that is to be done, and a dead one.
async fn follow_up(
    house: &House,
    account: Account,
    order: &Order,
    endpoint: WebhookEndpointId,
) -> (JobId, JobId, WebhookDeliveryId) {
    let (store, tenant) = (&house.store, account.tenant);
    store.place_events(1_000).await.unwrap();
    let confirming = store.jobs(tenant, Some(JobState::Open), None, 50).await.unwrap().rows;
    let confirming = confirming.iter().find(|job| job.kind == "send_order_confirmation").unwrap().id;
    store.end_job(tenant, confirming, &Work::ConfirmOrder(order.id)).await.unwrap();
    let dead_job = NewJob { unique_key: Some("dead".to_owned()), ..NewJob::new("some", serde_json::json!({"n": 2})) };
    let jobs = [NewJob::new("some", serde_json::json!({"n": 1})), dead_job];
    store.enqueue_jobs(tenant, &jobs).await.unwrap();
    store.bury_job(tenant, (jobs[1].id, 0), ("it was to die", 1)).await.unwrap();
    let deliveries = store.webhook_deliveries((tenant, endpoint), None, None, 50).await.unwrap();
    (jobs[0].id, jobs[1].id, deliveries.rows[0].id)
}

/// Files of two imports and of two exports.
async fn files(house: &House, Account { tenant, user }: Account) -> Files {
    let store = &house.store;
    let (waiting, upload, file) = received(house, Account { tenant, user }).await;
    let received_file = Received { file, pieces: 1, sha256: [7; 32] };
    let sender = Sender { user, token: None, request: "request" };
    store.queue_import(&upload, &received_file, &sender).await.unwrap();
    let (broken, upload, part) = received(house, Account { tenant, user }).await;
    store.release_import(&upload).await.unwrap();
    let mut exports = Vec::new();
    for kind in [ExportKind::Customers, ExportKind::Orders] {
        let new = export_creation(tenant, user, NewExport { kind, spreadsheet: false });
        let Some(Done::Now(export)) = store.apply(new, None).await.unwrap() else { panic!("there is room") };
        let page = ExportText { text: b"id\n", rows: 0, after: None };
        assert_eq!(store.add_export_page((tenant, export.id), 0, &page).await.unwrap(), 1);
        exports.push(export.id);
    }
    Files { waiting, file, broken, part, exports: [exports[0], exports[1]] }
}

/// An import of which one piece was received.
async fn received(house: &House, Account { tenant, user }: Account) -> (ImportId, Upload, Uuid) {
    let new = NewImport { kind: ImportKind::Customers, name: None, on_conflict: OnConflict::Reject };
    let made = house.store.apply(creation(tenant, user, new), None).await.unwrap();
    let Some(Done::Now(import)) = made else { panic!("{made:?}") };
    let upload = house.store.claim_import(tenant, user, import.id).await.unwrap();
    let file = house.store.begin_import_file(&upload).await.unwrap();
    house.store.add_piece((tenant, file), 0, b"code,name\n").await.unwrap();
    (import.id, upload, file)
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
const CLOSED: [&str; 1] = ["tenants"];

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
