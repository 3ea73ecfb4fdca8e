//! Stock: levels, their movements, and what changes them beside orders and reservations.

use futures_util::stream::Stream;
use http::Method;
use kv_types::stock::{
    Adjust, Adjustment, Receipt, Receive, ReorderPoint, StockLevel, StockMovement, Transfer, TransferStock,
};
use kv_types::{AdjustmentId, ProductId, ReceiptId, TransferId, WarehouseId};
use serde::Deserialize;
use serde_json::json;

use crate::batch::Each;
use crate::client::Client;
use crate::error::Error;
use crate::list::Listed;
use crate::send::Call;

/// How much lies where.
#[derive(Clone, Debug)]
pub struct Levels<'a>(&'a Client);

/// That everything of the ledger holds.
#[derive(Clone, Debug, Deserialize)]
pub struct Proof {
    /// True.
    pub sound: bool,
}

impl Client {
    /// How much lies where.
    pub fn levels(&self) -> Levels<'_> {
        Levels(self)
    }

    /// Goods that arrived.
    pub fn receipts(&self) -> Receipts<'_> {
        Receipts(self)
    }

    /// Stock that was set right.
    pub fn adjustments(&self) -> Adjustments<'_> {
        Adjustments(self)
    }

    /// Stock that was moved.
    pub fn transfers(&self) -> Transfers<'_> {
        Transfers(self)
    }

    /// Has the service prove the tenant's ledger; what does not hold is 409 `not_sound`.
    pub async fn prove(&self) -> Result<Proof, Error> {
        self.read(Call::get("/admin/invariants")).await
    }
}

impl Levels<'_> {
    /// One page.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<StockLevel>, Error> {
        self.0.page("/stock-levels", query).await
    }

    /// Every one, a page at a time.
    pub fn all(&self, query: &[(&str, &str)]) -> impl Stream<Item = Result<StockLevel, Error>> + use<> {
        self.0.rows("/stock-levels", query)
    }

    /// One level.
    pub async fn get(&self, product: ProductId, warehouse: WarehouseId) -> Result<StockLevel, Error> {
        self.0.read(Call::get(format!("/stock-levels/{product}/{warehouse}"))).await
    }

    /// How many units of a level may be promised beyond those that are there.
    pub async fn limit_backorders(
        &self,
        product: ProductId,
        warehouse: WarehouseId,
        limit: i64,
    ) -> Result<StockLevel, Error> {
        let call = Call::new(Method::PUT, format!("/stock-levels/{product}/{warehouse}/backorder-limit"));
        self.0.write(call.json(&json!({"limit": limit}))?).await
    }

    /// With how many available units a level is low.
    pub async fn reorder_point(&self, product: ProductId, warehouse: WarehouseId) -> Result<ReorderPoint, Error> {
        self.0.read(Call::get(format!("/stock-levels/{product}/{warehouse}/reorder-point"))).await
    }

    /// Says with how many available units a level is low; `None` takes the point away.
    pub async fn set_reorder_point(
        &self,
        product: ProductId,
        warehouse: WarehouseId,
        point: Option<i64>,
    ) -> Result<ReorderPoint, Error> {
        let call = Call::new(Method::PUT, format!("/stock-levels/{product}/{warehouse}/reorder-point"));
        self.0.write(call.json(&json!({"reorder_point": point}))?).await
    }

    /// The movements of a level behind a version, in order and without a gap.
    pub async fn movements(
        &self,
        product: ProductId,
        warehouse: WarehouseId,
        after: i64,
    ) -> Result<Listed<StockMovement>, Error> {
        let (product, warehouse, after) = (product.to_string(), warehouse.to_string(), after.to_string());
        let query = [("product_id", &*product), ("warehouse_id", &*warehouse), ("after", &*after), ("limit", "100")];
        self.0.page("/stock-movements", &query).await
    }
}

macro_rules! documents {
    ($(#[$doc:meta] $name:ident: $path:literal, $what:ty => $made:ty, $id:ty;)+) => {$(
        #[$doc]
        #[derive(Clone, Debug)]
        pub struct $name<'a>(&'a Client);

        impl $name<'_> {
            /// Books one: all lines or none.
            pub async fn book(&self, what: &$what) -> Result<$made, Error> {
                self.0.write(Call::post($path).json(what)?).await
            }

            /// Shows one.
            pub async fn get(&self, id: $id) -> Result<$made, Error> {
                self.0.read(Call::get(format!(concat!($path, "/{}"), id))).await
            }

            /// One page.
            pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<$made>, Error> {
                self.0.page($path, query).await
            }
        }
    )+};
}

documents! {
    /// Goods that arrived.
    Receipts: "/stock-receipts", Receive => Receipt, ReceiptId;
    /// Stock that was set right.
    Adjustments: "/stock-adjustments", Adjust => Adjustment, AdjustmentId;
    /// Stock that was moved.
    Transfers: "/stock-transfers", TransferStock => Transfer, TransferId;
}

macro_rules! batches {
    ($($name:ident: $path:literal, $what:ty => $made:ty;)+) => {$(
        impl $name<'_> {
            /// Makes all or none.
            pub async fn book_all(&self, many: &[$what]) -> Result<Vec<$made>, Error> {
                self.0.make_all($path, many).await
            }

            /// Makes each for itself.
            pub async fn book_each(&self, many: &[$what]) -> Result<Vec<Each<$made>>, Error> {
                self.0.make_each($path, many).await
            }
        }
    )+};
}

batches! {
    Receipts: "/stock-receipts", Receive => Receipt;
    Adjustments: "/stock-adjustments", Adjust => Adjustment;
}
