//! Accounts as their owners manage them.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Member, PASSWORD, api_token, session};
use crate::service::{Backend, log_in, router};
use crate::world::{World, faults};
use kv_erp::app::HttpSettings;

#[tokio::test]
async fn an_owner_makes_changes_and_switches_off_an_account() {
    let world = World::new().await;
    let body = json!({"email": "Ada@One.example", "name": "Ada Lovelace", "role": "clerk", "password": PASSWORD,
        "rate_limit_per_minute": 77});
    let made = world.one.post("/users", &body).await;
    let etag = made.headers["etag"].to_str().unwrap().to_owned();
    let id = made.made();
    let user = world.one.get(&format!("/users/{id}")).await.expect(200);
    assert_eq!(
        (
            &user["email"],
            &user["name"],
            &user["role"],
            &user["active"],
            &user["rate_limit_per_minute"],
            &user["version"]
        ),
        (&json!("Ada@One.example"), &json!("Ada Lovelace"), &json!("clerk"), &json!(true), &json!(77), &json!(1))
    );
    assert!(!user.to_string().contains("argon2"), "{user}");
    let caller = session(&world, "ada@one.EXAMPLE", PASSWORD).await;
    assert_eq!(caller.get("/customers").await.headers["x-ratelimit-limit"], "77");

    let change = json!({"email": "ada@one.example", "role": "manager", "active": true});
    let path = format!("PUT /users/{id}");
    let changed = world.one.with("if-match", etag.clone()).send(&path, &change).await.expect(200);
    assert_eq!((&changed["name"], &changed["role"], &changed["version"]), (&Value::Null, &json!("manager"), &json!(2)));
    world.one.with("if-match", etag).send(&path, &change).await.refused(412, "version_mismatch");
    // Here it holds at once: what this process knew of the account is forgotten.
    caller.post("/products", &json!({})).await.refused(422, "validation_failed");

    let (_, token) = api_token(&caller, &["orders:read"]).await;
    token.get("/orders").await.expect(200);
    for _ in 0..2 {
        assert_eq!(world.one.ask(&format!("DELETE /users/{id}")).await.status, 204);
    }
    assert_eq!(world.one.get(&format!("/users/{id}")).await.expect(200)["active"], false);
    for ended in [&caller, &token] {
        ended.get("/auth/me").await.refused(401, "token_invalid");
    }
    let credentials = json!({"email": "ada@one.example", "password": PASSWORD});
    log_in(&world.one, &credentials).await.refused(401, "invalid_credentials");
    // It may come in again, and what it came in with before may not.
    world.one.send(&path, &change).await.expect(200);
    log_in(&world.one, &credentials).await.expect(200);
    for ended in [&caller, &token] {
        ended.get("/auth/me").await.refused(401, "token_invalid");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_account_is_said_of_each_field() {
    let world = World::new().await;
    let body =
        json!({"email": "nobody", "role": "emperor", "password": "short", "rate_limit_per_minute": 0, "admin": true});
    let problem = world.one.post("/users", &body).await.refused(422, "validation_failed");
    let wanted = [
        "/email invalid_format",
        "/role unknown_word",
        "/password too_short",
        "/rate_limit_per_minute out_of_range",
        "/admin unknown_field",
    ];
    assert_eq!(faults(&problem), wanted);
    assert!(!problem.to_string().contains("\"short\""));
    let nobody = "018f0000-0000-7000-8000-000000000000";
    let change = json!({"email": "a@b.example", "role": "clerk", "active": true});
    world.one.send(&format!("PUT /users/{nobody}"), &change).await.refused(404, "not_found");
    world.one.ask(&format!("DELETE /users/{nobody}")).await.refused(404, "not_found");
    let reset = json!({"password": PASSWORD});
    world.one.post(&format!("/users/{nobody}/password"), &reset).await.refused(404, "not_found");
}

#[tokio::test]
async fn an_address_is_one_however_it_is_written() {
    let world = World::new().await;
    let new = |email: &str| json!({"email": email, "role": "clerk", "password": PASSWORD});
    world.one.post("/users", &new("Zo\u{e9}@Example.com")).await.expect(201);
    for same in ["zo\u{e9}@example.com", "ZOE\u{301}@EXAMPLE.COM", "\u{ff3a}o\u{e9}@example.com"] {
        for owner in [&world.one, &world.two] {
            let problem = owner.post("/users", &new(same)).await.refused(409, "duplicate_email");
            assert_eq!(faults(&problem), ["/email duplicate_email"], "{same}");
        }
        log_in(&world.one, &json!({"email": same, "password": PASSWORD})).await.expect(200);
    }
    world.one.post("/users", &new("zoe@example.com")).await.expect(201);
    let found = world.one.get("/users?email=ZOE%CC%81@example.com").await.expect(200);
    assert_eq!(
        (found["data"].as_array().unwrap().len(), &found["data"][0]["email"]),
        (1, &json!("Zo\u{e9}@Example.com"))
    );
    let named = json!({"email": "n@example.com", "name": "Zoe\u{301}", "role": "clerk", "password": PASSWORD});
    assert_eq!(world.one.post("/users", &named).await.expect(201)["name"], "Zo\u{e9}", "a name is kept in one form");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let world = World::new().await;
    let me = world.one.get("/auth/me").await.expect(200);
    let path = format!("/users/{}", me["id"].as_str().unwrap());
    for (role, active) in [("manager", true), ("owner", false)] {
        let change = json!({"email": me["email"], "role": role, "active": active});
        world.one.send(&format!("PUT {path}"), &change).await.refused(409, "last_owner");
    }
    world.one.ask(&format!("DELETE {path}")).await.refused(409, "last_owner");
    // One that is switched off is no owner.
    let other = Member::new(&world, "owner").await;
    world.one.ask(&format!("DELETE /users/{}", other.id)).await.expect(204);
    world.one.ask(&format!("DELETE {path}")).await.refused(409, "last_owner");
    world.one.send(&format!("PUT /users/{}", other.id), &other.as_role("owner")).await.expect(200);
    world.one.ask(&format!("DELETE {path}")).await.expect(204);
}

/// Whoever comes second finds that it is an owner no more, or the last one: never are both gone.
#[tokio::test]
async fn of_two_owners_who_demote_each_other_one_is_left() {
    let world = World::new().await;
    let me = world.one.get("/auth/me").await.expect(200);
    let replica = router(&world, Backend::InProcess, HttpSettings::default()).await;
    for round in 0..12 {
        let (one, two) = (Member::new(&world, "owner").await, Member::new(&world, "owner").await);
        // Without a third.
        let superuser = world.database.connect().await.unwrap();
        let only = format!(
            "update users set active = id in ('{}', '{}') where tenant_id = {}",
            one.id, two.id, world.one.tenant
        );
        superuser.batch_execute(&only).await.unwrap();
        let (first, second) = (one.caller.clone(), two.caller.through(&replica));
        let answers = if round % 2 == 0 {
            let demote = |of: &Member| (format!("PUT /users/{}", of.id), of.as_role("manager"));
            let ((of_two, two_demoted), (of_one, one_demoted)) = (demote(&two), demote(&one));
            tokio::join!(first.send(&of_two, &two_demoted), second.send(&of_one, &one_demoted))
        } else {
            let (of_two, of_one) = (format!("DELETE /users/{}", two.id), format!("DELETE /users/{}", one.id));
            tokio::join!(first.ask(&of_two), second.ask(&of_one))
        };
        let done = [answers.0.status, answers.1.status].into_iter().filter(|status| *status < 300).count();
        assert_eq!(done, 1, "{answers:#?}");
        let count = "select count(*) from users where tenant_id = $1 and role = 'owner' and active";
        let left: i64 = superuser.query_one(count, &[&world.one.tenant.get()]).await.unwrap().get(0);
        assert_eq!(left, 1);
        let back = format!(
            "update users set active = (id = '{}') where tenant_id = {}",
            me["id"].as_str().unwrap(),
            world.one.tenant
        );
        superuser.batch_execute(&back).await.unwrap();
    }
}

#[tokio::test]
async fn a_crowd_of_owners_who_resign_at_once_leaves_one() {
    let world = World::new().await;
    let mut owners = Vec::new();
    for _ in 0..6 {
        owners.push(Member::new(&world, "owner").await);
    }
    let me = world.one.get("/auth/me").await.expect(200);
    world.one.ask(&format!("DELETE /users/{}", me["id"].as_str().unwrap())).await.expect(204);
    let resign = owners.iter().map(|owner| async move {
        owner.caller.send(&format!("PUT /users/{}", owner.id), &owner.as_role("clerk")).await.status
    });
    let mut statuses = join_all(resign).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 409]);
}

