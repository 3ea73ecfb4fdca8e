//! Who may do what: the one place where it is decided.
//!
//! [`rules`] is the table: for each operation of the interface's description the least role, and what a token with scopes needs. The
//! [`Gate`] finds an operation's rule by its route, and [`Gate::judge`] holds a caller to it, before any handler runs. The description
//! says of each operation what the table says.
//!
//! Invariant: an operation without a rule is refused to everybody, and a test says so before it comes to that.

pub mod rules;

use std::collections::HashMap;

use axum::http::{Method, StatusCode};
use kv_store::access::{Role, Scope, Session};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

pub use rules::{Needs, Rule, Who};

use super::problem::Problem;

/// What is known of an operation.
type Known = Option<&'static Rule>;

/// The operations by route and method.
#[derive(Debug, Default)]
pub struct Gate(HashMap<String, Vec<(Method, Known)>>);

/// What a gate knows of a request.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// It is for no operation: there is nothing at its address, or not for its method.
    NoOperation,
    /// Nobody said who may do it.
    Unruled,
    /// By this rule.
    Ruled(&'static Rule),
}

impl Gate {
    /// The gate of all operations that a description has.
    pub fn of(api: &OpenApi) -> Self {
        let routes = api.paths.paths.iter().map(|(path, item)| {
            let known = operations(item).map(|(method, operation)| {
                let id = operation.operation_id.as_deref().unwrap_or_default();
                (method, rules::of(id))
            });
            (path.clone(), known.collect())
        });
        Self(routes.collect())
    }

    /// What is known of a method on a route.
    pub fn find(&self, method: &Method, route: Option<&str>) -> Found {
        let Some(known) = route.and_then(|route| self.0.get(route)) else { return Found::NoOperation };
        // Where GET is answered, so is HEAD.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        match known.iter().find(|(known, _)| known == method) {
            None => Found::NoOperation,
            Some((_, None)) => Found::Unruled,
            Some((_, Some(rule))) => Found::Ruled(rule),
        }
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// Holds a caller to a rule.
///
/// # Errors
/// 403, with what is missing.
pub fn judge(rule: &Rule, session: &Session, method: &Method) -> Result<(), Problem> {
    let Who::Known { least, needs } = rule.who else { return Err(forbidden()) };
    if session.account.role < least {
        return Err(role_too_low(session.account.role, least, method));
    }
    match (needs, session.grant.scopes) {
        (Needs::Nothing, _) | (_, None) => Ok(()),
        (Needs::Scope(scope), Some(scopes)) if scopes.has(scope) => Ok(()),
        (Needs::Scope(scope), Some(_)) => Err(scope_missing(scope)),
        (Needs::WholeAccount, Some(_)) => Err(whole_account()),
    }
}

fn refused(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}

/// 403 for whoever it is.
pub(super) fn forbidden() -> Problem {
    refused("forbidden", "Nobody may do this.".to_owned())
}

/// 403 `tenant_suspended`.
pub(super) fn suspended() -> Problem {
    let detail = "The tenant is suspended: its data stay, and nothing can be read or changed until it is resumed.";
    refused("tenant_suspended", detail.to_owned())
}

fn role_too_low(role: Role, least: Role, method: &Method) -> Problem {
    let problem = if role == Role::ReadOnly && !method.is_safe() {
        refused("read_only", "This account may look, but not change anything.".to_owned())
    } else {
        let (role, least) = (role.as_str(), least.as_str());
        refused("role_too_low", format!("This takes the role {least} or a higher one; the account has {role}."))
    };
    problem.with("required_role", least.as_str())
}

fn scope_missing(scope: Scope) -> Problem {
    refused("scope_missing", format!("The token has not the scope {scope}.")).with("required_scope", scope.as_str())
}

fn whole_account() -> Problem {
    let detail = "A token with scopes may not do this; log in, or use a token without.";
    refused("whole_account_needed", detail.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every operation of the interface has its rule, and every rule its operation.
    #[test]
    fn the_table_is_about_the_operations_that_there_are() {
        let api = crate::http::openapi();
        let described: Vec<String> = api
            .paths
            .paths
            .values()
            .flat_map(|item| operations(item).map(|(_, operation)| operation.operation_id.clone().unwrap_or_default()))
            .collect();
        let unique: BTreeSet<&str> = described.iter().map(String::as_str).collect();
        assert_eq!(unique.len(), described.len(), "two operations have one id");
        let ruled: BTreeSet<&str> = rules::RULES.iter().map(|rule| rule.operation).collect();
        assert_eq!(ruled.len(), rules::RULES.len(), "two rules for one operation");
        let unruled: Vec<_> = unique.difference(&ruled).collect();
        assert!(unruled.is_empty(), "nobody may do {unruled:?}: add each to http/access/rules.rs");
        let gone: Vec<_> = ruled.difference(&unique).collect();
        assert!(gone.is_empty(), "rules without an operation: {gone:?}");
    }

    #[test]
    fn a_scope_opens_something() {
        for scope in Scope::ALL {
            assert!(rules::least_role(*scope).is_some(), "no operation needs {scope}");
        }
    }

    #[test]
    fn what_has_no_rule_is_found_to_have_none() {
        let mut gate = Gate::of(&crate::http::openapi());
        gate.0.insert("/new".to_owned(), vec![(Method::GET, None)]);
        assert!(matches!(gate.find(&Method::GET, Some("/new")), Found::Unruled));
        assert!(matches!(gate.find(&Method::POST, Some("/new")), Found::NoOperation));
        assert!(matches!(gate.find(&Method::GET, None), Found::NoOperation));
        assert!(
            matches!(gate.find(&Method::HEAD, Some("/api/v1/orders")), Found::Ruled(rule) if rule.operation == "list_orders")
        );
    }
}
