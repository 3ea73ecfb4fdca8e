//! A service on a database of its own, with two tenants that hold the same kinds of things, and a caller for each.
//!
//! Requests go through the whole router, from the outermost layer on, but over no socket.

use std::future::Future;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request};
use jiff::{SignedDuration, Timestamp};
use kv_coord::lock::Epoch;
use kv_erp::app::{App, Coordination, HttpSettings};
use kv_erp::credentials::platform::PlatformToken;
use kv_erp::credentials::token::{Token, TokenKind};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::{Server, Store, StoreConfig, admin};
use kv_types::TenantId;
use sandbox::Login;
use sandbox::testing::{self, TestDatabase};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const APP_PASSWORD: &str = "test-app-password";
/// The platform's token of a world's service.
pub(crate) const PLATFORM_TOKEN: &str = "a-platform-token-of-tests-and-of-nobody";

/// The role under which the service reaches the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// As in production: row-level security and the statements' own predicates.
    Both,
    /// As a superuser, for whom row-level security does not hold: only the predicates are left.
    PredicatesAlone,
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) router: Router,
    pub(crate) one: Caller,
    pub(crate) two: Caller,
}

/// Somebody who asks, or nobody when there is no token.
#[derive(Clone)]
pub(crate) struct Caller {
    router: Router,
    token: Option<String>,
    headers: Vec<(&'static str, String)>,
    pub(crate) tenant: TenantId,
}

/// An answer, its body read as JSON (null when it has none).
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) bytes: Bytes,
}

pub(crate) async fn database() -> TestDatabase {
    let postgres = testing::postgres().await;
    let fingerprint = admin::migrations_fingerprint();
    let migrate = |url: String| async move { admin::migrate(&url.parse().unwrap(), Some(APP_PASSWORD)).await };
    postgres.template("kv_erp", &fingerprint, migrate).await.unwrap().clone_database().await.unwrap()
}

pub(crate) fn store(database: &TestDatabase, guard: Guard) -> Store {
    let login = match guard {
        Guard::Both => Login::Role { name: "kv_app", password: APP_PASSWORD },
        Guard::PredicatesAlone => Login::Superuser,
    };
    Store::open(&StoreConfig::new(database.url_for(login).parse().unwrap())).unwrap()
}

pub(crate) async fn router(store: &Store) -> Router {
    let epoch = Epoch::new(store.next_lock_epoch().await.unwrap()).unwrap();
    let platform_token = Some(PlatformToken::parse(PLATFORM_TOKEN).unwrap());
    let settings = HttpSettings { platform_token, ..HttpSettings::default() };
    kv_erp::http::router(App::new(store.clone(), Coordination::in_process(epoch), settings))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::guarded_by(Guard::Both).await
    }

    pub(crate) async fn guarded_by(guard: Guard) -> Self {
        let database = database().await;
        let store = store(&database, guard);
        let router = router(&store).await;
        let mut provisioner = Provisioner::connect(&database.url().parse().unwrap()).await.unwrap();
        let one = caller(&mut provisioner, &router, ("one", Role::Owner)).await;
        let two = caller(&mut provisioner, &router, ("two", Role::Owner)).await;
        Self { database, store, router, one, two }
    }

    /// A caller of a further tenant with this role.
    pub(crate) async fn caller_with(&self, slug: &str, role: Role) -> Caller {
        let mut provisioner = Provisioner::connect(&self.database.url().parse().unwrap()).await.unwrap();
        caller(&mut provisioner, &self.router, (slug, role)).await
    }
}

/// A caller of a tenant `one` in a database that has none yet.
pub(crate) async fn caller_on(superuser: &Server, router: &Router) -> Caller {
    let mut provisioner = Provisioner::connect(superuser).await.unwrap();
    caller(&mut provisioner, router, ("one", Role::Owner)).await
}

async fn caller(provisioner: &mut Provisioner, router: &Router, (slug, role): (&str, Role)) -> Caller {
    let tenant = provisioner.create_tenant(slug, slug).await.unwrap();
    let email = format!("somebody@{slug}.example");
    let rate_limit_per_minute = Some(1_000_000);
    let new = NewUser { tenant: slug, email: &email, password_hash: "-", role, rate_limit_per_minute };
    provisioner.create_user(&new).await.unwrap();
    let token = Token::generate(TokenKind::Api);
    let expires_at = Timestamp::now() + SignedDuration::from_hours(1);
    provisioner.create_token(&email, &token.hash(), expires_at).await.unwrap();
    Caller { router: router.clone(), token: Some(token.reveal().to_owned()), headers: Vec::new(), tenant }
}

