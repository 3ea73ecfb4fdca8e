//! A private Redis.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use sandbox::{Listen, Persistence, Redis, RedisOptions, SandboxError};

/// Sends one inline command after the login and returns the first line of its answer.
fn ask(redis: &Redis, command: &str) -> String {
    let password = std::fs::read_to_string(redis.folder().join("password")).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port().unwrap())).unwrap();
    write!(stream, "AUTH {}\r\n{command}\r\n", password.trim()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "+OK");
    lines.next().unwrap().unwrap()
}

#[tokio::test]
async fn starts_answers_and_leaves_nothing() {
    let redis = Redis::start(RedisOptions::default().setting("maxclients", "77")).await.unwrap();
    assert_eq!(ask(&redis, "SET a 1"), "+OK");
    let port = redis.port().unwrap();
    assert!(redis.url().starts_with("redis://default:") && redis.url().ends_with(&format!("@127.0.0.1:{port}/0")));
    let mut stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stranger.write_all(b"GET a\r\n").unwrap();
    let mut answer = String::new();
    BufReader::new(stranger).read_line(&mut answer).unwrap();
    assert!(answer.starts_with("-NOAUTH"), "{answer}");
    let (folder, pid) = (redis.folder().to_path_buf(), redis.pid());
    drop(redis);
    assert!(!folder.exists());
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn a_crash_keeps_the_address_and_what_was_appended() {
    let options = RedisOptions::default().persistence(Persistence::AppendOnly).setting("appendfsync", "always");
    let mut redis = Redis::start(options).await.unwrap();
    assert_eq!(ask(&redis, "SET kept 42"), "+OK");
    let url = redis.url();
    redis.kill().await;
    assert!(!redis.is_running());
    redis.restart().await.unwrap();
    assert_eq!(redis.url(), url);
    assert_eq!(ask(&redis, "STRLEN kept"), ":2");
}

#[tokio::test]
async fn a_socket_alone_is_enough() {
    let redis = Redis::start(RedisOptions::default().listen(Listen::Socket)).await.unwrap();
    assert_eq!(redis.port(), None);
    assert!(redis.url().starts_with("redis+unix:///") && redis.socket().exists());
}

#[tokio::test]
async fn a_live_folder_is_refused() {
    let first = Redis::start(RedisOptions::default()).await.unwrap();
    let error = Redis::start(RedisOptions::default().folder(first.folder())).await.unwrap_err();
    assert!(matches!(error, SandboxError::Live { pid: Some(pid), .. } if pid == first.pid()), "{error}");
    assert_eq!(ask(&first, "PING"), "+PONG");
}

#[tokio::test]
async fn a_setting_cannot_smuggle_another() {
    let error = Redis::start(RedisOptions::default().setting("maxclients", "7\nrequirepass x")).await.unwrap_err();
    assert!(matches!(error, SandboxError::Unusable { .. }), "{error}");
    let error = Redis::start(RedisOptions::default().setting("maxclient", "7")).await.unwrap_err().to_string();
    assert!(error.contains("maxclient"), "{error}");
}
