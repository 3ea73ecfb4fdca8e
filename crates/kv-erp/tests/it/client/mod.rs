//! The typed client, against the service over a socket: every operation of the description.

mod lost;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use kv_client::{Client, EndpointPatch, Error, KeyState, NewEndpoint, NewTenant, TenantStatus};
use kv_store::Store;
use kv_types::access::{NewApiToken, NewUser, Role, UserChange};
use kv_types::catalogue::{
    CustomerPatch, NewCustomer, NewProduct, NewWarehouse, Product, ProductPatch, Warehouse, WarehousePatch,
};
use kv_types::exports::{ExportKind, ExportState};
use kv_types::imports::{ImportKind, ImportState, OnConflict};
use kv_types::order::{OrderLine, OrderStatus, PlaceOrder, ReturnGoods};
use kv_types::stock::{
    Adjust, AdjustLine, AdjustTo, PartLine, Receive, ReceiveLine, Reserve, ReserveLine, TransferLine, TransferStock,
};
use kv_types::webhooks::{EndpointState, WebhookEndpoint};
use kv_types::{CustomerId, MinorUnits, ProductId, Quantity, Ttl, WarehouseId, WebhookDeliveryId};
use tokio::net::TcpListener;

use crate::operations::operations;
use crate::world::{PLATFORM_TOKEN, World};

/// The world behind a socket.
async fn served(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn client(address: SocketAddr, world: &World) -> Client {
    Client::builder(format!("http://{address}")).token(world.one.token()).build().unwrap()
}

fn units(units: i64) -> Quantity {
    Quantity::parse(units).unwrap()
}

fn customer(code: &str) -> NewCustomer {
    NewCustomer { code: code.into(), name: format!("Customer {code}"), email: None, phone: None }
}

fn product(sku: &str) -> NewProduct {
    NewProduct {
        sku: sku.into(),
        name: format!("Product {sku}"),
        description: None,
        uom: "unit".into(),
        price: MinorUnits::parse_price(250).unwrap(),
        currency: "EUR".parse().unwrap(),
        active: true,
    }
}

fn warehouse(code: &str) -> NewWarehouse {
    NewWarehouse { code: code.into(), name: format!("Warehouse {code}"), priority: 100, active: true }
}

struct Goods {
    customer: CustomerId,
    product: ProductId,
    from: WarehouseId,
    to: WarehouseId,
}

#[tokio::test]
async fn every_operation_of_the_description_has_a_method() {
    let world = World::new().await;
    let client = client(served(&world).await, &world);
    let goods = catalogue(&client).await;
    stock(&client, &goods).await;
    reservations(&client, &goods).await;
    orders(&client, &goods).await;
    batches(&client, &goods).await;
    files(&client).await;
    following(&client, (&goods, &world.store)).await;
    locks_and_keys(&client).await;
    accounts(&client).await;
    platform(&client).await;
    sessions(&client).await;
    let missing: BTreeSet<String> = described(&world).await.difference(&asked(&world).await).cloned().collect();
    assert_eq!(missing, BTreeSet::new(), "operations that the client never asked for");
}

/// The operations that a client is for.
async fn described(world: &World) -> BTreeSet<String> {
    let all = operations(world).await.into_iter().map(|operation| operation.line);
    all.filter(|line| line.contains(" /api/v1/") || line.contains(" /platform/v1/")).collect()
}

/// What the service's own counters say was asked.
async fn asked(world: &World) -> BTreeSet<String> {
    let metrics = world.one.text("/metrics").await;
    let line = regex::Regex::new(r#"^kv_http_requests_total\{route="([^"]+)",method="([^"]+)"#).unwrap();
    let found = metrics.lines().filter_map(|text| line.captures(text));
    found.map(|found| format!("{} {}", &found[2], &found[1])).collect()
}

async fn catalogue(client: &Client) -> Goods {
    let made = client.customers().create(&customer("c")).await.unwrap();
    let patch = CustomerPatch {
        name: Some("Ada".into()),
        email: Some(Some("ada@example.com".into())),
        ..CustomerPatch::default()
    };
    let changed = client.customers().change(&made.id, made.version, &patch).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.email.as_deref(), changed.version), ("Ada", Some("ada@example.com"), 2));
    assert_eq!(client.customers().get(&made.id).await.unwrap(), changed);
    let gone = client.customers().create(&customer("gone")).await.unwrap();
    client.customers().delete(&gone.id).await.unwrap();
    assert_eq!(client.customers().get(&gone.id).await.unwrap_err().code(), Some("not_found"));
    assert_eq!(client.customers().list(&[("limit", "5")]).await.unwrap().data, [changed]);

    let thing: Product = client.products().create(&product("p")).await.unwrap();
    let patch = ProductPatch { description: Some(Some("Zinc".into())), ..ProductPatch::default() };
    let thing = client.products().change(&thing.id, thing.version, &patch).await.unwrap();
    let emptied = ProductPatch { description: Some(None), ..ProductPatch::default() };
    assert_eq!(client.products().change(&thing.id, thing.version, &emptied).await.unwrap().description, None);
    for number in 0..4 {
        client.products().create(&product(&format!("p{number}"))).await.unwrap();
    }
    let all: Vec<Product> = client.products().all(&[("limit", "2")]).try_collect().await.unwrap();
    assert_eq!(all.iter().map(|product| product.sku.as_str()).collect::<Vec<_>>(), ["p", "p0", "p1", "p2", "p3"]);
    client.products().get(&thing.id).await.unwrap();
    client.products().delete(&all[4].id).await.unwrap();

    let from: Warehouse = client.warehouses().create(&warehouse("a")).await.unwrap();
    let to = client.warehouses().create(&warehouse("b")).await.unwrap();
    let patch = WarehousePatch { priority: Some(7), ..WarehousePatch::default() };
    assert_eq!(client.warehouses().change(&to.id, to.version, &patch).await.unwrap().priority, 7);
    assert_eq!(client.warehouses().get(&from.id).await.unwrap(), from);
    assert_eq!(client.warehouses().list(&[]).await.unwrap().data.len(), 2);
    let gone = client.warehouses().create(&warehouse("gone")).await.unwrap();
    client.warehouses().delete(&gone.id).await.unwrap();
    Goods { customer: made.id, product: thing.id, from: from.id, to: to.id }
}

