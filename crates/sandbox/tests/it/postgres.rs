//! A private PostgreSQL from the first start to the last leftover.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use sandbox::{Listen, Login, Postgres, PostgresOptions, SandboxError};

/// A folder that a root caller's unprivileged user can pass through.
fn place() -> tempfile::TempDir {
    let place = tempfile::Builder::new().prefix("sandbox-it-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    place
}

async fn one(postgres: &Postgres, sql: &str) -> String {
    let session = postgres.connect("postgres").await.unwrap();
    session.query_one(sql, &[]).await.unwrap().get::<_, String>(0)
}

#[tokio::test]
async fn starts_answers_and_leaves_nothing() {
    let postgres = Postgres::start(PostgresOptions::ephemeral().setting("max_connections", "37")).await.unwrap();
    assert_eq!(one(&postgres, "SELECT current_setting('max_connections')").await, "37");
    assert_eq!(one(&postgres, "SELECT current_setting('fsync')").await, "off");
    assert_eq!(one(&postgres, "SELECT current_setting('listen_addresses')").await, "");
    assert_eq!(one(&postgres, "SELECT upper('ärger')").await, "ÄRGER");
    let (folder, pid) = (postgres.folder().to_path_buf(), postgres.pid());
    assert!(PathBuf::from(format!("/proc/{pid}")).exists());
    drop(postgres);
    assert!(!folder.exists());
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn psql_takes_the_url_on_the_socket_and_on_tcp() {
    for listen in [Listen::Socket, Listen::AnyPort] {
        let postgres = Postgres::start(PostgresOptions::ephemeral().listen(listen)).await.unwrap();
        let answer = Command::new("psql").args([&postgres.url(), "-Atc", "SELECT 6 * 7"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "42\n", "{}", String::from_utf8_lossy(&answer.stderr));
    }
}

#[tokio::test]
async fn nobody_enters_without_a_password() {
    let postgres = Postgres::start(PostgresOptions::ephemeral().listen(Listen::AnyPort)).await.unwrap();
    for url in [
        postgres.url_for("postgres", Login::Role { name: "postgres", password: "guess" }),
        format!("postgresql://postgres@127.0.0.1:{}/postgres", postgres.port()),
        format!("postgresql://postgres@/postgres?host={}", postgres.socket_dir().display()),
    ] {
        assert!(sandbox::Session::connect(&url).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_crash_loses_nothing_and_restarts_on_the_same_address() {
    let place = place();
    let mut postgres = Postgres::start(PostgresOptions::default().folder(place.path().join("pg"))).await.unwrap();
    let session = postgres.connect("postgres").await.unwrap();
    session.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (41)").await.unwrap();
    let url = postgres.url();
    postgres.kill().await;
    assert!(!postgres.is_running());
    postgres.restart().await.unwrap();
    assert_eq!(postgres.url(), url);
    assert_eq!(one(&postgres, "SELECT (n + 1)::text FROM kept").await, "42");
}

#[tokio::test]
async fn a_leftover_folder_is_reused_though_its_pid_belongs_to_another() {
    let place = place();
    let folder = place.path().join("pg");
    let postgres = Postgres::start(PostgresOptions::default().folder(&folder)).await.unwrap();
    one(&postgres, "SELECT set_config('a.b', 'c', false)").await;
    let socket_dir = postgres.socket_dir().to_path_buf();
    drop(postgres);
    // A process of the same user: PostgreSQL alone would take it for a postmaster.
    let other = sandbox::Supervised::spawn(sandbox::ProcessSpec::new("sleep").arg("600")).unwrap();
    let stale = format!("{}\n{}\n1\n5432\n{}\n", other.pid(), folder.join("data").display(), socket_dir.display());
    std::fs::write(folder.join("data/postmaster.pid"), stale).unwrap();
    std::fs::write(socket_dir.join(".s.PGSQL.5432.lock"), format!("{}\n", other.pid())).unwrap();
    let postgres = Postgres::start(PostgresOptions::default().folder(&folder)).await.unwrap();
    assert_eq!(one(&postgres, "SELECT 'again'").await, "again");
}

#[tokio::test]
async fn a_live_folder_is_refused() {
    let place = place();
    let postgres = Postgres::start(PostgresOptions::ephemeral().folder(place.path().join("pg"))).await.unwrap();
    let second = Postgres::start(PostgresOptions::ephemeral().folder(place.path().join("pg"))).await.unwrap_err();
    assert!(matches!(second, SandboxError::Live { pid: Some(pid), .. } if pid == postgres.pid()), "{second}");
    assert_eq!(one(&postgres, "SELECT 'unharmed'").await, "unharmed");
}

#[tokio::test]
async fn another_versions_folder_is_refused_in_one_line() {
    let place = place();
    let data = place.path().join("pg/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Postgres::start(PostgresOptions::default().folder(place.path().join("pg"))).await.unwrap_err();
    let SandboxError::WrongVersion { found, installed, .. } = &error else { panic!("{error}") };
    assert_eq!(found, "9");
    let text = error.to_string();
    assert!(text.contains(installed) && text.contains("hint:") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let place = place();
    let folder = place.path().join("a-rather-long-name-for-a-folder".repeat(4));
    let postgres = Postgres::start(PostgresOptions::ephemeral().folder(folder)).await.unwrap();
    let socket_dir = postgres.socket_dir().to_path_buf();
    assert!(socket_dir.starts_with("/tmp") && socket_dir.as_os_str().len() < 60);
    assert_eq!(one(&postgres, "SELECT 'short'").await, "short");
    drop(postgres);
    assert!(!socket_dir.exists());
}

#[tokio::test]
async fn a_folder_with_other_files_is_refused() {
    let place = place();
    std::fs::write(place.path().join("thesis.txt"), "mine").unwrap();
    let error = Postgres::start(PostgresOptions::default().folder(place.path())).await.unwrap_err().to_string();
    assert!(error.contains("hint:") && error.contains(&place.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_bad_setting_shows_the_servers_own_words() {
    let error = Postgres::start(PostgresOptions::ephemeral().setting("shared_bufers", "1GB")).await.unwrap_err();
    let SandboxError::Died { log, .. } = &error else { panic!("{error}") };
    assert!(log.contains("shared_bufers"), "{log}");
}

#[tokio::test]
async fn a_setting_cannot_open_the_server() {
    let error = Postgres::start(PostgresOptions::ephemeral().setting("Listen_Addresses", "*")).await.unwrap_err();
    assert!(matches!(&error, SandboxError::Unusable { what, .. } if what.contains("Listen_Addresses")), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = Postgres::start(PostgresOptions::ephemeral().listen(Listen::Port(port))).await.unwrap_err();
    assert!(matches!(error, SandboxError::PortTaken { port: named } if named == port), "{error}");
}

/// Only root drops to another user, so only root can meet a folder that this user may not pass.
#[tokio::test]
async fn a_closed_parent_folder_is_named_to_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let closed = place();
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = Postgres::start(PostgresOptions::default().folder(closed.path().join("pg"))).await.unwrap_err();
    let SandboxError::NotTraversable { blocked, .. } = &error else { panic!("{error}") };
    assert_eq!(blocked, closed.path());
}

#[tokio::test]
async fn a_standby_follows_and_takes_over() {
    let primary = Postgres::start(PostgresOptions::ephemeral()).await.unwrap();
    let session = primary.connect("postgres").await.unwrap();
    session.batch_execute("CREATE TABLE before (n int); INSERT INTO before VALUES (1)").await.unwrap();
    let standby = primary.standby().await.unwrap();
    assert_eq!(one(&standby, "SELECT pg_is_in_recovery()::text").await, "true");
    session.batch_execute("INSERT INTO before VALUES (2)").await.unwrap();
    let count = async || one(&standby, "SELECT count(*)::text FROM before").await;
    sandbox::testing::eventually(std::time::Duration::from_secs(30), async || count().await == "2").await;
    let known = one(&primary, "SELECT application_name FROM pg_stat_replication").await;
    assert_eq!(known, standby.folder().file_name().unwrap().to_string_lossy());
    let shown = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
    let password = std::fs::read_to_string(primary.folder().join("password")).unwrap();
    assert!(shown.into_iter().all(|line| !line.contains(password.trim())), "no process shows the password");
    standby.promote().await.unwrap();
    let session = standby.connect("postgres").await.unwrap();
    session.batch_execute("INSERT INTO before VALUES (3)").await.unwrap();
    assert!(standby.promote().await.is_err(), "it follows nobody any more");
}