#[tokio::test]
async fn nobody_makes_itself_more_than_it_is() {
    let world = World::new().await;
    for role in ["manager", "clerk", "read_only"] {
        let member = Member::new(&world, role).await;
        let owner = json!({"email": "new@one.example", "role": "owner", "password": PASSWORD});
        member.caller.post("/users", &owner).await.expect(403);
        member.caller.send(&format!("PUT /users/{}", member.id), &member.as_role("owner")).await.expect(403);
        member.caller.post(&format!("/users/{}/password", member.id), &json!({"password": PASSWORD})).await.expect(403);
        member.caller.get("/users").await.refused(403, "role_too_low");
    }
    // Nor with a token of an owner that is for less, and accounts of another tenant are none.
    let (_, narrow) = api_token(&world.one, &["users:read", "tokens:write", "audit:read"]).await;
    narrow.post("/users", &json!({})).await.refused(403, "whole_account_needed");
    let other = Member::new(&world, "clerk").await;
    world.two.get(&format!("/users/{}", other.id)).await.refused(404, "not_found");
    world.two.send(&format!("PUT /users/{}", other.id), &other.as_role("owner")).await.refused(404, "not_found");
    world.two.ask(&format!("DELETE /users/{}", other.id)).await.refused(404, "not_found");
    let reset = json!({"password": PASSWORD});
    world.two.post(&format!("/users/{}/password", other.id), &reset).await.refused(404, "not_found");
    other.caller.get("/auth/me").await.expect(200);
}