async fn stock(client: &Client, &Goods { product, from, to, .. }: &Goods) {
    let line = ReceiveLine { product, warehouse: from, quantity: units(100) };
    let receipt = client.receipts().book(&Receive { lines: vec![line], reference: Some("R-1".into()) }).await.unwrap();
    assert_eq!(client.receipts().get(receipt.id).await.unwrap(), receipt);
    assert_eq!(client.receipts().list(&[]).await.unwrap().data, [receipt]);
    let lines = vec![TransferLine { product, quantity: units(40) }];
    let transfer = client.transfers().book(&TransferStock { from, to, lines, reference: None }).await.unwrap();
    assert_eq!(client.transfers().get(transfer.id).await.unwrap(), transfer);
    assert_eq!(client.transfers().list(&[]).await.unwrap().data, [transfer]);
    let counted = AdjustLine { product, warehouse: from, to: AdjustTo::Set { to: 59, expected: 60 } };
    let found = AdjustLine { product, warehouse: to, to: AdjustTo::Delta(2) };
    let adjust = Adjust { lines: vec![counted, found], reason: "count".into(), reference: None };
    let adjustment = client.adjustments().book(&adjust).await.unwrap();
    assert_eq!(adjustment.items.iter().map(|item| item.quantity_after).collect::<Vec<_>>(), [59, 42]);
    assert_eq!(client.adjustments().get(adjustment.id).await.unwrap(), adjustment);
    assert_eq!(client.adjustments().list(&[]).await.unwrap().data.len(), 1);
    assert_eq!(client.levels().limit_backorders(product, from, 5).await.unwrap().backorder_limit, 5);
    assert_eq!(client.levels().list(&[]).await.unwrap().data.len(), 2);
    assert_eq!(client.levels().get(product, to).await.unwrap().quantity, 42);
    assert_eq!(client.levels().movements(product, from, 1).await.unwrap().data[0].version, 2);
    assert!(client.prove().await.unwrap().sound);
}

async fn reservations(client: &Client, &Goods { product, from, .. }: &Goods) {
    let lines = vec![ReserveLine { product, warehouse: Some(from), quantity: units(3) }];
    let hold = Reserve { lines, reference: Some("hold".into()), ttl: Ttl::parse(60) };
    let first = client.reservations().hold(&hold).await.unwrap();
    assert_eq!(client.reservations().get(first.id).await.unwrap(), first);
    let longer = client.reservations().extend(first.id, Ttl::parse(600).unwrap()).await.unwrap();
    assert!(longer.expires_at > first.expires_at);
    client.reservations().release(first.id).await.unwrap();
    let part = client.reservations().hold(&hold).await.unwrap();
    let some = PartLine { product, warehouse: from, quantity: units(1) };
    let shipped = client.reservations().confirm_part(part.id, &[some]).await.unwrap();
    assert_eq!(shipped.items[0].fulfilled_quantity, 1);
    let whole = client.reservations().hold(&hold).await.unwrap();
    assert_eq!(client.reservations().confirm(whole.id).await.unwrap().items[0].fulfilled_quantity, 3);
    client.reservations().list(&[]).await.unwrap();
}

