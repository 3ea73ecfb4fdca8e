//! Each operation of the description, called by each role and with each scope: refused where the description says so, with 403 and
//! nothing written, and not refused anywhere else.

use std::time::Duration;

use kv_store::access::{Role, Scope};
use sandbox::testing::eventually;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::api_token;
use crate::world::{Caller, World};

/// Somebody, and what the description's words are to be held against.
struct Cell {
    name: String,
    caller: Caller,
    role: Role,
    /// `None` for all that the account may.
    scope: Option<Scope>,
}

/// An operation as the description has it.
struct Described {
    line: String,
    id: String,
    /// The least role and the scope; `None` when it is not for accounts.
    required: Option<(Role, String)>,
}

impl Described {
    fn allows(&self, cell: &Cell) -> bool {
        let Some((least, scope)) = &self.required else { return false };
        let has_scope = match (scope.as_str(), cell.scope) {
            ("none", _) | (_, None) => true,
            ("a token without scopes", Some(_)) => false,
            (scope, Some(own)) => own.as_str() == scope,
        };
        *least <= cell.role && has_scope
    }
}

async fn described(world: &World) -> Vec<Described> {
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let required = &operation["x-required"];
            let required = required["role"].as_str().map(|role| {
                assert!(operation["responses"]["403"].is_object(), "{id} does not say that it may be refused");
                (Role::parse(role).unwrap(), required["scope"].as_str().unwrap().to_owned())
            });
            let path = path.replace("{kind}", "customers");
            let path = ["{id}", "{product_id}", "{warehouse_id}", "{resource}", "{key}", "{delivery_id}"]
                .into_iter()
                .fold(path, |path, parameter| path.replace(parameter, "018f0000-0000-7000-8000-000000000000"));
            assert!(!path.contains('{'), "{path}");
            all.push(Described { line: format!("{} {path}", method.to_uppercase()), id: id.to_owned(), required });
        }
    }
    assert!(all.len() > 70, "{} operations", all.len());
    all
}

async fn cells(world: &World) -> Vec<Cell> {
    let mut cells = Vec::new();
    for role in Role::ALL {
        let caller = world.caller_with(&format!("m-{}", role.as_str().replace('_', "-")), role).await;
        cells.push(Cell { name: role.as_str().to_owned(), caller, role, scope: None });
    }
    for role in [Role::Owner, Role::Clerk] {
        let maker = world.caller_with(&format!("s-{}", role.as_str()), role).await;
        for &scope in Scope::ALL {
            let asked = maker.post("/api-tokens", &json!({"name": "t", "scopes": [scope.as_str()]})).await;
            if asked.status == 422 {
                assert!(role != Role::Owner, "an owner may have {scope}");
                continue;
            }
            let caller = maker.with_token(asked.expect(201)["token"].as_str().unwrap());
            cells.push(Cell { name: format!("{scope} of {}", role.as_str()), caller, role, scope: Some(scope) });
        }
    }
    cells
}

/// Everything that is written, but for the log of who asked and when a token was last used.
async fn written(superuser: &Client) -> String {
    let tables =
        "select tablename::text from pg_tables where schemaname = 'public' and tablename <> 'audit_log' order by 1";
    let mut digest = String::new();
    for row in superuser.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let rows = format!(
            "select coalesce(md5(string_agg(r, ',' order by r)), '')
               from (select (to_jsonb(t) - 'last_used_at')::text as r from {table} t) as rows"
        );
        digest.push_str(superuser.query_one(&rows, &[]).await.unwrap().get(0));
    }
    digest
}

async fn refusals_noted(superuser: &Client) -> i64 {
    superuser.query_one("select count(*) from audit_log where outcome = 'refused'", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn every_role_and_every_scope_may_do_what_the_description_says_and_nothing_else() {
    let world = World::new().await;
    let cells = cells(&world).await;
    let superuser = world.database.connect().await.unwrap();
    let (mut refused, mut let_in) = (0, 0);
    for operation in described(&world).await {
        let is_for_accounts = operation.required.is_some();
        let (allowed, denied): (Vec<&Cell>, Vec<&Cell>) = cells.iter().partition(|cell| operation.allows(cell));
        if is_for_accounts {
            let before = written(&superuser).await;
            for cell in denied {
                let what = format!("{} by {}", operation.id, cell.name);
                let answer = cell.caller.send(&operation.line, &json!({})).await;
                assert_eq!(answer.status, 403, "{what}: {:#}", answer.body);
                assert!(answer.headers.contains_key("x-ratelimit-limit"), "{what}");
                refused += 1;
            }
            assert_eq!(written(&superuser).await, before, "{} was refused and wrote", operation.id);
        }
        for cell in allowed {
            // What ends the token that it is asked with is asked with one of its own.
            let caller = if operation.id == "logout" { another_token(cell).await } else { cell.caller.clone() };
            let Some(caller) = Some(caller).filter(|caller| caller.token() != "") else { continue };
            let answer = caller.send(&operation.line, &json!({})).await;
            let what = format!("{} by {}: {:#}", operation.id, cell.name, answer.body);
            assert!(answer.status != 403 && answer.status < 500, "{what}");
            let_in += 1;
        }
    }
    assert!(refused > 2_000 && let_in > 300, "{refused} were refused, {let_in} were let in");
    eventually(Duration::from_secs(10), || async { refusals_noted(&superuser).await == refused }).await;
}

/// A further token of the same kind; none for those that may make none.
async fn another_token(cell: &Cell) -> Caller {
    let scopes: &[&str] = match cell.scope {
        None => &["stock:read"],
        Some(Scope::TokensWrite) => &["tokens:write"],
        Some(_) => return cell.caller.with_token(""),
    };
    api_token(&cell.caller, scopes).await.1
}

/// What is for the platform alone is for no account, whatever its role.
#[tokio::test]
async fn no_account_may_do_what_is_the_platform_s() {
    let world = World::new().await;
    let owner = world.one.clone();
    for operation in described(&world).await.iter().filter(|operation| operation.line.contains(" /platform/")) {
        let answer = owner.send_as_account(&operation.line, &json!({})).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("token_invalid")), "{}", operation.id);
    }
}

/// The two answers that a client tells apart, and what it learns of them.
#[tokio::test]
async fn a_refusal_says_what_is_missing() {
    let world = World::new().await;
    let clerk = world.caller_with("clerks", Role::Clerk).await;
    let problem = clerk.post("/products", &json!({})).await.refused(403, "role_too_low");
    assert_eq!(problem["required_role"], "manager");
    let looker = world.caller_with("lookers", Role::ReadOnly).await;
    let problem = looker.post("/customers", &json!({})).await.refused(403, "read_only");
    assert_eq!(problem["required_role"], "clerk");
    looker.get("/users").await.refused(403, "role_too_low");
    let (_, narrow) = api_token(&world.one, &["orders:read"]).await;
    let problem = narrow.get("/customers").await.refused(403, "scope_missing");
    assert_eq!(problem["required_scope"], Value::from("customers:read"));
    narrow.post("/users", &json!({})).await.refused(403, "whole_account_needed");
    narrow.get("/orders").await.expect(200);
    narrow.get("/auth/me").await.expect(200);
    // A HEAD is a GET.
    assert_eq!(narrow.ask("HEAD /customers").await.status, 403);
}
