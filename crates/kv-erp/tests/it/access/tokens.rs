//! API tokens as accounts manage them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kv_erp::app::HttpSettings;
use kv_store::access::{Role, Scope};
use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::{Member, api_token};
use crate::service::{Backend, router};
use crate::world::{World, faults};

#[tokio::test]
async fn a_token_is_shown_once_and_known_by_its_beginning() {
    let world = World::new().await;
    let body = json!({"name": "Shop front", "scopes": ["orders:write", "stock:read", "stock:read"],
        "rate_limit_per_minute": 1_000});
    let made = world.one.post("/api-tokens", &body).await.expect(201);
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("kva_") && secret.len() == 47, "{secret}");
    assert_eq!(made["hint"], secret[..8]);
    let listed = world.one.get("/api-tokens").await.expect(200);
    let listed = listed["data"].as_array().unwrap().iter().find(|token| token["id"] == made["id"]).unwrap();
    assert_eq!(
        (&listed["name"], &listed["scopes"], &listed["last_used_at"]),
        (&json!("Shop front"), &json!(["stock:read", "orders:write"]), &Value::Null)
    );
    assert!(!listed.to_string().contains(&secret[8..]));
    // Nowhere in the database is more of it than its hash and its beginning.
    let superuser = world.database.connect().await.unwrap();
    let kept: i64 = superuser
        .query_one("select count(*) from api_tokens t where t::text like '%' || $1 || '%'", &[&&secret[9..]])
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_token_s_faults_are_named() {
    let world = World::new().await;
    let body = json!({"name": "", "scopes": ["orders:write"], "expires_at": "2020-01-01T00:00:00Z", "admin": 1});
    let problem = world.one.post("/api-tokens", &body).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/name blank", "/expires_at out_of_range", "/admin unknown_field"]);
    let body = json!({"name": "n", "scopes": ["orders:write", "orders:everything", 7]});
    let problem = world.one.post("/api-tokens", &body).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/scopes/1 unknown_scope", "/scopes/2 wrong_type"]);
    assert!(
        problem["errors"][0]["detail"].as_str().unwrap().contains("stock:read"),
        "the words are named: {problem:#}"
    );
    let problem =
        world.one.post("/api-tokens", &json!({"name": "n", "scopes": []})).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/scopes too_few"]);
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 400);
    let body = json!({"name": "n", "scopes": ["orders:read"], "expires_at": later.to_string()});
    let problem = world.one.post("/api-tokens", &body).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/expires_at out_of_range"]);
}

#[tokio::test]
async fn no_token_is_above_its_maker() {
    let world = World::new().await;
    let clerk = Member::new(&world, "clerk").await;
    for scope in ["users:read", "audit:read", "products:write"] {
        let body = json!({"name": "n", "scopes": ["orders:write", scope]});
        let problem = clerk.caller.post("/api-tokens", &body).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), ["/scopes/1 scope_above_role"], "{scope}");
    }
    // What it may do falls with the account, and rises no further than it was made for.
    let (_, token) = api_token(&clerk.caller, &["stock:write", "orders:read"]).await;
    token.post("/stock-receipts", &json!({})).await.refused(422, "validation_failed");
    let (product, warehouse) = world.one.stocked("a", 5).await;
    let limit = format!("PUT /stock-levels/{product}/{warehouse}/backorder-limit");
    token.send(&limit, &json!({"limit": 3})).await.refused(403, "role_too_low");
    world.one.send(&format!("PUT /users/{}", clerk.id), &clerk.as_role("manager")).await.expect(200);
    token.send(&limit, &json!({"limit": 3})).await.expect(200);
    token.post("/products", &json!({})).await.refused(403, "scope_missing");
    world.one.send(&format!("PUT /users/{}", clerk.id), &clerk.as_role("read_only")).await.expect(200);
    token.post("/stock-receipts", &json!({})).await.refused(403, "read_only");
    token.get("/orders").await.expect(200);
    world.one.ask(&format!("DELETE /users/{}", clerk.id)).await.expect(204);
    token.get("/orders").await.refused(401, "token_invalid");
}