async fn orders(client: &Client, &Goods { customer, product, to, .. }: &Goods) {
    let line = |quantity| OrderLine { product, quantity: units(quantity) };
    let place = |quantity| PlaceOrder {
        customer,
        lines: vec![line(quantity)],
        reference: None,
        ttl: None,
        allow_partial: false,
    };
    let order = client.orders().place(&place(5)).await.unwrap();
    assert_eq!(order.total_minor, 1_250);
    assert_eq!(client.orders().get(order.id).await.unwrap(), order);
    client.orders().confirm(order.id).await.unwrap();
    let some = client.orders().fulfill_part(order.id, &[line(2)]).await.unwrap();
    assert_eq!(some.status, OrderStatus::PartiallyFulfilled);
    let warehouse = some.items[0].allocations[0].warehouse_id;
    let lines = vec![PartLine { product, warehouse, quantity: units(1) }];
    let back = client.orders().take_back(order.id, &ReturnGoods { lines, reason: "broken".into() }).await.unwrap();
    assert_eq!((back.items[0].returned_quantity, warehouse), (1, to));
    assert_eq!(client.orders().close(order.id).await.unwrap().status, OrderStatus::Fulfilled);
    let whole = client.orders().place(&place(1)).await.unwrap();
    client.orders().confirm(whole.id).await.unwrap();
    assert_eq!(client.orders().fulfill(whole.id).await.unwrap().status, OrderStatus::Fulfilled);
    let off = client.orders().place(&place(1)).await.unwrap();
    assert_eq!(client.orders().cancel(off.id).await.unwrap().status, OrderStatus::Cancelled);
    let short = client.orders().place(&place(10_000)).await.unwrap_err();
    let problem = short.problem().unwrap();
    assert_eq!((short.code(), &*problem.errors[0].pointer), (Some("insufficient_stock"), "/items/0/quantity"));
    assert_eq!(client.orders().list(&[("limit", "2")]).await.unwrap().data.len(), 2);
    assert!(client.prove().await.unwrap().sound);
}

async fn batches(client: &Client, &Goods { customer: buyer, product: thing, from, .. }: &Goods) {
    let both = client.customers().create_each(&[customer("n1"), customer("c")]).await.unwrap();
    assert_eq!(both[0].as_ref().unwrap().code, "n1");
    assert_eq!(both[1].as_ref().unwrap_err().code, "duplicate_code");
    let refused = client.customers().create_all(&[customer("n2"), customer("c")]).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().errors[0].pointer, "/items/1/code");
    client.products().create_all(&[product("b1"), product("b2")]).await.unwrap();
    client.warehouses().create_all(&[warehouse("b1"), warehouse("b2")]).await.unwrap();
    let line = ReceiveLine { product: thing, warehouse: from, quantity: units(5) };
    client.receipts().book_all(&[Receive { lines: vec![line], reference: None }]).await.unwrap();
    let line = AdjustLine { product: thing, warehouse: from, to: AdjustTo::Delta(-1) };
    client
        .adjustments()
        .book_each(&[Adjust { lines: vec![line], reason: "count".into(), reference: None }])
        .await
        .unwrap();
    let line = ReserveLine { product: thing, warehouse: None, quantity: units(1) };
    client.reservations().hold_all(&[Reserve { lines: vec![line], reference: None, ttl: None }]).await.unwrap();
    let lines = vec![OrderLine { product: thing, quantity: units(1) }];
    let order = PlaceOrder { customer: buyer, lines, reference: None, ttl: None, allow_partial: false };
    let placed = client.orders().place_all(&[order.clone(), order]).await.unwrap();
    assert!(placed[0].order_number < placed[1].order_number);
}

