//! The statements that lists are composed of: each with every filter and in every order, without its tenant one place at a time.
//!
//! They are not registered, so they are taken from the wire as they are sent.

use std::collections::BTreeSet;
use std::fmt::Debug;

use kv_store::Store;
use kv_store::lists::{Ask, Count, Filter, List, Value, known};
use kv_store::statement;

use super::world::Twins;
use super::{PREDICATE, SEARCH, strike, strike_all, strike_search};
use crate::wire::{Exchange, Wire};

/// A row too many moves the end of a short page, and shows in a long one.
const LIMITS: [i64; 3] = [1, 2, 50];

/// The first tenant's lists over a wire.
struct Reader<'a> {
    twins: &'a Twins,
    wire: Wire,
    store: Store,
}

impl<'a> Reader<'a> {
    async fn new(twins: &'a Twins) -> Self {
        let mut config = twins.config();
        let wire = Wire::to(config.connection.config(), Exchange::new()).await;
        config.connection = wire.config().into();
        Self { twins, store: Store::open(&config).unwrap(), wire }
    }

    /// What is told of an ask, with short pages and a long one.
    async fn told(&self, list: &'static List, ask: &dyn Fn(i64) -> Ask) -> Vec<String> {
        let mut told = Vec::new();
        for limit in LIMITS {
            told.push(self.twins.settle(&self.read(list, &ask(limit)).await));
        }
        told
    }

    async fn read(&self, list: &'static List, ask: &Ask) -> String {
        let (store, tenant) = (&self.store, self.twins.one.tenant);
        match list.name {
            "customers" => shown(store.list_customers(tenant, ask).await),
            "products" => shown(store.list_products(tenant, ask).await),
            "warehouses" => shown(store.list_warehouses(tenant, ask).await),
            "stock-levels" => shown(store.list_stock_levels(tenant, ask).await),
            "stock-movements" => shown(store.list_movements(tenant, ask).await),
            "reservations" => shown(store.list_reservations(tenant, ask).await),
            "orders" => shown(store.list_orders(tenant, ask).await),
            "stock-receipts" => shown(store.list_receipts(tenant, ask).await),
            "stock-adjustments" => shown(store.list_adjustments(tenant, ask).await),
            "stock-transfers" => shown(store.list_transfers(tenant, ask).await),
            "users" => shown(store.list_users(tenant, ask).await),
            "api-tokens" => shown(store.list_api_tokens(tenant, ask).await),
            "audit-log" => shown(store.list_audit_log(tenant, ask).await),
            other => panic!("nobody reads the list of {other}"),
        }
    }

    /// What is told of every ask.
    async fn all(&self) -> Vec<Vec<String>> {
        let mut told = Vec::new();
        for (list, ask) in asks(self.twins) {
            told.push(self.told(list, &*ask).await);
        }
        told
    }
}

fn shown(result: impl Debug) -> String {
    format!("{result:?}")
}

/// What a filter is asked for: of each tenant there are rows with it.
fn values(twins: &Twins, list: &List, filter: &Filter) -> Vec<Value> {
    let own = &twins.own;
    let text = |text: &str| Value::Text(text.to_owned());
    vec![match (list.name, filter.name) {
        // The one is looked for by the index, the other along the list.
        (_, "q") => return vec![text("idle"), text("a")],
        ("customers", "code") => text("c-a"),
        (_, "code") => text("w-a"),
        (_, "sku") => text("a"),
        ("users", "email") => text("A@1.example"),
        (_, "email") => text("c@x.y"),
        (_, "role") => text("clerk"),
        (_, "user_id") => Value::Id(own.member.uuid()),
        (_, "actor_id") => Value::Id(twins.one.user.uuid()),
        (_, "token_id") => Value::Id(own.api_token.uuid()),
        (_, "operation" | "outcome") => text("done"),
        (_, "object_type") => text("thing"),
        (_, "object_id") => text("k-a"),
        (_, "request_id") => text("request"),
        (_, "active") => Value::Boolean(true),
        (_, "currency") => text("EUR"),
        (_, "created_from" | "from") => Value::Instant("2020-01-01T00:00:00Z".parse().unwrap()),
        (_, "created_to" | "to") => Value::Instant("2100-01-01T00:00:00Z".parse().unwrap()),
        (_, "product_id") => Value::Id(own.key.0.uuid()),
        (_, "warehouse_id") => Value::Id(own.key.1.uuid()),
        (_, "below") => Value::Whole(1_000_000),
        (_, "after") => Value::Whole(0),
        (_, "kind") => text("received"),
        (_, "order_id") => Value::Id(own.order.id.uuid()),
        (_, "reservation_id") => Value::Id(own.held.id.uuid()),
        (_, "customer_id") => Value::Id(own.customer.id.uuid()),
        (_, "status") => text("pending"),
        (_, "number") => Value::Whole(own.order.order_number),
        ("orders" | "reservations", "reference") => text("due"),
        (_, "reference") => text("same"),
        (list, other) => panic!("nobody knows what to ask {other} of {list} for"),
    }]
}

type MakeAsk<'a> = Box<dyn Fn(i64) -> Ask + 'a>;

