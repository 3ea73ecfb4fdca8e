//! Two processes on one database: what one of them takes away holds in the other five seconds later at the latest.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use kv_erp::credentials::token::{Token, TokenKind};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use sandbox::Login;
use sandbox::testing::TestDatabase;
use serde_json::{Value, json};

use crate::process::{Running, place};
use crate::wire;
use crate::world::{APP_PASSWORD, database};

/// What is promised.
const BOUND: Duration = Duration::from_secs(5);
/// When to give up.
const SOON: Duration = Duration::from_secs(30);
const PLATFORM_TOKEN: &str = "a-platform-token-for-two-processes";

struct Two {
    database: TestDatabase,
    here: Running,
    there: Running,
    owner: String,
}

impl Two {
    async fn new(place: &std::path::Path) -> Self {
        let database = database().await;
        let url = database.url_for(Login::Role { name: "kv_app", password: APP_PASSWORD });
        let args = ["api", "--listen", "127.0.0.1:0", "--platform-token", PLATFORM_TOKEN, "--database-url", &url];
        let (here, there) = tokio::join!(Running::start(place, &args), Running::start(place, &args));
        let mut provisioner = Provisioner::connect(&database.url().parse().unwrap()).await.unwrap();
        provisioner.create_tenant("one", "one").await.unwrap();
        let mut two = Self { database, here, there, owner: String::new() };
        two.owner = two.member("owner@one.example", Role::Owner).await;
        two
    }

    /// A token of a new account.
    async fn member(&self, email: &str, role: Role) -> String {
        let mut provisioner = Provisioner::connect(&self.database.url().parse().unwrap()).await.unwrap();
        let rate_limit_per_minute = Some(1_000_000);
        let new = NewUser { tenant: "one", email, password_hash: "-", role, rate_limit_per_minute };
        provisioner.create_user(&new).await.unwrap();
        let token = Token::generate(TokenKind::Api);
        let later = Timestamp::now() + SignedDuration::from_hours(1);
        provisioner.create_token(email, &token.hash(), later).await.unwrap();
        token.reveal().to_owned()
    }
}

async fn ask(address: SocketAddr, line: &str, token: &str, body: Option<&Value>) -> wire::Reply {
    wire::ask(address, line, Some(token), body).await.unwrap()
}

/// Asks again and again, over both processes, until a refusal comes; no request that began later than the bound after `since` may have
/// been let in.
async fn assert_ends(address: SocketAddr, line: &str, token: &str, (since, status): (Instant, u16)) {
    loop {
        let begun = Instant::now();
        let reply = ask(address, line, token, Some(&json!({}))).await;
        if reply.status == status {
            return;
        }
        let after = begun.saturating_duration_since(since);
        assert!(after <= BOUND, "{line} was answered {} {after:?} after it was taken away", reply.status);
        assert!(since.elapsed() < SOON);
    }
}