async fn files(client: &Client) {
    let import = client.imports().begin(ImportKind::Customers, OnConflict::Reject).await.unwrap();
    let done = client.imports().upload(import.id, "code,name\r\nf1,File\r\nc,Known\r\n").await.unwrap();
    assert_eq!((done.accepted, done.rejected, done.state), (1, 1, ImportState::Complete));
    assert_eq!(client.imports().get(import.id).await.unwrap(), done);
    assert_eq!(client.imports().rejections(import.id, 0).await.unwrap().data[0].line, 3);
    let mut file = Vec::new();
    assert_eq!(client.export("customers", &mut file).await.unwrap(), file.len() as u64);
    assert!(String::from_utf8(file).unwrap().contains(",f1,File,"));
    let later = client.imports().begin(ImportKind::Customers, OnConflict::Reject).await.unwrap();
    let left = client.imports().leave(later.id, "code,name\r\nf2,Later\r\n").await.unwrap();
    assert!(left.state == ImportState::Open && left.job_id.is_some(), "{left:?}");
    let export = client.export_files().create(ExportKind::Customers).await.unwrap();
    assert_eq!(client.export_files().get(export.id).await.unwrap(), export);
    let open = client.export_files().read(export.id, &mut Vec::new()).await.unwrap_err();
    assert_eq!((open.code(), export.state), (Some("export_open"), ExportState::Open));
    assert_eq!(client.export("nothing", &mut Vec::new()).await.unwrap_err().code(), Some("not_found"));
}

async fn following(client: &Client, (goods, store): (&Goods, &Store)) {
    let order = client.orders().list(&[]).await.unwrap();
    let (of, at) = (goods.product, goods.from);
    assert_eq!(client.levels().set_reorder_point(of, at, Some(3)).await.unwrap().reorder_point, Some(3));
    assert_eq!(client.levels().reorder_point(of, at).await.unwrap().reorder_point, Some(3));
    assert_eq!(client.levels().set_reorder_point(of, at, None).await.unwrap().reorder_point, None);
    store.place_events(1_000).await.unwrap();
    let events = client.events(0, Some("order.created")).await.unwrap();
    assert!(!events.data.is_empty() && events.next_after >= events.data[0].position && !events.has_more);
    let hook = NewEndpoint { url: "https://example.com/hook".to_owned(), description: None, event_types: Vec::new() };
    let made = client.webhooks().create(&hook).await.unwrap();
    assert!(made.secret.as_deref().unwrap().starts_with("whsec_"));
    let (id, shown) = (made.id, WebhookEndpoint { secret: None, ..made });
    assert_eq!(client.webhooks().list().await.unwrap(), vec![shown.clone()]);
    assert_eq!(client.webhooks().get(id).await.unwrap(), shown);
    let patch = EndpointPatch { state: Some(EndpointState::Disabled), ..EndpointPatch::default() };
    assert_eq!(client.webhooks().change(id, 1, &patch).await.unwrap().state, EndpointState::Disabled);
    assert!(client.webhooks().deliveries(id, None).await.unwrap().data.is_empty());
    let nothing = WebhookDeliveryId::from_uuid(uuid::Uuid::nil());
    assert_eq!(client.webhooks().redeliver(id, nothing).await.unwrap_err().code(), Some("not_found"));
    client.webhooks().delete(id).await.unwrap();
    let open = client.jobs().list(Some("open"), None).await.unwrap().data;
    let job = open.iter().find(|job| job.kind == "send_order_confirmation").unwrap();
    assert_eq!(client.jobs().get(job.id).await.unwrap(), *job);
    let job = job.id;
    assert_eq!(client.jobs().replay(job).await.unwrap_err().code(), Some("job_not_dead"));
    let unconfirmed = client.orders().confirmation(order.data[0].id).await.unwrap_err();
    assert_eq!(unconfirmed.code(), Some("not_found"));
}

async fn locks_and_keys(client: &Client) {
    let (wait, ttl) = (Duration::ZERO, Duration::from_secs(30));
    let grant = client.locks().acquire("stock:p/1", wait, ttl).await.unwrap();
    let state = client.locks().get("stock:p/1").await.unwrap();
    assert_eq!((state.held, state.fence), (true, Some(grant.fence)));
    assert_eq!(client.locks().acquire("stock:p/1", wait, ttl).await.unwrap_err().code(), Some("lock_busy"));
    assert_eq!(client.locks().renew(&grant, ttl).await.unwrap().ttl_ms, 30_000);
    client.locks().release(&grant).await.unwrap();
    let keyed = client.with_key("the key");
    assert!(
        matches!(keyed.customers().create(&customer("k")).await, Err(Error::Refused(_))),
        "a blank is no part of a key"
    );
    let keyed = client.with_key("key/1");
    let made = keyed.customers().create(&customer("k")).await.unwrap();
    assert_eq!(keyed.customers().create(&customer("k")).await.unwrap(), made, "the same key, the same customer");
    assert_eq!(client.keys().get("key/1").await.unwrap().state, KeyState::Completed);
    assert_eq!(client.keys().settle("never").await.unwrap().state, KeyState::Void);
}

