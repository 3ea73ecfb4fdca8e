//! Orders and reservations.

use futures_util::stream::Stream;
use kv_types::order::{Order, OrderConfirmation, OrderLine, PlaceOrder, ReturnGoods};
use kv_types::stock::{PartLine, Reservation, Reserve};
use kv_types::{OrderId, ReservationId, Ttl};
use serde_json::json;

use crate::batch::Each;
use crate::client::Client;
use crate::error::Error;
use crate::list::Listed;
use crate::send::Call;

/// What customers ordered.
#[derive(Clone, Debug)]
pub struct Orders<'a>(&'a Client);

/// Stock that is held for somebody.
#[derive(Clone, Debug)]
pub struct Reservations<'a>(&'a Client);

impl Client {
    /// What customers ordered.
    pub fn orders(&self) -> Orders<'_> {
        Orders(self)
    }

    /// Stock that is held for somebody.
    pub fn reservations(&self) -> Reservations<'_> {
        Reservations(self)
    }
}

impl Orders<'_> {
    /// Places one and holds its stock.
    pub async fn place(&self, order: &PlaceOrder) -> Result<Order, Error> {
        self.0.write(Call::post("/orders").json(order)?).await
    }

    /// Makes all or none.
    pub async fn place_all(&self, many: &[PlaceOrder]) -> Result<Vec<Order>, Error> {
        self.0.make_all("/orders", many).await
    }

    /// Makes each for itself.
    pub async fn place_each(&self, many: &[PlaceOrder]) -> Result<Vec<Each<Order>>, Error> {
        self.0.make_each("/orders", many).await
    }

    /// One page; `query` has the list's parameters, for example `[("status", "confirmed")]`.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<Order>, Error> {
        self.0.page("/orders", query).await
    }

    /// What its customer is told; 404 until a worker has made it.
    pub async fn confirmation(&self, id: OrderId) -> Result<OrderConfirmation, Error> {
        self.0.read(Call::get(format!("/orders/{id}/confirmation"))).await
    }

    /// Every one, a page at a time.
    pub fn all(&self, query: &[(&str, &str)]) -> impl Stream<Item = Result<Order, Error>> + use<> {
        self.0.rows("/orders", query)
    }

    /// Shows one.
    pub async fn get(&self, id: OrderId) -> Result<Order, Error> {
        self.0.read(Call::get(format!("/orders/{id}"))).await
    }

    /// Accepts one; its stock is held without end from then on.
    pub async fn confirm(&self, id: OrderId) -> Result<Order, Error> {
        self.0.write(Call::post(format!("/orders/{id}/confirm"))).await
    }

    /// Calls one off; its stock is available again.
    pub async fn cancel(&self, id: OrderId) -> Result<Order, Error> {
        self.0.write(Call::post(format!("/orders/{id}/cancel"))).await
    }

    /// Lets all that is left of one leave.
    pub async fn fulfill(&self, id: OrderId) -> Result<Order, Error> {
        self.0.write(Call::post(format!("/orders/{id}/fulfill"))).await
    }

    /// Lets some of one leave.
    pub async fn fulfill_part(&self, id: OrderId, lines: &[OrderLine]) -> Result<Order, Error> {
        self.0.write(Call::post(format!("/orders/{id}/fulfill")).json(&json!({"items": lines}))?).await
    }

    /// Ends one of which some has left: the rest is available again.
    pub async fn close(&self, id: OrderId) -> Result<Order, Error> {
        self.0.write(Call::post(format!("/orders/{id}/close"))).await
    }

    /// Takes goods of one back.
    pub async fn take_back(&self, id: OrderId, goods: &ReturnGoods) -> Result<Order, Error> {
        self.0.write(Call::post(format!("/orders/{id}/returns")).json(goods)?).await
    }
}

impl Reservations<'_> {
    /// Holds stock.
    pub async fn hold(&self, what: &Reserve) -> Result<Reservation, Error> {
        self.0.write(Call::post("/reservations").json(what)?).await
    }

    /// Makes all or none.
    pub async fn hold_all(&self, many: &[Reserve]) -> Result<Vec<Reservation>, Error> {
        self.0.make_all("/reservations", many).await
    }

    /// Makes each for itself.
    pub async fn hold_each(&self, many: &[Reserve]) -> Result<Vec<Each<Reservation>>, Error> {
        self.0.make_each("/reservations", many).await
    }

    /// One page.
    pub async fn list(&self, query: &[(&str, &str)]) -> Result<Listed<Reservation>, Error> {
        self.0.page("/reservations", query).await
    }

    /// Shows one.
    pub async fn get(&self, id: ReservationId) -> Result<Reservation, Error> {
        self.0.read(Call::get(format!("/reservations/{id}"))).await
    }

    /// Gives the stock back.
    pub async fn release(&self, id: ReservationId) -> Result<Reservation, Error> {
        self.0.write(Call::post(format!("/reservations/{id}/release"))).await
    }

    /// Lets all of it leave.
    pub async fn confirm(&self, id: ReservationId) -> Result<Reservation, Error> {
        self.0.write(Call::post(format!("/reservations/{id}/confirm"))).await
    }

    /// Lets some of it leave; the rest is available again.
    pub async fn confirm_part(&self, id: ReservationId, lines: &[PartLine]) -> Result<Reservation, Error> {
        self.0.write(Call::post(format!("/reservations/{id}/confirm")).json(&json!({"items": lines}))?).await
    }

    /// Holds it for longer.
    pub async fn extend(&self, id: ReservationId, ttl: Ttl) -> Result<Reservation, Error> {
        self.0.write(Call::post(format!("/reservations/{id}/extend")).json(&json!({"ttl_seconds": ttl}))?).await
    }
}
