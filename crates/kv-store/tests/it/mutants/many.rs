//! What the service does many rows at a time: batches, groups, files in and out, and searches.

use std::sync::Arc;

use kv_store::exports;
use kv_store::idempotency::{Answer, Once};
use kv_store::imports::{NewImport, ReceiptRow, Step, creation};
use kv_store::lists::{Ask, Kind, List, Value, known};
use kv_store::stock::{Action, Command, Outcome};
use kv_types::imports::{ImportKind, OnConflict};
use kv_types::{Expected, OrderId};

use super::repertoire::{Told, asked, customer, product, warehouse};
use crate::isolation::order_of;
use crate::support::{Account, quantity};

/// Whatever is found, in the code of the things that nothing refers to; the twins' codes have it too.
const SOUGHT: &str = "idle";

impl Told<'_> {
    /// Each batch has something new, something that the tenant has, and something that only the second one has.
    pub(super) async fn write_batches(&mut self) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        let warehouses = ["batch", "w-a", "w-held-b"].map(warehouse).to_vec();
        let once = self.once_each("k-each", warehouses.len());
        self.note("each warehouse", store.create_each(tenant, warehouses.clone(), once).await);
        let once = self.once_each("k-each", warehouses.len());
        self.note("each warehouse again", store.create_each(tenant, warehouses, once).await);
        let products = ["batch", "a", "held-b"].map(product).to_vec();
        self.note("each product", store.create_each(tenant, products, Vec::new()).await);
        for (what, codes) in [("all customers", ["batch", "batch-b"]), ("all but one", ["batch-c", "c-a"])] {
            for _ in 0..2 {
                let once = store.once(tenant, asked(what.split(' ').next_back().unwrap()), made());
                self.note(what, store.create_all(tenant, codes.map(customer).to_vec(), Some(once)).await);
            }
        }
    }

    fn once_each<T>(&self, key: &str, count: usize) -> Vec<Once<T>> {
        (0..count).map(|place| self.store.once(self.me.tenant, asked(&format!("{key}-{place}")), made())).collect()
    }

    /// Two orders under one key. An order of the second tenant has the id of the first one.
    pub(super) async fn order_twice(&mut self) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let (customer, product) = (self.twins.own.customer.id, self.twins.own.key.0);
        let place = |id: Option<OrderId>| {
            let action = Action::place_order(tenant, order_of(customer, product, 1));
            let Action::PlaceOrder(fresh, held, wish) = action else { unreachable!("an order is placed") };
            Action::PlaceOrder(id.unwrap_or(fresh), held, wish)
        };
        let action = Action::group(vec![place(Some(self.twins.foreign_grouped)), place(None)]).unwrap();
        let encode = |outcome: &Outcome| {
            let is_open = matches!(outcome, Outcome::Group(orders)
                if orders.iter().all(|order| matches!(order, Outcome::Order(order) if order.order_number == 0)));
            let numbers_at = if is_open { vec![8, 13] } else { Vec::new() };
            Answer { head: "201".to_owned(), body: b"numbers  and ".to_vec(), numbers_at }
        };
        for _ in 0..2 {
            let once = Some(store.once(tenant, asked("k-group"), Arc::new(encode)));
            let action = action.clone();
            let command = Command { actor: user, fence: None, once, expected: Expected::Any, action };
            self.note("orders under a key", store.stock().run(tenant, command).await);
        }
    }

    pub(super) async fn export(&mut self) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        for export in [
            &exports::CUSTOMERS,
            &exports::PRODUCTS,
            &exports::WAREHOUSES,
            &exports::STOCK_LEVELS,
            &exports::STOCK_MOVEMENTS,
            &exports::ORDERS,
        ] {
            let first = store.export_page(tenant, export, None).await;
            let key = first.as_ref().ok().and_then(|rows| rows.first()).map(|row| export.key(row));
            self.note("export", first);
            self.note("export behind the first row", store.export_page(tenant, export, key.as_deref()).await);
        }
    }

    pub(super) async fn search(&mut self) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        self.note("customers found", store.list_customers(tenant, &sought(&known::CUSTOMERS)).await);
        self.note("products found", store.list_products(tenant, &sought(&known::PRODUCTS)).await);
        self.note("warehouses found", store.list_warehouses(tenant, &sought(&known::WAREHOUSES)).await);
    }

    pub(super) async fn import(&mut self) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let new = NewImport { kind: ImportKind::Customers, name: None, on_conflict: OnConflict::Reject };
        self.note("new import", store.apply(creation(tenant, user, new), None).await);
        self.note("import of another", store.import(tenant, self.twins.foreign_import).await);
        self.note("claim another's", store.claim_import(tenant, user, self.twins.foreign_import).await);
        for (place, id) in self.twins.imports.into_iter().enumerate() {
            let claimed = store.claim_import(tenant, user, id).await;
            let upload = claimed.as_ref().ok().cloned();
            self.note("claim", claimed);
            let Some(mut upload) = upload else { continue };
            self.note("claim twice", store.claim_import(tenant, user, id).await);
            self.note("renew", store.renew_import(&upload).await);
            for step in [step(2, false), step(4, true)] {
                let first = step.lines_done;
                let done = match place {
                    0 => store.import_rows(&mut upload, &step, &rows(first, customer)).await,
                    1 => store.import_rows(&mut upload, &step, &rows(first, product)).await,
                    _ => store.import_receipts(&mut upload, &step, &receipts(first)).await,
                };
                self.note("step", (done, &upload.record));
            }
            self.note("release", store.release_import(&upload).await);
            self.note("import", store.import(tenant, id).await);
            self.note("rejections", store.import_rejections(tenant, id, 0, 50).await);
        }
    }
}