async fn accounts(client: &Client) {
    let new = NewUser {
        email: "ada@one.example".into(),
        name: Some("Ada".into()),
        role: Role::Clerk,
        password: "correct horse battery".into(),
        rate_limit_per_minute: None,
    };
    let made = client.users().create(&new).await.unwrap();
    assert_eq!(client.users().get(made.id).await.unwrap(), made);
    let change = UserChange {
        email: made.email.clone(),
        name: None,
        role: Role::Manager,
        active: true,
        rate_limit_per_minute: Some(500),
    };
    let changed = client.users().replace(made.id, made.version, &change).await.unwrap();
    assert_eq!((changed.role, changed.version, changed.name), (Role::Manager, 2, None));
    assert_eq!(client.users().list(&[("role", "manager")]).await.unwrap().data.len(), 1);
    client.users().reset_password(made.id, "another password").await.unwrap();
    let session = client.log_in(&made.email, "another password").await.unwrap();
    let ada = client.with_token(&session.token).unwrap();
    ada.change_password("another password", "a third password").await.unwrap();
    let wanted = NewApiToken {
        name: "n".into(),
        scopes: vec!["orders:read".into()],
        expires_at: None,
        rate_limit_per_minute: None,
    };
    let token = ada.api_tokens().create(&wanted).await.unwrap();
    assert!(!format!("{token:?}").contains(&token.token));
    assert_eq!(ada.api_tokens().list(&[]).await.unwrap().data, std::slice::from_ref(&token.about));
    let narrow = client.with_token(&token.token).unwrap();
    narrow.orders().list(&[]).await.unwrap();
    assert_eq!(narrow.me().await.unwrap().role, "manager");
    ada.api_tokens().revoke(token.about.id).await.unwrap();
    client.users().deactivate(made.id).await.unwrap();
    let of_ada = made.id.to_string();
    let page = client.audit_log().list(&[("object_id", of_ada.as_str()), ("outcome", "done")]).await.unwrap();
    assert_eq!(page.data[0].operation, "deactivate_user");
    let all: Vec<_> = client.audit_log().all(&[("actor_id", of_ada.as_str())]).try_collect().await.unwrap();
    assert!(all.iter().any(|entry| entry.operation == "create_api_token"), "{all:#?}");
}

async fn platform(client: &Client) {
    let refused = client.tenants().list(0, 10).await.unwrap_err();
    assert_eq!(refused.code(), Some("token_invalid"), "a tenant's token is none of the platform");
    let platform = client.with_token(PLATFORM_TOKEN).unwrap();
    let new = NewTenant {
        slug: "acme".to_owned(),
        name: "Acme".to_owned(),
        owner_email: "owner@acme.example".to_owned(),
        owner_name: None,
        owner_password: "correct horse battery".to_owned().into(),
    };
    assert!(!format!("{new:?}").contains("correct horse"));
    let made = platform.tenants().create(&new).await.unwrap();
    assert_eq!((made.slug.as_str(), made.status), ("acme", TenantStatus::Active));
    assert_eq!(platform.tenants().create(&new).await.unwrap_err().code(), Some("duplicate_slug"));
    assert_eq!(platform.tenants().suspend(made.id).await.unwrap().status, TenantStatus::Suspended);
    assert_eq!(platform.tenants().resume(made.id).await.unwrap(), made);
    let page = platform.tenants().list(0, 2).await.unwrap();
    assert_eq!((page.data.len(), page.next_after), (2, Some(page.data[1].id.get())));
    let rest = platform.tenants().list(page.next_after.unwrap(), 10).await.unwrap();
    assert_eq!((rest.data, rest.next_after), (vec![made], None));
}

async fn sessions(client: &Client) {
    let me = client.me().await.unwrap();
    assert_eq!(client.log_in(&me.email, "wrong").await.unwrap_err().code(), Some("invalid_credentials"));
    client.log_out().await.unwrap();
    assert_eq!(client.me().await.unwrap_err().code(), Some("token_invalid"));
}