/// An owner whose demotion another process has not heard of yet lets nobody in there any more.
#[tokio::test]
async fn a_demoted_owner_makes_no_accounts_while_it_is_believed_to_be_one() {
    let world = World::new().await;
    let other = Member::new(&world, "owner").await;
    let replica = router(&world, Backend::InProcess, HttpSettings::default()).await;
    let believed = other.caller.through(&replica);
    believed.get("/users").await.expect(200);
    world.one.send(&format!("PUT /users/{}", other.id), &other.as_role("clerk")).await.expect(200);
    let body = json!({"email": "friend@one.example", "role": "owner", "password": PASSWORD});
    believed.post("/users", &body).await.refused(403, "role_too_low");
    believed.send(&format!("PUT /users/{}", other.id), &other.as_role("owner")).await.refused(403, "role_too_low");
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_ends_the_other_sessions() {
    let world = World::new().await;
    let member = Member::new(&world, "clerk").await;
    let elsewhere = session(&world, &member.email, PASSWORD).await;
    let (_, token) = api_token(&member.caller, &["orders:read"]).await;
    let change = |from: &str, to: &str| json!({"password": from, "new_password": to});
    let problem = member.caller.post("/auth/password", &change("wrong", "another password")).await;
    assert_eq!(faults(&problem.refused(422, "wrong_password")), ["/password wrong_password"]);
    for (chosen, fault) in [("short".to_owned(), "too_short"), ("\u{1f511}".repeat(129), "too_long")] {
        let problem = member.caller.post("/auth/password", &change(PASSWORD, &chosen)).await;
        assert_eq!(faults(&problem.refused(422, "validation_failed")), [format!("/new_password {fault}")]);
    }
    member.caller.post("/auth/password", &change(PASSWORD, "another password")).await.expect(204);
    member.caller.get("/auth/me").await.expect(200);
    token.get("/orders").await.expect(200);
    elsewhere.get("/auth/me").await.refused(401, "token_invalid");
    log_in(&world.one, &json!({"email": member.email, "password": PASSWORD})).await.refused(401, "invalid_credentials");
    session(&world, &member.email, "another password").await;
    // An owner gives another one, and that ends all of them.
    let path = format!("/users/{}/password", member.id);
    world.one.post(&path, &json!({"password": "a third password"})).await.expect(204);
    member.caller.get("/auth/me").await.refused(401, "token_invalid");
    session(&world, &member.email, "a third password").await;
    let me = world.one.get("/auth/me").await.expect(200);
    let own = format!("/users/{}/password", me["id"].as_str().unwrap());
    world.one.post(&own, &json!({"password": "a third password"})).await.refused(409, "own_password");
}

/// Whoever has a session but not the password cannot try passwords either.
#[tokio::test]
async fn guesses_at_a_change_count_as_failed_logins() {
    let world = World::new().await;
    let member = Member::new(&world, "clerk").await;
    for _ in 0..5 {
        let guess = json!({"password": "a guess", "new_password": "another password"});
        member.caller.post("/auth/password", &guess).await.expect(422);
    }
    let right = json!({"password": PASSWORD, "new_password": "another password"});
    let answer = member.caller.post("/auth/password", &right).await;
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&Duration::from_secs(wait).as_secs()), "{wait}");
    answer.refused(429, "login_throttled");
}

#[tokio::test]
async fn lists_of_accounts_are_filtered_and_sorted() {
    let world = World::new().await;
    for (email, role) in [("b@one.example", "clerk"), ("a@one.example", "manager"), ("c@one.example", "clerk")] {
        world.one.post("/users", &json!({"email": email, "role": role, "password": PASSWORD})).await.expect(201);
    }
    let emails = |page: Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap().clone();
        rows.iter().map(|row| row["email"].as_str().unwrap().to_owned()).collect()
    };
    let clerks = world.one.get("/users?role=clerk&sort=-email").await.expect(200);
    assert_eq!(emails(clerks), ["c@one.example", "b@one.example"]);
    let all = world.one.walk("/users?sort=email&limit=2", || async {}).await;
    assert_eq!(all.len(), 4);
    assert_eq!(emails(world.two.get("/users").await.expect(200)), ["somebody@two.example"]);
    world.one.get("/users?role=emperor").await.refused(422, "validation_failed");
}
