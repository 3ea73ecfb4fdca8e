//! Products: rows of a tenant with a text that must stay with it.

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};

use crate::bugs::Flaw;
use crate::face::{Answer, Call, Reply};
use crate::state::State;

/// Rows of a page nobody asked to be larger.
const PAGE: usize = 20;
/// Rows of the largest page.
const PAGE_MAX: usize = 100;

/// All tenants' products.
#[derive(Default)]
pub(crate) struct Products {
    /// In the order in which they were made.
    rows: Vec<Product>,
    by_id: HashMap<String, usize>,
    /// Answers made before, by the tenant that may see them.
    cache: HashMap<(String, String), Value>,
    /// The tenant each process has set on its connection.
    set_tenant: HashMap<usize, String>,
}

struct Product {
    id: String,
    tenant: String,
    sku: String,
    note: String,
}

impl Product {
    fn shown(&self) -> Value {
        json!({"id": self.id, "sku": self.sku, "note": self.note, "tenant_id": self.tenant})
    }
}

impl Products {
    /// The row of this id, whoever's it is.
    fn find(&self, id: &str) -> Option<&Product> {
        self.rows.get(*self.by_id.get(id)?)
    }

    fn page(&self, tenant: &str, limit: usize) -> Vec<Value> {
        self.rows.iter().filter(|row| row.tenant == tenant).take(limit).map(Product::shown).collect()
    }
}

/// Whether the tenant has this product.
pub(crate) fn owned(state: &State, tenant: &str, id: &str) -> Result<(), Reply> {
    let products = state.products.borrow();
    let own = products.find(id).is_some_and(|row| row.tenant == tenant);
    if own { Ok(()) } else { Err(Reply::absent()) }
}

pub(crate) async fn route(state: &State, call: &Call, parts: &[&str]) -> Answer {
    state.pause().await;
    match (&call.method, parts) {
        (&Method::POST, ["products"]) => create(state, call),
        (&Method::GET, ["products"]) => list(state, call).await,
        (&Method::GET, ["products", id]) => show(state, call, id),
        (&Method::PATCH, ["products", id]) => change(state, call, id),
        (&Method::GET, ["search"]) => Ok(search(state, call)),
        _ => Err(Reply::absent()),
    }
}

fn create(state: &State, call: &Call) -> Answer {
    let (sku, note, tenant) = (call.text("sku")?, call.text("note")?, call.tenant.clone());
    let id = state.new_id("p", &tenant);
    let products = &mut *state.products.borrow_mut();
    products.by_id.insert(id.clone(), products.rows.len());
    products.rows.push(Product { id: id.clone(), tenant, sku, note });
    Ok(Reply::created(json!({"id": id})))
}

fn show(state: &State, call: &Call, id: &str) -> Answer {
    let products = &mut *state.products.borrow_mut();
    let whose = if state.has(Flaw::CacheWithoutTenant) { String::new() } else { call.tenant.clone() };
    let key = (whose, id.to_owned());
    if let Some(seen) = products.cache.get(&key) {
        return Ok(Reply::ok(seen.clone()));
    }
    match products.find(id) {
        Some(row) if row.tenant == call.tenant => {
            let shown = row.shown();
            products.cache.insert(key, shown.clone());
            Ok(Reply::ok(shown))
        }
        Some(row) if state.has(Flaw::ForeignIdInErrorText) => {
            let text = format!("product {id} ({}, {}) is not yours", row.sku, row.note);
            Err(Reply { body: json!({"code": "absent", "message": text}), ..Reply::absent() })
        }
        _ => Err(Reply::absent()),
    }
}

fn change(state: &State, call: &Call, id: &str) -> Answer {
    let note = call.text("note")?;
    let products = &mut *state.products.borrow_mut();
    let row = products.by_id.get(id).and_then(|at| products.rows.get_mut(*at)).ok_or_else(Reply::absent)?;
    if row.tenant != call.tenant && !state.has(Flaw::ForeignIdPatched) {
        return Err(Reply::absent());
    }
    row.note = note;
    for whose in [&row.tenant, ""] {
        products.cache.remove(&(whose.to_owned(), id.to_owned()));
    }
    Ok(Reply::ok(row.shown()))
}

async fn list(state: &State, call: &Call) -> Answer {
    let limit = call.query_int("limit").map_or(PAGE, |limit| (limit as usize).clamp(1, PAGE_MAX));
    state.products.borrow_mut().set_tenant.insert(call.process, call.tenant.clone());
    state.pause().await;
    let products = state.products.borrow();
    let set = products.set_tenant.get(&call.process).filter(|_| state.has(Flaw::TenantOfConnection));
    Ok(Reply::ok(json!({"data": products.page(set.unwrap_or(&call.tenant), limit)})))
}

fn search(state: &State, call: &Call) -> Reply {
    let text = call.query("q").unwrap_or_default();
    let products = state.products.borrow();
    let seen = |row: &Product| row.tenant == call.tenant || state.has(Flaw::TenantPredicateMissing);
    let matching = products.rows.iter().filter(|row| row.sku.contains(&text) || row.note.contains(&text));
    // The newest first: what a search is for, and a page of old rows would hide what is wrong with new ones.
    let found = matching.rev().filter(|row| seen(row)).take(PAGE).map(Product::shown);
    Reply::ok(json!({"data": found.collect::<Vec<_>>()}))
}
