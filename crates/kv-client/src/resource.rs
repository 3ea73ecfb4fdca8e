//! The catalogue: customers, products and warehouses, which are made, listed, changed and deleted alike.

use std::fmt::Display;
use std::marker::PhantomData;

use futures_util::stream::Stream;
use http::Method;
use kv_types::catalogue::{
    Customer, CustomerPatch, NewCustomer, NewProduct, NewWarehouse, Product, ProductPatch, Warehouse, WarehousePatch,
};
use kv_types::{CustomerId, ProductId, WarehouseId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Each;
use crate::client::Client;
use crate::error::Error;
use crate::list::Listed;
use crate::send::Call;

/// A kind of thing in the catalogue.
pub trait Kind: DeserializeOwned + 'static {
    /// Its id.
    type Id: Display;
    /// What it is made of.
    type New: Serialize;
    /// What may be changed.
    type Patch: Serialize;
    /// Where it lies.
    const PATH: &'static str;
}

impl Kind for Customer {
    type Id = CustomerId;
    type New = NewCustomer;
    type Patch = CustomerPatch;
    const PATH: &'static str = "/customers";
}

impl Kind for Product {
    type Id = ProductId;
    type New = NewProduct;
    type Patch = ProductPatch;
    const PATH: &'static str = "/products";
}

impl Kind for Warehouse {
    type Id = WarehouseId;
    type New = NewWarehouse;
    type Patch = WarehousePatch;
    const PATH: &'static str = "/warehouses";
}

/// All of a kind.
#[derive(Clone, Debug)]
pub struct Resource<'a, K> {
    client: &'a Client,
    kind: PhantomData<K>,
}

impl Client {
    /// Who orders.
    pub fn customers(&self) -> Resource<'_, Customer> {
        Resource { client: self, kind: PhantomData }
    }

    /// What is stocked.
    pub fn products(&self) -> Resource<'_, Product> {
        Resource { client: self, kind: PhantomData }
    }

    /// Where it is stocked.
    pub fn warehouses(&self) -> Resource<'_, Warehouse> {
        Resource { client: self, kind: PhantomData }
    }
}

impl<K: Kind> Resource<'_, K> {
    /// One page; `query` has the list's parameters, for example `[("sort", "-name"), ("q", "bolt")]`.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<K>, Error> {
        self.client.page(K::PATH, query).await
    }

    /// Every one, a page at a time.
    pub fn all(&self, query: &[(&str, &str)]) -> impl Stream<Item = Result<K, Error>> + use<K> {
        self.client.rows(K::PATH, query)
    }

    /// Makes one.
    pub async fn create(&self, new: &K::New) -> Result<K, Error> {
        self.client.write(Call::post(K::PATH).json(new)?).await
    }

    /// Makes all or none.
    pub async fn create_all(&self, many: &[K::New]) -> Result<Vec<K>, Error> {
        self.client.make_all(K::PATH, many).await
    }

    /// Makes each for itself.
    pub async fn create_each(&self, many: &[K::New]) -> Result<Vec<Each<K>>, Error> {
        self.client.make_each(K::PATH, many).await
    }

    /// Shows one.
    pub async fn get(&self, id: &K::Id) -> Result<K, Error> {
        self.client.read(Call::get(format!("{}/{id}", K::PATH))).await
    }

    /// Changes one that is still at `version`; otherwise 412 `version_mismatch`.
    pub async fn change(&self, id: &K::Id, version: i64, patch: &K::Patch) -> Result<K, Error> {
        let call = Call::new(Method::PATCH, format!("{}/{id}", K::PATH)).at_version(version);
        self.client.write(call.json(patch)?).await
    }

    /// Deletes one that nothing refers to.
    pub async fn delete(&self, id: &K::Id) -> Result<(), Error> {
        self.client.write_silent(Call::new(Method::DELETE, format!("{}/{id}", K::PATH))).await
    }
}
