//! What a tenant does many rows at a time: batches, groups, files in and out, and lists that are filtered. Steps of their own ids.

use std::sync::Arc;

use kv_store::Store;
use kv_store::exports;
use kv_store::idempotency::Done;
use kv_store::imports::{ImportError, ImportRecord, NewImport, ReceiptRow, Step as Lines, creation};
use kv_store::lists::{Ask, Count, List, Value, known};
use kv_store::stock::{Action, Command};
use kv_types::imports::{ImportKind, OnConflict};
use kv_types::stock::{Receive, ReceiveLine};
use kv_types::{Expected, ProductId, WarehouseId};

use super::belongs::tag;
use super::doing::{Step, Told, answer, customer, product, warehouse};
use crate::support::Account;

/// Kinds of these steps.
pub(super) const KINDS: u32 = 13;

impl Step {
    pub(super) async fn run_many(&self, store: &Store, kind: u32) -> Told {
        let tenant = self.account().tenant;
        match kind {
            0 => {
                let once = (0..2).map(|place| {
                    let asked = kv_store::idempotency::Asked {
                        key: format!("{}-{place}", self.key).parse().unwrap(),
                        ..self.asked()
                    };
                    store.once(tenant, asked, Arc::new(|made: &_| answer(format!("{made:?}"))))
                });
                let rows = self.words().map(|word| customer(&word)).to_vec();
                Told::of_kept(&store.create_each(tenant, rows, once.collect()).await)
            }
            1 => Told::of(
                &store.create_each(tenant, self.words().map(|word| warehouse(&word)).to_vec(), Vec::new()).await,
            ),
            2 => {
                let once = store.once(tenant, self.asked(), Arc::new(|made: &_| answer(format!("{made:?}"))));
                let rows = self.words().map(|word| product(tenant, &word)).to_vec();
                Told::of_kept(&store.create_all(tenant, rows, Some(once)).await)
            }
            3 => self.receive_twice(store).await,
            4 => Told::of(&self.import(store, ImportKind::Customers).await),
            5 => Told::of(&self.import(store, ImportKind::Products).await),
            6 => Told::of(&self.import(store, ImportKind::StockReceipts).await),
            7 => Told::of(&store.export_page(tenant, &exports::CUSTOMERS, None).await),
            8 => Told::of(&store.export_page(tenant, &exports::STOCK_MOVEMENTS, None).await),
            9 => Told::of(&store.list_customers(tenant, &ask(&known::CUSTOMERS, "q", "first")).await),
            10 => Told::of(&store.list_orders(tenant, &ask(&known::ORDERS, "status", "pending")).await),
            11 => Told::of(&store.list_reservations(tenant, &ask(&known::RESERVATIONS, "status", "pending")).await),
            _ => Told::of(&store.list_receipts(tenant, &Ask::of(&known::RECEIPTS, 50).counted(Count::Exact)).await),
        }
    }

    /// Something new, and something that is there from the beginning.
    fn words(&self) -> [String; 2] {
        [self.word.clone(), format!("{}first-0", tag(self.account().tenant))]
    }

    async fn receive_twice(&self, store: &Store) -> Told {
        let Account { tenant, user } = self.account();
        let (product, warehouse) = (ProductId::from_uuid(self.own[1]), WarehouseId::from_uuid(self.own[2]));
        let lines = vec![ReceiveLine { product, warehouse, quantity: self.units }];
        let receive = || Action::receive(tenant, Receive { lines: lines.clone(), reference: Some(self.word.clone()) });
        let action = Action::group(vec![receive(), receive()]).unwrap();
        let command = Command { actor: user, fence: None, once: None, expected: Expected::Any, action };
        Told::keyed(&store.stock().run(tenant, command).await)
    }

    async fn import(&self, store: &Store, kind: ImportKind) -> Result<ImportRecord, ImportError> {
        let Account { tenant, user } = self.account();
        let new = NewImport { kind, name: Some(self.word.clone()), on_conflict: OnConflict::Update };
        let made = store.apply(creation(tenant, user, new), None).await?;
        let Some(Done::Now(import)) = made else { panic!("{made:?}") };
        let mut upload = store.claim_import(tenant, user, import.id).await?;
        store.renew_import(&upload).await?;
        let (lines, [new, known]) = (lines(), self.words());
        match kind {
            ImportKind::Customers => {
                store.import_rows(&mut upload, &lines, &[(2, customer(&new)), (3, customer(&known))]).await?;
            }
            ImportKind::Products => {
                let rows = [(2, product(tenant, &new)), (3, product(tenant, &known))];
                store.import_rows(&mut upload, &lines, &rows).await?;
            }
            ImportKind::StockReceipts => {
                let row = |sku: &str| ReceiptRow {
                    sku: sku.to_owned(),
                    warehouse_code: known.clone(),
                    quantity: self.units,
                    reference: Some(self.word.clone()),
                };
                store.import_receipts(&mut upload, &lines, &[(2, row(&new)), (3, row(&known))]).await?;
            }
        }
        store.release_import(&upload).await?;
        store.import_rejections(tenant, import.id, 0, 50).await?;
        Ok(upload.record)
    }
}

fn lines() -> Lines {
    Lines {
        lines_done: 3,
        bytes_done: 30,
        prefix_hash: [0; 32],
        columns: vec!["word".to_owned()],
        rejections: Vec::new(),
        is_last: true,
    }
}

fn ask(list: &'static List, name: &str, text: &str) -> Ask {
    let filter = list.filters.iter().find(|filter| filter.name == name).unwrap();
    Ask::of(list, 50).filtered(filter, Value::Text(text.to_owned())).counted(Count::Exact)
}
