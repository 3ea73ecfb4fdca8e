//! Every write of the interface, done once with success: a new one needs a deed here, or the walk over the audit log fails.

use serde_json::{Value, json};

use super::{Member, PASSWORD, session};
use crate::isolation::{Holdings, fill};
use crate::world::{Answer, Caller, World};

/// A write that was done.
pub(crate) struct Deed {
    /// Its operation's id.
    pub(crate) operation: &'static str,
    /// The request's id.
    pub(crate) request: String,
    /// The id of what it was done to.
    pub(crate) object: Option<String>,
    /// Who may read of it.
    pub(crate) reader: Caller,
}

/// Does them, one after the other.
struct Doer<'a> {
    world: &'a World,
    my: Holdings,
    done: Vec<Deed>,
}

/// Does every write.
pub(crate) async fn all(world: &World) -> Vec<Deed> {
    let my = Holdings::of(&world.store, &world.one).await;
    let mut doer = Doer { world, my, done: Vec::new() };
    doer.accounts().await;
    doer.platform().await;
    doer.catalogue().await;
    doer.stock().await;
    doer.orders().await;
    doer.files().await;
    doer.following().await;
    doer.locks_and_keys().await;
    doer.done
}

impl Doer<'_> {
    /// Does one, of which a description's answer is `status`.
    async fn act(&mut self, operation: &'static str, line: &str, body: &Value, status: u16) -> Value {
        self.act_as(&self.world.one.clone(), operation, (line, body), status).await
    }

    async fn act_as(
        &mut self,
        caller: &Caller,
        operation: &'static str,
        (line, body): (&str, &Value),
        status: u16,
    ) -> Value {
        let request = format!("deed-{operation}");
        let line = fill(line, &self.my, &self.my);
        let body: Value = serde_json::from_str(&fill(&body.to_string(), &self.my, &self.my)).unwrap();
        let caller = caller.with("x-request-id", request.clone()).with("if-match", "*");
        let answer = if body.is_null() { caller.ask(&line).await } else { caller.send(&line, &body).await };
        let object = object_of(&answer, &line);
        assert_eq!(answer.status, status, "{operation}: {:#}", answer.body);
        self.done.push(Deed { operation, request, object, reader: self.world.one.clone() });
        answer.body
    }

    async fn accounts(&mut self) {
        let member = Member::new(self.world, "clerk").await;
        let credentials = json!({"email": member.email, "password": PASSWORD});
        self.act("login", "POST /auth/login", &credentials, 200).await;
        let chosen = json!({"password": PASSWORD, "new_password": "another password"});
        self.act_as(&member.caller, "change_password", ("POST /auth/password", &chosen), 204).await;
        self.act_as(&member.caller, "logout", ("POST /auth/logout", &Value::Null), 204).await;
        let new = json!({"email": "deed@one.example", "role": "clerk", "password": PASSWORD});
        let user = self.act("create_user", "POST /users", &new, 201).await;
        let path = format!("/users/{}", user["id"].as_str().unwrap());
        let change = json!({"email": "deed@one.example", "role": "manager", "active": true});
        self.act("replace_user", &format!("PUT {path}"), &change, 200).await;
        let reset = json!({"password": "a third password"});
        self.act("reset_password", &format!("POST {path}/password"), &reset, 204).await;
        self.act("deactivate_user", &format!("DELETE {path}"), &Value::Null, 204).await;
        let token = json!({"name": "deed", "scopes": ["orders:read"]});
        let token = self.act("create_api_token", "POST /api-tokens", &token, 201).await;
        let path = format!("DELETE /api-tokens/{}", token["id"].as_str().unwrap());
        self.act("revoke_api_token", &path, &Value::Null, 204).await;
    }

    async fn following(&mut self) {
        let point = json!({"reorder_point": 5});
        let path = "PUT /stock-levels/{my.product}/{my.warehouse}/reorder-point";
        self.act("set_reorder_point", path, &point, 200).await;
        let hook = json!({"url": "https://example.com/deed"});
        let made = self.act("create_webhook_endpoint", "POST /webhook-endpoints", &hook, 201).await;
        let path = format!("/webhook-endpoints/{}", made["id"].as_str().unwrap());
        let change = json!({"description": "deed"});
        self.act("change_webhook_endpoint", &format!("PATCH {path}"), &change, 200).await;
        self.act("delete_webhook_endpoint", &format!("DELETE {path}"), &Value::Null, 204).await;
        let again = "POST /webhook-endpoints/{my.endpoint}/deliveries/{my.delivery}/redeliver";
        self.act("redeliver_webhook", again, &Value::Null, 200).await;
        self.act("replay_job", "POST /jobs/{my.job}/replay", &Value::Null, 200).await;
    }

    async fn platform(&mut self) {
        let new =
            json!({"slug": "deed", "name": "Deed", "owner_email": "owner@deed.example", "owner_password": PASSWORD});
        let tenant = self.act("create_tenant", "POST /platform/v1/tenants", &new, 201).await;
        let path = format!("POST /platform/v1/tenants/{}", tenant["id"]);
        self.act("suspend_tenant", &format!("{path}/suspend"), &Value::Null, 200).await;
        self.act("resume_tenant", &format!("{path}/resume"), &Value::Null, 200).await;
        let owner = session(self.world, "owner@deed.example", PASSWORD).await;
        for deed in self.done.iter_mut().rev().take(3) {
            deed.reader = owner.clone();
        }
    }

    async fn catalogue(&mut self) {
        let name = json!({"name": "Renamed"});
        let customer = json!({"code": "deed", "name": "N"});
        let made = self.act("create_customer", "POST /customers", &customer, 201).await;
        let many = json!({"mode": "atomic", "items": [{"code": "deed-1", "name": "N"}]});
        self.act("create_customers", "POST /customers/batch", &many, 201).await;
        self.act("change_customer", "PATCH /customers/{my.customer}", &name, 200).await;
        let path = format!("DELETE /customers/{}", made["id"].as_str().unwrap());
        self.act("delete_customer", &path, &Value::Null, 204).await;
        let product = |sku: &str| json!({"sku": sku, "name": "N", "price_minor": 1, "currency": "EUR"});
        let made = self.act("create_product", "POST /products", &product("deed"), 201).await;
        let many = json!({"mode": "independent", "items": [product("deed-1")]});
        self.act("create_products", "POST /products/batch", &many, 207).await;
        self.act("change_product", "PATCH /products/{my.product}", &name, 200).await;
        let path = format!("DELETE /products/{}", made["id"].as_str().unwrap());
        self.act("delete_product", &path, &Value::Null, 204).await;
        let warehouse = json!({"code": "deed", "name": "N"});
        let made = self.act("create_warehouse", "POST /warehouses", &warehouse, 201).await;
        let many = json!({"mode": "atomic", "items": [{"code": "deed-1", "name": "N"}]});
        self.act("create_warehouses", "POST /warehouses/batch", &many, 201).await;
        self.act("change_warehouse", "PATCH /warehouses/{my.warehouse}", &name, 200).await;
        let path = format!("DELETE /warehouses/{}", made["id"].as_str().unwrap());
        self.act("delete_warehouse", &path, &Value::Null, 204).await;
    }

    async fn stock(&mut self) {
        let line = json!({"product_id": "{my.product}", "warehouse_id": "{my.warehouse}", "quantity": 2});
        let counted = json!({"product_id": "{my.product}", "warehouse_id": "{my.warehouse}", "delta": 1});
        let many = |item: Value| json!({"mode": "atomic", "items": [item]});
        let limit = "PUT /stock-levels/{my.product}/{my.warehouse}/backorder-limit";
        self.act("limit_backorders", limit, &json!({"limit": 5}), 200).await;
        self.done.last_mut().unwrap().object = Some(fill("{my.product}/{my.warehouse}", &self.my, &self.my));
        let receipt = json!({"items": [line]});
        self.act("receive_stock", "POST /stock-receipts", &receipt, 201).await;
        self.act("receive_stocks", "POST /stock-receipts/batch", &many(receipt), 201).await;
        let adjustment = json!({"items": [counted], "reason": "counted"});
        self.act("adjust_stock", "POST /stock-adjustments", &adjustment, 201).await;
        self.act("adjust_stocks", "POST /stock-adjustments/batch", &many(adjustment), 201).await;
        let moved = json!({"from_warehouse_id": "{my.warehouse}", "to_warehouse_id": "{my.far}",
            "items": [{"product_id": "{my.product}", "quantity": 1}]});
        self.act("transfer_stock", "POST /stock-transfers", &moved, 201).await;
        let held = json!({"items": [line], "ttl_seconds": 600});
        let reservation = self.act("create_reservation", "POST /reservations", &held, 201).await;
        self.act("create_reservations", "POST /reservations/batch", &many(json!({"items": [line]})), 201).await;
        let path = format!("POST /reservations/{}/extend", reservation["id"].as_str().unwrap());
        self.act("extend_reservation", &path, &json!({"ttl_seconds": 900}), 200).await;
        self.act("confirm_reservation", "POST /reservations/{my.part}/confirm", &Value::Null, 200).await;
        self.act("release_reservation", "POST /reservations/{my.reservation}/release", &Value::Null, 200).await;
    }

    async fn orders(&mut self) {
        let items = json!([{"product_id": "{my.product}", "quantity": 1}]);
        let order = json!({"customer_id": "{my.customer}", "items": items});
        let placed = self.act("place_order", "POST /orders", &order, 201).await;
        let many = json!({"mode": "atomic", "items": [order]});
        self.act("place_orders", "POST /orders/batch", &many, 201).await;
        self.act("confirm_order", "POST /orders/{my.order}/confirm", &Value::Null, 200).await;
        self.act("fulfill_order", "POST /orders/{my.order}/fulfill", &Value::Null, 200).await;
        let back = json!({"reason": "broken",
            "items": [{"product_id": "{my.product}", "warehouse_id": "{my.warehouse}", "quantity": 1}]});
        self.act("return_order", "POST /orders/{my.shipped}/returns", &back, 200).await;
        self.act("close_order", "POST /orders/{my.closing}/close", &Value::Null, 200).await;
        let path = format!("POST /orders/{}/cancel", placed["id"].as_str().unwrap());
        self.act("cancel_order", &path, &Value::Null, 200).await;
    }

    async fn files(&mut self) {
        self.act("create_export_file", "POST /export-files", &json!({"kind": "customers"}), 202).await;
        self.act("create_import", "POST /imports", &json!({"kind": "customers"}), 201).await;
        let (operation, request) = ("upload_import", "deed-upload_import".to_owned());
        let line = fill("PUT /imports/{my.import}/content", &self.my, &self.my);
        let caller = self.world.one.with("x-request-id", request.clone());
        caller.send_raw(&line, Some("text/csv"), "code,name\r\nfrom-file,Ada\r\n").await.expect(200);
        let object = Some(fill("{my.import}", &self.my, &self.my));
        self.done.push(Deed { operation, request, object, reader: self.world.one.clone() });
    }

    async fn locks_and_keys(&mut self) {
        let path = "/locks/deed:1";
        let held = self.act("acquire_lock", &format!("POST {path}"), &json!({"ttl_ms": 60_000}), 201).await;
        let holder = self.world.one.with("x-lock-token", held["token"].as_str().unwrap());
        let renewal = json!({"ttl_ms": 60_000});
        self.act_as(&holder, "renew_lock", (&format!("PATCH {path}"), &renewal), 200).await;
        self.act_as(&holder, "release_lock", (&format!("DELETE {path}"), &Value::Null), 204).await;
        for deed in self.done.iter_mut().rev().take(3) {
            deed.object = Some("deed:1".to_owned());
        }
        self.act("void_idempotency_key", "DELETE /idempotency/deed", &Value::Null, 200).await;
        self.done.last_mut().unwrap().object = Some("deed".to_owned());
    }
}

/// The id that an answer or an address has.
fn object_of(answer: &Answer, line: &str) -> Option<String> {
    let of = |value: &Value| {
        value["id"].as_str().map(str::to_owned).or_else(|| value["id"].as_i64().map(|id| id.to_string()))
    };
    let results = &answer.body["results"][0];
    let made = of(&answer.body).or_else(|| of(results)).or_else(|| of(&results["body"]));
    made.or_else(|| line.split('/').find(|part| uuid::Uuid::parse_str(part).is_ok()).map(str::to_owned))
}
