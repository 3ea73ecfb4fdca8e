//! The answers that no handler makes: wrong address, wrong method, too much, and the request's id on all of them.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use kv_erp::app::HttpSettings;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::service::{Backend, app, header, serve};
use crate::wire;
use crate::world::World;

#[tokio::test]
async fn addresses_and_methods_that_are_none() {
    let world = World::new().await;
    for (line, status, code) in [
        ("GET /api/v1/nothing", 404, "not_found"),
        ("GET /api/v1/customers/a/b/c", 404, "not_found"),
        ("PUT /api/v1/customers", 405, "method_not_allowed"),
        ("GET /api/v1/auth/logout", 405, "method_not_allowed"),
    ] {
        let problem = world.one.ask(line).await.refused(status, code);
        assert_eq!(problem["type"], format!("urn:kv-erp:problem:{code}"));
        assert_eq!((problem["status"].as_u64(), problem["retryable"].as_bool()), (Some(status.into()), Some(false)));
    }
    for (method, path, status) in [("GET", "/", 404), ("DELETE", "/healthz", 405), ("GET", "/api/v1/auth/login", 405)] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers().contains_key("allow"), status == 405);
    }
}

#[tokio::test]
async fn a_request_s_id_comes_back_in_header_and_problem() {
    let world = World::new().await;
    let answer = world.one.with("x-request-id", "my-id-1").get("/customers/none").await;
    assert_eq!(header(&answer, "x-request-id"), "my-id-1");
    assert_eq!(answer.body["request_id"], "my-id-1");
    let answer = world.one.with("x-request-id", "two words").get("/customers/none").await;
    assert_ne!(header(&answer, "x-request-id"), "two words");
    assert_eq!(answer.body["request_id"], header(&answer, "x-request-id"));
}

#[tokio::test]
async fn a_body_of_a_mebibyte_is_read_and_one_byte_more_is_not() {
    let world = World::new().await;
    let mut body = br#"{"code":"C","name":"N"}"#.to_vec();
    body.resize(1024 * 1024, b' ');
    let json = Some("application/json");
    world.one.send_raw("POST /customers", json, body.clone()).await.expect(201);
    body.push(b' ');
    world.one.send_raw("POST /customers", json, body.clone()).await.refused(413, "payload_too_large");
    // Without a length announced it is found while reading.
    let chunks = body.chunks(64 * 1024).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    let streamed = Body::from_stream(futures_util::stream::iter(chunks));
    world.one.send_raw("POST /customers", json, streamed).await.refused(413, "payload_too_large");
}

#[tokio::test]
async fn probes_and_metrics_need_nobody() {
    let world = World::new().await;
    world.one.customer("C-1").await;
    let get = |path: &'static str| {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let router = world.router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    };
    assert_eq!(get("/healthz").await, (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get("/readyz").await.0, 200);
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"kv_http_requests_total{route="/api/v1/customers",method="POST",status="201"} 1"#,
        r#"kv_http_request_duration_seconds_count{route="/api/v1/customers",method="POST"} 1"#,
        r#"kv_pool_connections{state="allowed"} 16"#,
        "kv_stock_deadlocks_total 0",
        r#"kv_database_retries_total{code="40001"} 0"#,
        r#"kv_database_retries_total{code="40P01"} 0"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    }
    let document: Value = serde_json::from_str(&get("/openapi.json").await.1).unwrap();
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let me = &document["paths"]["/api/v1/auth/me"]["get"]["responses"];
    assert_eq!(me["429"]["$ref"], "#/components/responses/Problem429");
    let problem = &document["components"]["responses"]["Problem429"]["content"]["application/problem+json"];
    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
}

#[tokio::test]
async fn over_a_socket_requests_follow_each_other_and_a_drain_lets_the_last_one_finish() {
    let world = World::new().await;
    let (address, stop, serving) = serve(app(&world.store, Backend::InProcess, HttpSettings::default()).await);
    let mut connection = wire::Connection::open(address).await;
    for _ in 0..3 {
        assert_eq!(connection.exchange("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
    }
    // A login is under way: its body is still to come when the stop signal arrives.
    let mut slow = wire::Connection::open(address).await;
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n";
    slow.send(head).await;
    assert!(slow.line().await.starts_with("HTTP/1.1 100"), "the service reads the body now");
    stop.cancel();
    assert!(connection.is_closed().await, "an idle connection is closed");
    assert_eq!(slow.finish("{}").await.status, 422);
    tokio::time::timeout(Duration::from_secs(5), serving).await.expect("drained").unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

/// Some of these callers are gone before their request is looked at, some while it is worked on, some when it is answered.
#[tokio::test]
async fn callers_who_hang_up_at_once_are_all_counted() {
    const CALLERS: u64 = 200;
    let world = World::new().await;
    let (address, stop, serving) = serve(app(&world.store, Backend::InProcess, HttpSettings::default()).await);
    for _ in 0..CALLERS {
        let mut connection = wire::Connection::open(address).await;
        connection.send("GET /api/v1/customers HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    let mut counted = 0;
    while counted < CALLERS {
        let metrics = wire::ask(address, "GET /metrics", None, None).await.unwrap().body;
        let lines =
            metrics.lines().filter(|line| line.starts_with("kv_http_requests_total") && !line.contains("/metrics"));
        counted = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
        assert!(counted <= CALLERS, "{metrics}");
        tokio::task::yield_now().await;
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), serving).await.expect("drained").unwrap();
}