impl Caller {
    /// Its token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// The same without a token.
    pub(crate) fn nobody(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// A page beside the interface, as text.
    pub(crate) async fn text(&self, path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The same with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same through another service on the same database.
    pub(crate) fn through(&self, router: &Router) -> Self {
        Self { router: router.clone(), ..self.clone() }
    }

    /// The same with a header on every request.
    pub(crate) fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name, value.into()));
        caller
    }

    /// Sends a request with any body and content type. What is the platform's is asked with its token.
    pub(crate) async fn send_raw(&self, line: &str, content_type: Option<&str>, body: impl Into<Body>) -> Answer {
        if self.token.is_some() && line.contains(" /platform/") {
            return self.with_token(PLATFORM_TOKEN).send_as_is(line, content_type, body).await;
        }
        self.send_as_is(line, content_type, body).await
    }

    /// Sends `METHOD PATH` with the caller's own token, also to the platform's addresses.
    pub(crate) async fn send_as_account(&self, line: &str, body: &Value) -> Answer {
        self.send_as_is(line, Some("application/json"), body.to_string()).await
    }

    async fn send_as_is(&self, line: &str, content_type: Option<&str>, body: impl Into<Body>) -> Answer {
        let (method, path) = line.split_once(' ').expect("METHOD PATH");
        let path = if ["/api/", "/openapi", "/platform/"].iter().any(|base| path.starts_with(base)) {
            path.to_owned()
        } else {
            format!("/api/v1{path}")
        };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let is_csv = parts.headers.get("content-type").is_some_and(|kind| kind == "text/csv; charset=utf-8");
        let body = match &bytes[..] {
            [] => Value::Null,
            text if is_csv => Value::from(std::str::from_utf8(text).unwrap()),
            json => serde_json::from_slice(json).unwrap(),
        };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body, bytes }
    }

    /// Sends `METHOD PATH`, below `/api/v1`, with a JSON body.
    pub(crate) async fn send(&self, line: &str, body: &Value) -> Answer {
        self.send_raw(line, Some("application/json"), body.to_string()).await
    }

    /// Sends `METHOD PATH` without a body.
    pub(crate) async fn ask(&self, line: &str) -> Answer {
        self.send_raw(line, None, Body::empty()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&format!("POST {path}"), body).await
    }

    /// Makes a customer and gives its id.
    pub(crate) async fn customer(&self, code: &str) -> String {
        self.post("/customers", &json!({"code": code, "name": format!("Customer {code}")})).await.made()
    }

    /// Makes a product and gives its id.
    pub(crate) async fn product(&self, sku: &str) -> String {
        let body = json!({"sku": sku, "name": format!("Product {sku}"), "price_minor": 250, "currency": "EUR"});
        self.post("/products", &body).await.made()
    }

    /// Makes a warehouse and gives its id.
    pub(crate) async fn warehouse(&self, code: &str, priority: i32) -> String {
        let body = json!({"code": code, "name": format!("Warehouse {code}"), "priority": priority});
        self.post("/warehouses", &body).await.made()
    }

    /// Books goods in.
    pub(crate) async fn receive(&self, product: &str, warehouse: &str, quantity: i64) {
        let body = json!({"items": [{"product_id": product, "warehouse_id": warehouse, "quantity": quantity}]});
        self.post("/stock-receipts", &body).await.expect(201);
    }

    /// A product with some units in a warehouse of its own.
    pub(crate) async fn stocked(&self, sku: &str, quantity: i64) -> (String, String) {
        let (product, warehouse) = (self.product(sku).await, self.warehouse(&format!("W-{sku}"), 100).await);
        self.receive(&product, &warehouse, quantity).await;
        (product, warehouse)
    }

    /// Walks a list page by page and gives all rows. `between` runs after each page.
    pub(crate) async fn walk<Fut: Future<Output = ()>>(
        &self,
        path: &str,
        mut between: impl FnMut() -> Fut,
    ) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut rows = Vec::new();
        let mut next = path.to_owned();
        loop {
            let mut page = self.get(&next).await.expect(200);
            rows.append(page["data"].as_array_mut().unwrap());
            let Some(cursor) = page["next_cursor"].as_str() else { return rows };
            next = format!("{path}{separator}cursor={cursor}");
            between().await;
        }
    }
}

impl Answer {
    /// The body of an answer that must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The body of a problem that must have this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{:#}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self.body
    }

    /// The id of what a 201 made, which must be at its `Location`.
    #[track_caller]
    pub(crate) fn made(self) -> String {
        let location = self.headers.get("location").map(|value| value.to_str().unwrap().to_owned());
        let body = self.expect(201);
        let id = body["id"].as_str().expect("what is made has an id").to_owned();
        assert!(location.is_some_and(|location| location.starts_with("/api/v1/") && location.ends_with(&id)));
        id
    }
}

/// The faults of a problem as `pointer code`, in their order.
pub(crate) fn faults(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors
        .iter()
        .map(|error| format!("{} {}", error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect()
}