#[tokio::test]
async fn a_token_makes_none_above_itself_and_takes_those_it_made_along() {
    let world = World::new().await;
    let expires_at = Timestamp::now() + SignedDuration::from_hours(2);
    let body =
        json!({"name": "parent", "scopes": ["tokens:write", "orders:read"], "expires_at": expires_at.to_string()});
    let made = world.one.post("/api-tokens", &body).await.expect(201);
    let parent = world.one.with_token(made["token"].as_str().unwrap());
    let beyond = json!({"name": "n", "scopes": ["orders:read", "orders:write"]});
    let problem = parent.post("/api-tokens", &beyond).await.refused(422, "validation_failed");
    assert_eq!(faults(&problem), ["/scopes/1 scope_above_token"]);
    let child =
        parent.post("/api-tokens", &json!({"name": "n", "scopes": ["tokens:write", "orders:read"]})).await.expect(201);
    assert_eq!(child["expires_at"], made["expires_at"], "it ends with its maker at the latest");
    let child = world.one.with_token(child["token"].as_str().unwrap());
    let (_, grandchild) = api_token(&child, &["orders:read"]).await;
    grandchild.get("/orders").await.expect(200);
    // A token with scopes reaches what it made, and nothing beside it.
    let (beside, stranger) = api_token(&world.one, &["orders:read"]).await;
    parent.ask(&format!("DELETE /api-tokens/{beside}")).await.refused(404, "not_found");
    stranger.get("/orders").await.expect(200);
    world.one.ask(&format!("DELETE /api-tokens/{}", made["id"].as_str().unwrap())).await.expect(204);
    for ended in [&parent, &child, &grandchild] {
        ended.get("/auth/me").await.refused(401, "token_invalid");
    }
    stranger.get("/orders").await.expect(200);
    world.one.ask(&format!("DELETE /api-tokens/{}", made["id"].as_str().unwrap())).await.refused(404, "not_found");
}

/// A process that still believes a revoked token makes none with it.
#[tokio::test]
async fn a_revoked_token_makes_none_where_it_is_still_believed() {
    let world = World::new().await;
    let replica = router(&world, Backend::InProcess, HttpSettings::default()).await;
    let (id, token) = api_token(&world.one, &["tokens:write", "orders:read"]).await;
    let believed = token.through(&replica);
    believed.get("/orders").await.expect(200);
    world.one.ask(&format!("DELETE /api-tokens/{id}")).await.expect(204);
    believed
        .post("/api-tokens", &json!({"name": "n", "scopes": ["orders:read"]}))
        .await
        .refused(409, "too_many_tokens");
}

/// However the two meet, what was made ends.
#[tokio::test]
async fn a_token_that_is_revoked_while_it_makes_others_leaves_none() {
    let world = World::new().await;
    let replica = router(&world, Backend::InProcess, HttpSettings::default()).await;
    for _ in 0..8 {
        let (id, token) = api_token(&world.one, &["tokens:write", "orders:read"]).await;
        let believed = token.through(&replica);
        believed.get("/orders").await.expect(200);
        let body = json!({"name": "n", "scopes": ["orders:read"]});
        let revoke = format!("DELETE /api-tokens/{id}");
        let (first, second, third, revoked) = tokio::join!(
            believed.post("/api-tokens", &body),
            believed.post("/api-tokens", &body),
            believed.post("/api-tokens", &body),
            world.one.ask(&revoke)
        );
        revoked.expect(204);
        for made in [first, second, third].into_iter().filter(|answer| answer.status == 201) {
            world
                .one
                .with_token(made.body["token"].as_str().unwrap())
                .get("/orders")
                .await
                .refused(401, "token_invalid");
        }
    }
}