fn made<T>() -> Arc<dyn Fn(&T) -> Answer + Send + Sync> {
    Arc::new(|_: &T| Answer { head: "201".to_owned(), body: b"made".to_vec(), numbers_at: Vec::new() })
}

fn sought(list: &'static List) -> Ask {
    let filter = list.filters.iter().find(|filter| matches!(filter.kind, Kind::Search(_))).unwrap();
    Ask::of(list, 50).filtered(filter, Value::Text(SOUGHT.to_owned()))
}

/// So many lines of a file, one of which could not be read.
fn step(lines: i64, is_last: bool) -> Step {
    let rejection = kv_types::imports::Rejection {
        line: lines * 10,
        code: "invalid".to_owned(),
        detail: "it could not be read".to_owned(),
    };
    Step {
        lines_done: lines,
        bytes_done: lines * 10,
        prefix_hash: [u8::try_from(lines).unwrap(); 32],
        columns: vec!["word".to_owned()],
        rejections: vec![rejection],
        is_last,
    }
}

/// Something new, something that the tenant has, and something that only the second one has.
fn rows<N>(first: i64, new: impl Fn(&str) -> N) -> Vec<(i64, N)> {
    [format!("file-{first}"), "c-a".to_owned(), "grouped-b".to_owned()]
        .iter()
        .map(|word| new(word))
        .zip(first..)
        .map(|(row, line)| (line, row))
        .collect()
}

/// Goods of the tenant, of a product that only the second one has, and in a warehouse that only the second one has.
fn receipts(first: i64) -> Vec<(i64, ReceiptRow)> {
    let row = |(sku, code): (&str, &str)| ReceiptRow {
        sku: sku.to_owned(),
        warehouse_code: code.to_owned(),
        quantity: quantity(5),
        reference: Some("file".to_owned()),
    };
    [("a", "w-a"), ("held-b", "w-a"), ("a", "w-held-b")]
        .into_iter()
        .map(row)
        .zip(first..)
        .map(|(row, line)| (line, row))
        .collect()
}
