//! What a batch has to load: every id that its commands name, in the order in which rows are locked, as statement parameters.

use std::collections::{BTreeMap, BTreeSet};

use kv_types::{CustomerId, IdempotencyKey, OrderId, ProductId, ReservationId, TenantId, WarehouseId};
use uuid::Uuid;

use super::board::LevelKey;
use super::command::{Action, Command};

/// Every id that a batch's commands name.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    fences: BTreeMap<String, i64>,
    keys: BTreeSet<LevelKey>,
    new_keys: BTreeSet<LevelKey>,
    /// Products whose every level is a source.
    anywhere: BTreeSet<ProductId>,
    products: BTreeSet<ProductId>,
    warehouses: BTreeSet<WarehouseId>,
    customers: BTreeSet<CustomerId>,
    orders: BTreeSet<OrderId>,
    reservations: BTreeSet<ReservationId>,
    idempotency_keys: BTreeSet<IdempotencyKey>,
}

impl Wanted {
    pub(super) fn by<'a>(commands: impl Iterator<Item = &'a Command>) -> Self {
        let mut wanted = Self::default();
        for command in commands {
            if let Some(claim) = &command.fence {
                let fence = wanted.fences.entry(claim.resource.clone()).or_insert(claim.fence);
                *fence = (*fence).max(claim.fence);
            }
            wanted.idempotency_keys.extend(command.once.as_ref().map(|once| once.asked.key.clone()));
            wanted.add(&command.action);
        }
        wanted
    }

    /// The same without making these levels.
    pub(super) fn without_making(mut self, unmade: &BTreeSet<LevelKey>) -> Self {
        self.new_keys.retain(|key| !unmade.contains(key));
        self
    }

    fn add(&mut self, action: &Action) {
        match action {
            Action::Reserve(_, reserve) => {
                for line in &reserve.lines {
                    self.products.insert(line.product);
                    match line.warehouse {
                        Some(warehouse) => {
                            self.keys.insert((line.product, warehouse));
                            self.warehouses.insert(warehouse);
                        }
                        None => {
                            self.anywhere.insert(line.product);
                        }
                    }
                }
            }
            Action::Receive(_, receive) => {
                receive.lines.iter().for_each(|line| self.add_new_level((line.product, line.warehouse)));
            }
            Action::Adjust(_, adjust) => {
                adjust.lines.iter().for_each(|line| self.add_new_level((line.product, line.warehouse)));
            }
            Action::Transfer(_, transfer) => {
                self.warehouses.insert(transfer.from);
                for line in &transfer.lines {
                    self.keys.insert((line.product, transfer.from));
                    self.add_new_level((line.product, transfer.to));
                }
            }
            Action::LimitBackorders(product, warehouse, _) => self.add_new_level((*product, *warehouse)),
            Action::Release(id)
            | Action::Ship(id)
            | Action::ShipPart(id, _)
            | Action::Extend(id, _)
            | Action::Expire(id) => {
                self.reservations.insert(*id);
            }
            Action::PlaceOrder(_, _, order) => {
                self.customers.insert(order.customer);
                for line in &order.lines {
                    self.products.insert(line.product);
                    self.anywhere.insert(line.product);
                }
            }
            Action::ConfirmOrder(id)
            | Action::FulfillOrder(id, _)
            | Action::ReturnOrder(id, _)
            | Action::CloseOrder(id)
            | Action::CancelOrder(id) => {
                self.orders.insert(*id);
            }
            Action::Group(actions) => actions.iter().for_each(|action| self.add(action)),
        }
    }

    /// A level that is made when it is not there.
    fn add_new_level(&mut self, key: LevelKey) {
        self.products.insert(key.0);
        self.warehouses.insert(key.1);
        self.keys.insert(key);
        self.new_keys.insert(key);
    }
}

/// The same ids as statement parameters.
pub(super) struct Ids {
    pub(super) tenant: i64,
    pub(super) resources: Vec<String>,
    pub(super) fences: Vec<i64>,
    pub(super) keys: (Vec<Uuid>, Vec<Uuid>),
    pub(super) new_keys: (Vec<Uuid>, Vec<Uuid>),
    pub(super) anywhere: Vec<Uuid>,
    pub(super) products: Vec<Uuid>,
    pub(super) warehouses: Vec<Uuid>,
    pub(super) customers: Vec<Uuid>,
    pub(super) orders: Vec<Uuid>,
    pub(super) reservations: Vec<Uuid>,
    pub(super) idempotency_keys: Vec<String>,
}

impl Ids {
    pub(super) fn of(tenant: TenantId, wanted: Wanted) -> Self {
        let (resources, fences) = wanted.fences.into_iter().unzip();
        Self {
            tenant: tenant.get(),
            resources,
            fences,
            keys: split(&wanted.keys),
            new_keys: split(&wanted.new_keys),
            anywhere: wanted.anywhere.iter().map(|id| id.uuid()).collect(),
            products: wanted.products.iter().map(|id| id.uuid()).collect(),
            warehouses: wanted.warehouses.iter().map(|id| id.uuid()).collect(),
            customers: wanted.customers.iter().map(|id| id.uuid()).collect(),
            orders: wanted.orders.iter().map(|id| id.uuid()).collect(),
            reservations: wanted.reservations.iter().map(|id| id.uuid()).collect(),
            idempotency_keys: wanted.idempotency_keys.iter().map(|key| key.as_str().to_owned()).collect(),
        }
    }

    /// Whether the levels are all named by key, which is the hot path.
    pub(super) fn names_keys_alone(&self) -> bool {
        self.anywhere.is_empty() && self.reservations.is_empty() && self.orders.is_empty()
    }

    pub(super) fn closes_reservations(&self) -> bool {
        !(self.reservations.is_empty() && self.orders.is_empty())
    }
}

fn split(keys: &BTreeSet<LevelKey>) -> (Vec<Uuid>, Vec<Uuid>) {
    keys.iter().map(|(product, warehouse)| (product.uuid(), warehouse.uuid())).unzip()
}