#[tokio::test]
async fn tokens_of_others_are_the_owner_s_alone() {
    let world = World::new().await;
    let (one, two) = (Member::new(&world, "manager").await, Member::new(&world, "clerk").await);
    let (of_one, token) = api_token(&one.caller, &["orders:read"]).await;
    let (of_two, _) = api_token(&two.caller, &["orders:read"]).await;
    let ids = |page: Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(two.caller.get("/api-tokens").await.expect(200)), std::slice::from_ref(&of_two));
    assert_eq!(ids(two.caller.get(&format!("/api-tokens?user_id={}", one.id)).await.expect(200)), [""; 0]);
    two.caller.ask(&format!("DELETE /api-tokens/{of_one}")).await.refused(404, "not_found");
    world.two.ask(&format!("DELETE /api-tokens/{of_one}")).await.refused(404, "not_found");
    let all = ids(world.one.get("/api-tokens").await.expect(200));
    assert!(all.contains(&of_one) && all.contains(&of_two), "{all:?}");
    assert_eq!(
        ids(world.one.get(&format!("/api-tokens?user_id={}", one.id)).await.expect(200)),
        std::slice::from_ref(&of_one)
    );
    token.get("/orders").await.expect(200);
    world.one.ask(&format!("DELETE /api-tokens/{of_one}")).await.expect(204);
    token.get("/orders").await.refused(401, "token_invalid");
}

#[tokio::test]
async fn an_account_has_a_hundred_tokens_at_most() {
    let world = World::new().await;
    let member = Member::new(&world, "clerk").await;
    let body = json!({"name": "n", "scopes": ["orders:read"]});
    let first = member.caller.post("/api-tokens", &body).await.expect(201);
    for _ in 1..100 {
        member.caller.post("/api-tokens", &body).await.expect(201);
    }
    member.caller.post("/api-tokens", &body).await.refused(409, "too_many_tokens");
    member.caller.ask(&format!("DELETE /api-tokens/{}", first["id"].as_str().unwrap())).await.expect(204);
    member.caller.post("/api-tokens", &body).await.expect(201);
}

#[tokio::test]
async fn a_token_s_own_limit_stands_beside_its_account_s() {
    let world = World::new().await;
    let body = json!({"name": "slow", "scopes": ["orders:read"], "rate_limit_per_minute": 3});
    let made = world.one.post("/api-tokens", &body).await.expect(201);
    let slow = world.one.with_token(made["token"].as_str().unwrap());
    for left in ["2", "1", "0"] {
        let answer = slow.get("/orders").await;
        assert_eq!(
            (&answer.headers["x-ratelimit-limit"], &answer.headers["x-ratelimit-remaining"]),
            (&"3".parse().unwrap(), &left.parse().unwrap())
        );
        assert!(answer.headers["ratelimit-policy"].to_str().unwrap().contains("\"token\";q=3;w=60"), "{answer:#?}");
        answer.expect(200);
    }
    let refused = slow.get("/orders").await;
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.refused(429, "rate_limited")["violated_policies"], json!(["token"]));
    world.one.get("/orders").await.expect(200);
}

/// Not a write for each request: the second use within five minutes changes nothing.
#[tokio::test]
async fn the_use_of_a_token_is_noted_now_and_then() {
    let world = World::new().await;
    let (id, token) = api_token(&world.one, &["orders:read"]).await;
    token.get("/orders").await.expect(200);
    let superuser = world.database.connect().await.unwrap();
    let used = async || -> Option<Timestamp> {
        let asked = "select last_used_at from api_tokens where id = $1";
        superuser.query_one(asked, &[&id.parse::<uuid::Uuid>().unwrap()]).await.unwrap().get(0)
    };
    let first = eventually(Duration::from_secs(10), || async { used().await }).await;
    let another = router(&world, Backend::InProcess, HttpSettings::default()).await;
    token.through(&another).get("/orders").await.expect(200);
    let listed = world.one.get("/api-tokens").await.expect(200).to_string();
    assert!(listed.contains("last_used_at"), "{listed}");
    assert_eq!(used().await, Some(first));
    // Long ago it is noted again.
    let ago = "update api_tokens set last_used_at = now() - interval '6 minutes'";
    superuser.batch_execute(ago).await.unwrap();
    let third = router(&world, Backend::InProcess, HttpSettings::default()).await;
    token.through(&third).get("/orders").await.expect(200);
    eventually(Duration::from_secs(10), || async { used().await > Some(first) }).await;
}

#[tokio::test]
async fn every_scope_can_be_had_by_an_owner() {
    let world = World::new().await;
    let owner = world.caller_with("all-scopes", Role::Owner).await;
    let words: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let made = owner.post("/api-tokens", &json!({"name": "all", "scopes": words})).await.expect(201);
    assert_eq!(made["scopes"].as_array().unwrap().len(), Scope::ALL.len());
}
