//! Customers, products and warehouses: what is shown, and what may be written.
//!
//! A `New*` holds every field, checked; a `*Patch` holds the fields to change: `None` leaves a field as it is, and
//! `Some(None)` of an optional one empties it. They are written as JSON as the interface takes them; reading them is the service's own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Currency, CustomerId, MinorUnits, ProductId, WarehouseId};

/// Somebody who orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// The tenant's own code, unique within the tenant.
    #[schema(example = "C-1001")]
    pub code: String,
    /// Name.
    #[schema(example = "Ada Lovelace")]
    pub name: String,
    /// E-mail address.
    #[schema(example = "ada@example.com")]
    pub email: Option<String>,
    /// Telephone number.
    #[schema(example = "+44 20 7946 0001")]
    pub phone: Option<String>,
    /// Counts the changes, from 1.
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A customer to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewCustomer {
    /// The tenant's own code.
    pub code: String,
    /// Name.
    pub name: String,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Changes of a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CustomerPatch {
    /// The tenant's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Option<String>>,
}

/// Something that is stocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Stock keeping unit, unique within the tenant.
    #[schema(example = "SKU-0001")]
    pub sku: String,
    /// Name.
    #[schema(example = "Hex bolt M8 x 40")]
    pub name: String,
    /// Description.
    #[schema(example = "Zinc plated, 100 in a box")]
    pub description: Option<String>,
    /// The base unit in which it is counted.
    #[schema(example = "unit")]
    pub uom: String,
    /// The price of one unit, in minor units.
    #[schema(example = 1299)]
    pub price_minor: i64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Whether it may be ordered.
    pub active: bool,
    /// Counts the changes, from 1.
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A product to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewProduct {
    /// Stock keeping unit.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The base unit in which it is counted.
    pub uom: String,
    /// The price of one unit.
    #[serde(rename = "price_minor")]
    pub price: MinorUnits,
    /// The price's currency.
    pub currency: Currency,
    /// Whether it may be ordered.
    pub active: bool,
}

/// Changes of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProductPatch {
    /// Stock keeping unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// The base unit in which it is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uom: Option<String>,
    /// The price of one unit.
    #[serde(rename = "price_minor", skip_serializing_if = "Option::is_none")]
    pub price: Option<MinorUnits>,
    /// The price's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Whether it may be ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// A place where stock lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warehouse {
    /// Its id.
    pub id: WarehouseId,
    /// The tenant's own code, unique within the tenant.
    #[schema(example = "MAIN")]
    pub code: String,
    /// Name.
    #[schema(example = "Main warehouse")]
    pub name: String,
    /// Orders take stock from the lowest number first.
    #[schema(example = 100)]
    pub priority: i32,
    /// Whether stock may be taken from it.
    pub active: bool,
    /// Counts the changes, from 1.
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A warehouse to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewWarehouse {
    /// The tenant's own code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Orders take stock from the lowest number first.
    pub priority: i32,
    /// Whether stock may be taken from it.
    pub active: bool,
}

/// Changes of a warehouse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WarehousePatch {
    /// The tenant's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Orders take stock from the lowest number first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Whether stock may be taken from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}
