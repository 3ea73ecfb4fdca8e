//! Products: rows of a tenant with a text that must stay with it.

use std::collections::{BTreeMap, HashMap};

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
    rows: BTreeMap<u64, Product>,
    /// Answers made before, by the tenant that may see them.
    cache: HashMap<(String, String), Value>,
    /// The tenant each process has set on its connection.
    set_tenant: HashMap<usize, String>,
}

struct Product {
    tenant: String,
    sku: String,
    note: String,
}

impl Product {
    fn shown(&self, number: u64) -> Value {
        json!({"id": id(number), "sku": self.sku, "note": self.note, "tenant_id": self.tenant})
    }
}

impl Products {
    /// The row of this id, whoever's it is.
    fn find(&self, id: &str) -> Option<(u64, &Product)> {
        let number = id.strip_prefix("p-")?.parse().ok()?;
        self.rows.get(&number).map(|row| (number, row))
    }

    fn page(&self, tenant: &str, limit: usize) -> Vec<Value> {
        let own = self.rows.iter().filter(|(_, row)| row.tenant == tenant);
        own.take(limit).map(|(number, row)| row.shown(*number)).collect()
    }
}

fn id(number: u64) -> String {
    format!("p-{number}")
}

/// Whether the tenant has this product.
pub(crate) fn owned(state: &State, tenant: &str, id: &str) -> Result<(), Reply> {
    let products = state.products.borrow();
    let own = products.find(id).is_some_and(|(_, row)| row.tenant == tenant);
    if own { Ok(()) } else { Err(Reply::absent()) }
}

pub(crate) async fn route(state: &State, call: &Call, parts: &[&str]) -> Answer {
    state.pause().await;
    match (&call.method, parts) {
        (&Method::POST, ["products"]) => create(state, call),
        (&Method::GET, ["products"]) => list(state, call).await,
        (&Method::GET, ["products", id]) => show(state, call, id),
        (&Method::PATCH, ["products", id]) => change(state, call, id),
        (&Method::GET, ["search"]) => search(state, call),
        _ => Err(Reply::absent()),
    }
}

fn create(state: &State, call: &Call) -> Answer {
    let row = Product { tenant: call.tenant.clone(), sku: call.text("sku")?, note: call.text("note")? };
    let number = state.next_number();
    state.products.borrow_mut().rows.insert(number, row);
    Ok(Reply::created(json!({"id": id(number)})))
}

fn show(state: &State, call: &Call, id: &str) -> Answer {
    let products = &mut *state.products.borrow_mut();
    let whose = if state.has(Flaw::CacheWithoutTenant) { String::new() } else { call.tenant.clone() };
    let key = (whose, id.to_owned());
    if let Some(seen) = products.cache.get(&key) {
        return Ok(Reply::ok(seen.clone()));
    }
    match products.find(id) {
        Some((number, row)) if row.tenant == call.tenant => {
            let shown = row.shown(number);
            products.cache.insert(key, shown.clone());
            Ok(Reply::ok(shown))
        }
        Some((_, row)) if state.has(Flaw::ForeignIdInErrorText) => {
            let text = format!("product {id} ({}, {}) is not yours", row.sku, row.note);
            Err(Reply { body: json!({"code": "absent", "message": text}), ..Reply::absent() })
        }
        _ => Err(Reply::absent()),
    }
}

fn change(state: &State, call: &Call, id: &str) -> Answer {
    let note = call.text("note")?;
    let products = &mut *state.products.borrow_mut();
    let (number, row) = products.find(id).ok_or_else(Reply::absent)?;
    if row.tenant != call.tenant && !state.has(Flaw::ForeignIdPatched) {
        return Err(Reply::absent());
    }
    let row = products.rows.get_mut(&number).ok_or_else(Reply::absent)?;
    row.note = note;
    products.cache.retain(|(_, cached), _| cached != id);
    Ok(Reply::ok(row.shown(number)))
}

async fn list(state: &State, call: &Call) -> Answer {
    let limit = call.query_int("limit").map_or(PAGE, |limit| (limit as usize).clamp(1, PAGE_MAX));
    state.products.borrow_mut().set_tenant.insert(call.process, call.tenant.clone());
    state.pause().await;
    let products = state.products.borrow();
    let set = products.set_tenant.get(&call.process).filter(|_| state.has(Flaw::TenantOfConnection));
    Ok(Reply::ok(json!({"data": products.page(set.unwrap_or(&call.tenant), limit)})))
}

fn search(state: &State, call: &Call) -> Answer {
    let text = call.query("q").unwrap_or_default();
    let products = state.products.borrow();
    let seen = |row: &Product| row.tenant == call.tenant || state.has(Flaw::TenantPredicateMissing);
    let matching = products.rows.iter().filter(|(_, row)| row.sku.contains(&text) || row.note.contains(&text));
    // The newest first: what a search is for, and a page of old rows would hide what is wrong with new ones.
    let found = matching.rev().filter(|(_, row)| seen(row)).take(PAGE).map(|(number, row)| row.shown(*number));
    Ok(Reply::ok(json!({"data": found.collect::<Vec<_>>()})))
}