#[tokio::test]
async fn what_is_taken_away_in_one_process_ends_in_the_other_within_five_seconds() {
    let place = place();
    let two = Two::new(place.path()).await;
    let (here, there) = (two.here.address, two.there.address);
    let mut clerks = Vec::new();
    for name in ["demoted", "switched-off", "revoked", "logged-out"] {
        let token = two.member(&format!("{name}@one.example"), Role::Clerk).await;
        let me = ask(there, "GET /api/v1/auth/me", &token, None).await;
        assert_eq!(me.status, 200, "the other process believes it from here on");
        clerks.push((me.json()["id"].as_str().unwrap().to_owned(), token));
    }
    let [demoted, switched_off, revoked, logged_out] = clerks.try_into().unwrap();
    let write = "POST /api/v1/customers";
    for (_, token) in [&demoted, &switched_off, &revoked, &logged_out] {
        assert_eq!(ask(there, write, token, Some(&json!({}))).await.status, 422);
    }
    let tokens = ask(here, &format!("GET /api/v1/api-tokens?user_id={}", revoked.0), &two.owner, None).await.json();
    let token_id = tokens["data"][0]["id"].as_str().unwrap().to_owned();

    let change = json!({"email": "demoted@one.example", "role": "read_only", "active": true, "rate_limit_per_minute": 1_000_000});
    assert_eq!(ask(here, &format!("PUT /api/v1/users/{}", demoted.0), &two.owner, Some(&change)).await.status, 200);
    let taken = Instant::now();
    assert_ends(there, write, &demoted.1, (taken, 403)).await;

    ask(there, write, &switched_off.1, Some(&json!({}))).await;
    assert_eq!(ask(here, &format!("DELETE /api/v1/users/{}", switched_off.0), &two.owner, None).await.status, 204);
    assert_ends(there, write, &switched_off.1, (Instant::now(), 401)).await;

    ask(there, write, &revoked.1, Some(&json!({}))).await;
    assert_eq!(ask(here, &format!("DELETE /api/v1/api-tokens/{token_id}"), &two.owner, None).await.status, 204);
    assert_ends(there, write, &revoked.1, (Instant::now(), 401)).await;

    ask(there, write, &logged_out.1, Some(&json!({}))).await;
    assert_eq!(ask(here, "POST /api/v1/auth/logout", &logged_out.1, None).await.status, 204);
    assert_ends(there, write, &logged_out.1, (Instant::now(), 401)).await;

    assert_eq!(ask(there, write, &two.owner, Some(&json!({}))).await.status, 422);
    let suspend = "POST /platform/v1/tenants/1/suspend";
    assert_eq!(ask(here, suspend, PLATFORM_TOKEN, None).await.status, 200);
    assert_ends(there, write, &two.owner, (Instant::now(), 403)).await;
}

/// What was noted last is written before a process ends.
#[tokio::test]
async fn a_process_that_is_stopped_writes_what_it_noted() {
    let place = place();
    let two = Two::new(place.path()).await;
    let clerk = two.member("clerk@one.example", Role::Clerk).await;
    assert_eq!(ask(two.here.address, "GET /api/v1/audit-log", &clerk, None).await.status, 403);
    let status = two.here.process.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", two.here.text());
    let refused = ask(two.there.address, "GET /api/v1/audit-log?outcome=refused", &two.owner, None).await.json();
    assert_eq!(refused["data"].as_array().unwrap().len(), 1, "{refused:#}");
}

/// Whoever administers the database suspends and resumes without the interface.
#[tokio::test]
async fn an_administrator_suspends_and_resumes_a_tenant() {
    let place = place();
    let two = Two::new(place.path()).await;
    let admin = two.database.url();
    let run = async |args: &[&str]| {
        let args = [args, &["--database-url", &admin]].concat();
        let output = crate::process::run(&args).await;
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["admin", "tenant", "list"]).await, (Some(0), "1 one active one\n".to_owned()));
    let taken = Instant::now();
    assert_eq!(
        run(&["admin", "tenant", "suspend", "--slug", "one"]).await,
        (Some(0), "1 one suspended one\n".to_owned())
    );
    let taken = taken.max(Instant::now());
    assert_ends(two.here.address, "GET /api/v1/customers", &two.owner, (taken, 403)).await;
    assert_eq!(run(&["admin", "tenant", "resume", "--slug", "one"]).await, (Some(0), "1 one active one\n".to_owned()));
    let wait = async || ask(two.here.address, "GET /api/v1/customers", &two.owner, None).await.status == 200;
    sandbox::testing::eventually(SOON, wait).await;
    assert_eq!(
        run(&["admin", "tenant", "create", "--slug", "two", "--name", "Two"]).await,
        (Some(0), "2\n".to_owned())
    );
    assert_eq!(run(&["admin", "tenant", "suspend", "--slug", "none"]).await.0, Some(1));
    let noted =
        ask(two.here.address, "GET /api/v1/audit-log?object_type=tenant&sort=at", &two.owner, None).await.json();
    let noted: Vec<&str> =
        noted["data"].as_array().unwrap().iter().map(|entry| entry["operation"].as_str().unwrap()).collect();
    assert_eq!(noted, ["admin_create_tenant", "admin_suspend_tenant", "admin_resume_tenant"]);
}
