//! Settings of the built program, and what only the server can tell about them.

use serde_json::Value;

use crate::process::{failure, run, run_with};

#[tokio::test]
async fn all_faults_are_named_by_the_program_and_nothing_is_started() {
    let output =
        run_with(&["api", "--replicas", "3"], &[("KV_POOL_SIZ", "8"), ("KV_REDIS_URL", "http://:hunter2@x")]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in
        ["error: 3 settings cannot be used", "KV_POOL_SIZ is no variable", "--database-url is needed", "KV_REDIS_URL"]
    {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn the_configuration_is_printed_with_its_origins_and_without_secrets() {
    let variables = [("KV_DATABASE_URL", "postgresql://kv_app:hunter2@db/kv"), ("KV_POOL_SIZE", "9")];
    let output = run_with(&["config", "--format", "json", "--stock-writers", "3"], &variables).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["command"], "api");
    assert_eq!(
        (&json["settings"]["pool_size"]["value"], &json["settings"]["pool_size"]["origin"]),
        (&9.into(), &"environment".into())
    );
    assert_eq!(json["settings"]["stock_writers"]["origin"], "command line");
    let output = run(&["config", "up", "--pool-size=0"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("# kv-erp up"), "it is printed nevertheless");
    assert!(String::from_utf8(output.stderr).unwrap().contains("--pool-size must be a whole number"));
}

#[tokio::test]
async fn more_connections_than_postgresql_allows_are_refused_at_the_start() {
    let database = crate::world::database().await;
    let url = database.url_for(sandbox::Login::Role { name: "kv_app", password: crate::world::APP_PASSWORD });
    let output = run(&["api", "--listen", "127.0.0.1:0", "--database-url", &url, "--pool-size", "1000"]).await;
    let said = failure(&output, 1);
    for part in
        ["--pool-size 1000", "--stock-writers 2", "1004", "max_connections", "hint: lower --pool-size, or raise"]
    {
        assert!(said.contains(part), "{part} in\n{said}");
    }
}

/// A cluster answers `MOVED` for what it does not serve, so a service that would meet that does not start.
#[tokio::test]
async fn a_node_of_a_cluster_that_does_not_serve_everything_is_refused_at_the_start() {
    let database = crate::world::database().await;
    let url = database.url_for(sandbox::Login::Role { name: "kv_app", password: crate::world::APP_PASSWORD });
    let options = sandbox::RedisOptions::default().setting("cluster-enabled", "yes");
    let redis = sandbox::Redis::start(options).await.unwrap();
    let redis_url = redis.url();
    for command in ["api", "worker"] {
        let line = [command, "--listen", "127.0.0.1:0", "--database-url", &url, "--redis-url", &redis_url];
        let said = failure(&run(&line).await, 1);
        assert!(said.contains("is a node of a cluster") && said.contains("--redis-key-tag"), "{said}");
        let said = failure(&run(&[&line[..], &["--redis-key-tag", "erp"]].concat()).await, 1);
        assert!(said.contains("0 of 16384 slots") && said.contains("one shard"), "{said}");
    }
}
