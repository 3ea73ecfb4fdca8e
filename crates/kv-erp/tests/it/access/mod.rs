//! Who may do what, how accounts and tokens are managed, and what is noted of it.

mod audit;
mod deeds;
mod docs;
mod edges;
mod matrix;
mod replicas;
mod tenants;
mod tokens;
mod users;

use serde_json::{Value, json};

use crate::service::log_in;
use crate::world::{Caller, World};

/// A password that may be chosen.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// An account of tenant `one` that its owner makes, and that has logged in.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) caller: Caller,
}

impl Member {
    pub(crate) async fn new(world: &World, role: &str) -> Self {
        let email = format!("{}@one.example", uuid::Uuid::now_v7());
        let body = json!({"email": email, "role": role, "password": PASSWORD, "rate_limit_per_minute": 1_000_000});
        let id = world.one.post("/users", &body).await.made();
        let caller = session(world, &email, PASSWORD).await;
        Self { id, email, caller }
    }

    /// The account as its owner is to make it.
    pub(crate) fn as_role(&self, role: &str) -> Value {
        json!({"email": self.email, "role": role, "active": true, "rate_limit_per_minute": 1_000_000})
    }
}

/// A new session of an account.
pub(crate) async fn session(world: &World, email: &str, password: &str) -> Caller {
    let session = log_in(&world.one, &json!({"email": email, "password": password})).await.expect(200);
    world.one.with_token(session["token"].as_str().unwrap())
}

/// An API token of the caller's own: its id, and a caller with it.
pub(crate) async fn api_token(caller: &Caller, scopes: &[&str]) -> (String, Caller) {
    let body = json!({"name": "test", "scopes": scopes});
    let made = caller.post("/api-tokens", &body).await.expect(201);
    let caller = caller.with_token(made["token"].as_str().unwrap());
    (made["id"].as_str().unwrap().to_owned(), caller)
}