/// Every order of every list, and every filter, beside those without which a list cannot be asked for. With the count, all of them
/// are composed.
fn asks(twins: &Twins) -> Vec<(&'static List, MakeAsk<'_>)> {
    let mut asks: Vec<(&'static List, MakeAsk<'_>)> = Vec::new();
    for list in known::ALL {
        let plain = move |limit| {
            let required = list.filters.iter().filter(|filter| filter.is_required);
            required.fold(Ask::of(list, limit).counted(Count::Exact), |ask, filter| {
                ask.filtered(filter, values(twins, list, filter).remove(0))
            })
        };
        for sort in std::iter::once(list.default).chain(list.sorts) {
            asks.push((list, Box::new(move |limit| plain(limit).sorted(sort))));
        }
        for filter in list.filters.iter().filter(|filter| !filter.is_required) {
            for value in values(twins, list, filter) {
                asks.push((list, Box::new(move |limit| plain(limit).filtered(filter, value.clone()))));
            }
        }
    }
    asks
}

/// Each text that is sent for an ask, once.
fn composed(reader: &Reader<'_>) -> BTreeSet<String> {
    let texts: BTreeSet<String> = reader.wire.composed().into_iter().collect();
    for text in &texts {
        let tables = text.matches(" from ").count() - text.matches(" from (").count() + text.matches(" join ").count();
        assert_eq!(text.matches(PREDICATE).count(), tables, "{text}");
    }
    texts
}

/// Security is off, and so is one predicate at a time: the tenant notices each.
#[tokio::test]
async fn each_predicate_of_a_composed_list_counts() {
    let twins = Twins::new().await;
    twins.equal_words().await;
    twins.switch_security_off().await;
    let reader = Reader::new(&twins).await;
    let (mut struck, mut wrong) = (0, Vec::new());
    for (list, ask) in asks(&twins) {
        let sound = reader.told(list, &*ask).await;
        for text in composed(&reader) {
            for (place, (at, _)) in text.match_indices(PREDICATE).enumerate() {
                reader.wire.exchange(Exchange::from([(text.clone(), strike(&text, at))]));
                if reader.told(list, &*ask).await == sound {
                    wrong.push(format!("{}, place {place}: {text}", list.name));
                }
                struck += 1;
            }
        }
        reader.wire.exchange(Exchange::new());
        assert_eq!(reader.told(list, &*ask).await, sound);
        reader.wire.composed();
    }
    assert!(wrong.is_empty(), "without its tenant it makes no difference: {wrong:#?}");
    assert!(struck >= 200, "{struck} places");
}

/// Security stands, and no composed statement has a predicate; then the reverse; then there is nobody else: the tenant is told the
/// same.
#[tokio::test]
async fn a_composed_list_is_the_same_whether_or_not_there_is_another_tenant() {
    let twins = Twins::new().await;
    twins.equal_words().await;
    let reader = Reader::new(&twins).await;
    let sound = reader.all().await;
    assert!(sound.iter().all(|told| told.iter().all(|told| told.contains("Ok(") && !told.contains("rows: []"))));
    let exchange: Exchange = composed(&reader).into_iter().map(|text| (text.clone(), strike_all(&text))).collect();
    assert!(exchange.len() >= 150, "{} texts", exchange.len());
    reader.wire.exchange(exchange);
    assert_eq!(reader.all().await, sound);
    reader.wire.exchange(Exchange::new());
    twins.switch_security_off().await;
    assert_eq!(reader.all().await, sound);
    twins.remove_foreign().await;
    assert_eq!(reader.all().await, sound);
}

/// The functions behind the searches look past security. Asked for another tenant, which has the same ids, they find nothing; without
/// their own word on the transaction's tenant they would.
#[tokio::test]
async fn a_search_for_another_tenant_finds_nothing() {
    let twins = Twins::new().await;
    let foreign = || {
        let searches = statement::all().filter(|statement| statement.text.starts_with(SEARCH));
        searches.map(|statement| (statement.text.to_owned(), strike_search(statement.text))).collect::<Exchange>()
    };
    assert_eq!(foreign().len(), 3);
    let definitions = "select pg_get_functiondef(oid) from pg_proc
         where pronamespace = 'app'::regnamespace";
    for (list, function) in [
        (&known::CUSTOMERS, "find_customers"),
        (&known::PRODUCTS, "find_products"),
        (&known::WAREHOUSES, "find_warehouses"),
    ] {
        let filter = list.filters.iter().find(|filter| filter.name == "q").unwrap();
        let ask = |limit| Ask::of(list, limit).filtered(filter, Value::Text("idle".to_owned()));
        let found = async |exchange: Exchange| {
            let reader = Reader::new(&twins).await;
            reader.wire.exchange(exchange);
            !reader.told(list, &ask).await[0].contains("rows: []")
        };
        assert!(found(Exchange::new()).await, "{function} finds the tenant's own");
        assert!(!found(foreign()).await, "{function} finds another tenant's");
        let row = twins.superuser.query_one(&format!("{definitions} and proname = '{function}'"), &[]).await.unwrap();
        let definition: String = row.get(0);
        let open = definition.replace(" and tenant_id = app.tenant_id()", "");
        assert_ne!(open, definition);
        twins.superuser.batch_execute(&open).await.unwrap();
        assert!(found(foreign()).await, "{function} has a second word that keeps another tenant's from being found");
    }
}
