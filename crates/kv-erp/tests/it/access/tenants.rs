//! Tenants for the platform.

use std::time::Duration;

use kv_erp::app::HttpSettings;
use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::{Member, PASSWORD, session};
use crate::service::{Backend, log_in, router};
use crate::world::{PLATFORM_TOKEN, World, faults};

fn new_tenant(slug: &str) -> Value {
    json!({"slug": slug, "name": format!("The {slug}"), "owner_email": format!("owner@{slug}.example"),
        "owner_password": PASSWORD})
}

#[tokio::test]
async fn the_platform_makes_a_tenant_whose_owner_goes_on_from_there() {
    let world = World::new().await;
    let platform = &world.one;
    let made = platform.post("/platform/v1/tenants", &new_tenant("acme")).await.expect(201);
    assert_eq!(
        (&made["slug"], &made["status"], &made["suspended_at"]),
        (&json!("acme"), &json!("active"), &Value::Null)
    );
    let owner = session(&world, "owner@acme.example", PASSWORD).await;
    let me = owner.get("/auth/me").await.expect(200);
    assert_eq!((&me["tenant_id"], &me["role"]), (&made["id"], &json!("owner")));
    owner.customer("c").await;
    assert_eq!(owner.get("/customers").await.expect(200)["data"].as_array().unwrap().len(), 1);

    let problem = platform.post("/platform/v1/tenants", &new_tenant("acme")).await.refused(409, "duplicate_slug");
    assert_eq!(faults(&problem), ["/slug duplicate_slug"]);
    let mut again = new_tenant("other");
    again["owner_email"] = json!("OWNER@acme.example");
    platform.post("/platform/v1/tenants", &again).await.refused(409, "duplicate_email");
    let bad = json!({"slug": "Not good", "name": "", "owner_email": "x", "owner_password": "short"});
    let problem = platform.post("/platform/v1/tenants", &bad).await.refused(422, "validation_failed");
    assert_eq!(
        faults(&problem),
        ["/slug invalid_format", "/name blank", "/owner_email invalid_format", "/owner_password too_short"]
    );
    // What was refused left nothing behind.
    let all = platform.get("/platform/v1/tenants").await.expect(200);
    let slugs: Vec<&str> = all["data"].as_array().unwrap().iter().map(|row| row["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["one", "two", "acme"]);
    let first = platform.get("/platform/v1/tenants?limit=2").await.expect(200);
    let next = platform.get(&format!("/platform/v1/tenants?after={}", first["next_after"])).await.expect(200);
    assert_eq!((&next["data"][0]["slug"], &next["next_after"]), (&json!("acme"), &Value::Null));
}

#[tokio::test]
async fn a_suspended_tenant_s_accounts_do_nothing_until_it_is_resumed() {
    let world = World::new().await;
    let member = Member::new(&world, "clerk").await;
    let replica = router(&world, Backend::InProcess, HttpSettings::default()).await;
    let (here, there) = (member.caller.clone(), world.one.through(&replica));
    let customer = there.customer("c").await;
    let path = format!("/platform/v1/tenants/{}", world.one.tenant);
    for _ in 0..2 {
        let tenant = world.two.post(&format!("{path}/suspend"), &json!({})).await.expect(200);
        assert_eq!(tenant["status"], "suspended");
    }
    here.get("/customers").await.refused(403, "tenant_suspended");
    here.get("/auth/me").await.refused(403, "tenant_suspended");
    eventually(Duration::from_secs(6), || async { there.get("/customers").await.status == 403 }).await;
    there.post("/customers", &json!({})).await.refused(403, "tenant_suspended");
    // Whoever does not know the password learns nothing of it.
    let wrong = json!({"email": member.email, "password": "wrong password"});
    log_in(&world.one, &wrong).await.refused(401, "invalid_credentials");
    let right = json!({"email": member.email, "password": PASSWORD});
    log_in(&world.one, &right).await.refused(403, "tenant_suspended");
    world.two.get("/customers").await.expect(200);

    world.two.post(&format!("{path}/resume"), &json!({})).await.expect(200);
    assert_eq!(here.get("/customers").await.expect(200)["data"][0]["id"], customer.as_str(), "its data stayed");
    log_in(&world.one, &right).await.expect(200);
    for line in ["/platform/v1/tenants/999/suspend", "/platform/v1/tenants/x/resume", "/platform/v1/tenants/0/resume"] {
        world.one.post(line, &json!({})).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn only_the_platform_s_token_opens_the_platform() {
    let world = World::new().await;
    let path = "GET /platform/v1/tenants";
    world.one.nobody().ask(path).await.refused(401, "token_missing");
    world.one.send_as_account(path, &Value::Null).await.refused(401, "token_invalid");
    for wrong in
        [&PLATFORM_TOKEN[1..], &format!("{PLATFORM_TOKEN}x"), &PLATFORM_TOKEN.to_uppercase(), &"x".repeat(60_000)]
    {
        let wrong = world.one.nobody().with("authorization", format!("Bearer {wrong}"));
        wrong.ask(path).await.refused(401, "token_invalid");
    }
    world.one.ask(path).await.expect(200);
    // Who tries many is shut out, and so is then the right one from there.
    for _ in 0..10 {
        world.one.send_as_account(path, &Value::Null).await;
    }
    world.one.ask(path).await.refused(429, "login_throttled");
    // It opens nothing else.
    world.one.with_token(PLATFORM_TOKEN).get("/customers").await.refused(401, "token_invalid");
    // Without one in the settings nobody comes in.
    let off = router(&world, Backend::InProcess, HttpSettings::default()).await;
    world.one.through(&off).ask(path).await.refused(401, "token_invalid");
    world.one.through(&off).get("/platform/v1/nothing").await.refused(401, "token_invalid");
}
