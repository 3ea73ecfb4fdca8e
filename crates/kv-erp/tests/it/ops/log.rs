//! What the log says, and what it must never say.

use std::time::Duration;

use sandbox::Login;
use sandbox::testing::eventually;
use serde_json::{Value, json};

use crate::process::{Running, place};
use crate::service::{Account, PASSWORD};
use crate::wire::{self, Connection};
use crate::world::{APP_PASSWORD, World};

const EMAIL: &str = "marked.person@secret-mail.example";
const PHONE: &str = "+49 555 0199 4242";
const NAME: &str = "Marked Person of Nowhere";
const NOTE: &str = "a note that was marked";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Puts the marks wherever an example has something of that kind.
fn mark(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member.is_string()) {
                    ("email", true) => *member = EMAIL.into(),
                    ("phone", true) => *member = PHONE.into(),
                    ("name" | "description", true) => *member = NAME.into(),
                    ("reason" | "reference" | "note", true) => *member = NOTE.into(),
                    ("password", true) => *member = "marked-password-4711".into(),
                    _ => mark(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mark),
        _ => {}
    }
}

/// An address of the operation with ids of nothing.
fn address(path: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{resource}" => "some-resource".to_owned(),
        "{key}" => "some-key".to_owned(),
        "{kind}" => "customers".to_owned(),
        part if part.starts_with('{') => uuid::Uuid::now_v7().to_string(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn nothing_secret_or_personal_is_in_the_log_whatever_is_asked() {
    let (place, world) = (place(), World::new().await);
    let account = Account::new(&world.database, Some(1_000_000)).await;
    let url = world.database.url_for(Login::Role { name: "kv_app", password: APP_PASSWORD });
    // Everything that can be had.
    let variables = [
        ("KV_LOG", "trace,tokio_postgres=trace,hyper=trace"),
        ("KV_LOG_FORMAT", "json"),
        ("KV_DATABASE_URL", url.as_str()),
    ];
    let api = Running::start_with(place.path(), &["api", "--listen", "127.0.0.1:0"], &variables).await;
    let token = world.one.token().to_owned();
    let send = async |line: &str, body: Option<&Value>| {
        wire::ask(api.address, line, Some(&token), body).await.expect("it answers")
    };
    let customer = json!({"code": "C-1", "name": NAME, "email": EMAIL, "phone": PHONE});
    assert_eq!(send("POST /api/v1/customers", Some(&customer)).await.status, 201);
    // The second one is a conflict, whose cause is PostgreSQL's: it names the values.
    assert_eq!(send("POST /api/v1/customers", Some(&customer)).await.status, 409);
    for list in ["?q=marked.person", "?sort=-name&count=exact", "?email=marked.person@secret-mail.example"] {
        send(&format!("GET /api/v1/customers{list}"), None).await;
    }
    let login = json!({"email": account.email, "password": PASSWORD});
    let session = wire::ask(api.address, "POST /api/v1/auth/login", None, Some(&login)).await.unwrap();
    assert_eq!(session.status, 200, "{session:?}");
    let session =
        session.json()["access_token"].as_str().or(session.json()["token"].as_str()).unwrap_or_default().to_owned();
    let wrong = json!({"email": EMAIL, "password": "marked-password-4711"});
    assert_eq!(wire::ask(api.address, "POST /api/v1/auth/login", None, Some(&wrong)).await.unwrap().status, 401);
    let import = send("POST /api/v1/imports", Some(&json!({"kind": "customers"}))).await;
    if import.status == 201 {
        let id = import.json()["id"].as_str().unwrap().to_owned();
        let file = format!("code,name,email,phone\nC-2,{NAME},{EMAIL},{PHONE}\nC-2,{NAME},no address,{PHONE}\n");
        let head = format!(
            "PUT /api/v1/imports/{id}/content HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             content-type: text/csv\r\ncontent-length: {}\r\n\r\n{file}",
            file.len()
        );
        Connection::open(api.address).await.exchange(&head).await;
    }
    // Then each operation there is, with its own example.
    let document = wire::ask(api.address, "GET /openapi.json", None, None).await.unwrap().json();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let mut body = operation.pointer("/requestBody/content/application~1json/example").cloned();
            body.iter_mut().for_each(mark);
            send(&format!("{} {}", method.to_uppercase(), address(path)), body.as_ref()).await;
            operations += 1;
        }
    }
    assert!(operations > 50, "only {operations} operations were found");
    api.process.terminate().await;

    let log = api.text();
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let requests = lines.iter().filter(|line| line["span"]["request_id"].is_string()).count();
    assert!(requests > operations, "the log tells of the requests: {requests} lines");
    assert!(
        log.lines().filter(|line| !line.starts_with('{')).count() <= 1,
        "one line says where it listens, all others are JSON"
    );
    let secrets =
        [EMAIL, PHONE, NAME, NOTE, "marked-password-4711", PASSWORD, APP_PASSWORD, &token, &session, &account.email];
    for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
        let found = log.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
        assert!(found.is_none(), "{secret} is in {found:?}");
    }
    assert!(!log.contains("executing statement"), "the driver shows parameters at this level");
}

#[tokio::test]
async fn a_failed_request_is_one_line_with_error_code_tenant_and_trace() {
    let (place, world) = (place(), World::new().await);
    let url = world.database.url_for(Login::Role { name: "kv_app", password: APP_PASSWORD });
    let api = Running::start(place.path(), &["api", "--listen", "127.0.0.1:0", "--database-url", &url]).await;
    let token = world.one.token();
    let exchange = async |id: &str, line: &str| {
        let head = format!(
            "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\nx-request-id: {id}\r\n\
             traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"
        );
        Connection::open(api.address).await.exchange(&head).await
    };
    let good = exchange("the-good-one", "GET /api/v1/customers").await;
    assert_eq!(good.status, 200);
    let traced = good.header("traceresponse").unwrap();
    assert!(traced.starts_with(&format!("00-{TRACE}-")) && !traced.contains("00f067aa0ba902b7"), "{traced}");
    assert_eq!(exchange("the-refused-one", "GET /api/v1/customers?limit=x").await.status, 422);
    // The database goes; the caller is known for a few seconds more.
    let name = world.database.name().to_owned();
    let superuser = sandbox::testing::postgres().await.connect("postgres").await.unwrap();
    superuser.batch_execute(&format!("alter database \"{name}\" allow_connections false")).await.unwrap();
    superuser
        .query_one("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1", &[&name])
        .await
        .unwrap();
    let failed = eventually(Duration::from_secs(20), async || {
        let answer = exchange("the-failed-one", "GET /api/v1/customers").await;
        if answer.status == 503 { Ok(answer) } else { Err(answer.status) }
    })
    .await;
    assert_eq!(failed.json()["code"], "unavailable");
    superuser.batch_execute(&format!("alter database \"{name}\" allow_connections true")).await.unwrap();
    api.process.terminate().await;
    let log = api.text();
    let of =
        |id: &str| -> Vec<&str> { log.lines().filter(|line| line.contains(&format!("request_id=\"{id}\""))).collect() };
    assert!(of("the-good-one").is_empty(), "what is well leaves no line at this level");
    let refused = of("the-refused-one");
    assert!(
        refused.len() == 1 && refused[0].contains("INFO") && refused[0].contains("code=\"validation_failed\""),
        "{refused:?}"
    );
    let errors: Vec<&str> = of("the-failed-one").into_iter().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    for part in ["code=\"unavailable\"", "status=503", "tenant=1", TRACE, "route=\"/api/v1/customers\""] {
        assert!(errors[0].contains(part), "{part} in {}", errors[0]);
    }
}
