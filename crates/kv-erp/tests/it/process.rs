//! The built program: what it prints, how it ends, and what it says when it cannot start.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use sandbox::testing::{self, eventually};
use sandbox::{Login, ProcessSpec, Signal, Supervised};
use serde_json::json;
use tempfile::TempDir;

use crate::wire;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_kv-erp");
/// Starting a private PostgreSQL and filling it takes seconds in an unoptimised build on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A folder that PostgreSQL's own user can reach.
pub(crate) fn place() -> TempDir {
    tempfile::Builder::new()
        .prefix("kv-erp-test-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in("/tmp")
        .unwrap()
}

pub(crate) struct Running {
    pub(crate) process: Supervised,
    out: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Starts the program with its output in a file, and waits for the line with its address.
    pub(crate) async fn start(place: &Path, args: &[&str]) -> Self {
        Self::start_with(place, args, &[]).await
    }

    /// The same with variables.
    pub(crate) async fn start_with(place: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let out = place.join(format!("out-{}", uuid::Uuid::now_v7()));
        let spec = ProcessSpec::new(PROGRAM).args(args).log(&out);
        let spec = variables.iter().fold(spec, |spec, (name, value)| spec.env(*name, *value));
        let process = Supervised::spawn(spec).unwrap();
        let address = eventually(START, || async {
            let text = fs::read_to_string(&out).unwrap_or_default();
            if let Some(status) = process.exit_status() {
                panic!("it ended with {status}:\n{text}");
            }
            let line = text.lines().find_map(|line| line.strip_prefix("kv-erp listens on http://").map(str::to_owned));
            line.and_then(|address| address.parse::<SocketAddr>().ok())
        })
        .await;
        Self { process, out, address }
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Option<wire::Reply> {
        wire::ask(self.address, &format!("GET {path}"), token, None).await
    }
}

/// Runs the program to its end.
pub(crate) async fn run(args: &[&str]) -> Output {
    run_with(args, &[]).await
}

pub(crate) async fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(args).env_remove("KV_LOG").envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The one line and its hint of a command that must fail.
#[track_caller]
pub(crate) fn failure(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "stdout is for results");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{text}");
    let said: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error: ")).collect();
    assert!(said.len() == 2 && said[1].starts_with("hint: "), "one line and a hint, but it said:\n{text}");
    said.join("\n")
}

#[tokio::test]
async fn up_serves_the_demonstration_keeps_its_data_and_ends_in_good_order() {
    let place = place();
    let data = place.path().join("data");
    let args = ["up", "--demo", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let first = Running::start(place.path(), &args).await;
    let text = first.text();
    let token =
        text.lines().find_map(|line| line.strip_prefix("token load@example.com ")).expect("an API token").to_owned();
    let page = first.get("/api/v1/customers?limit=1", Some(&token)).await.unwrap();
    assert_eq!((page.status, page.header("x-ratelimit-limit")), (200, Some("10000000")));
    let credentials = json!({"email": "rival@example.com", "password": "password"});
    let session = wire::ask(first.address, "POST /api/v1/auth/login", None, Some(&credentials)).await.unwrap().json();
    assert_eq!(session["user"]["tenant_id"], 2);

    // A second one on the same folder, and one on the same port, say so and leave the first alone.
    let second = run(&["up", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]).await;
    assert!(failure(&second, 1).contains("is in use by a running server"));
    let other = place.path().join("other");
    let listen = first.address.to_string();
    let second = run(&["up", "--listen", &listen, "--data-dir", other.to_str().unwrap()]).await;
    assert!(failure(&second, 1).contains(&format!("{listen} is taken")));
    assert!(!other.exists(), "nothing was made before the port was known to be free");

    first.process.signal(Signal::TERM);
    let status = tokio::time::timeout(Duration::from_secs(20), first.process.wait()).await.expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", first.text());
    assert!(first.get("/healthz", None).await.is_none());

    let again = Running::start(place.path(), &args).await;
    let page = again.get("/api/v1/customers?limit=1", Some(&token)).await.unwrap();
    assert_eq!(page.status, 200, "yesterday's token and data are still there");
    again.process.terminate().await;
}

#[tokio::test]
async fn up_starts_its_postgres_again_when_that_is_killed() {
    let place = place();
    let data = place.path().join("data");
    let up =
        Running::start(place.path(), &["up", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]).await;
    let pid = fs::read_to_string(data.join("postgres/data/postmaster.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.lines().next().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    eventually(START, || async { up.get("/readyz", None).await.unwrap().status == 503 }).await;
    eventually(START, || async { up.get("/readyz", None).await.unwrap().status == 200 }).await;
    let status = up.process.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", up.text());
}

#[tokio::test]
async fn a_folder_of_another_version_or_of_somebody_else_is_left_alone() {
    let place = place();
    let old = place.path().join("old");
    fs::create_dir_all(old.join("postgres/data")).unwrap();
    fs::write(old.join("postgres/data/PG_VERSION"), "9\n").unwrap();
    let output = run(&["up", "--listen", "127.0.0.1:0", "--data-dir", old.to_str().unwrap()]).await;
    let said = failure(&output, 1);
    assert!(said.contains("PostgreSQL 9") && said.contains("newest installed"), "{said}");
    let strange = place.path().join("strange");
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join("thesis.txt"), "x").unwrap();
    let output = run(&["up", "--listen", "127.0.0.1:0", "--data-dir", strange.to_str().unwrap()]).await;
    assert!(failure(&output, 1).contains("thesis.txt"));
}

#[tokio::test]
async fn the_command_line_is_refused_before_anything_happens() {
    let cases: [(&[&str], &str); 5] = [
        (&["up", "--replicas", "0"], "--replicas must be a whole number from 1 to 1000"),
        (&["up", "--redis-url", "http://:hunter2@x"], "--redis-url"),
        (&["api", "--database-url", "postgresql://u:hunter2@h:x/d"], "--database-url"),
        (&["api", "--database-url", "postgresql://u:hunter2@h"], "names no database"),
        (&["up", "--log", "=="], "--log"),
    ];
    for (args, part) in cases {
        let said = failure(&run(args).await, 2);
        assert!(said.contains(part) && !said.contains("hunter2"), "{said}");
    }
    // Variables are flags too, and a switch is on for 1 as well as for true.
    let variables = [("KV_DEMO", "1"), ("KV_POOL_SIZE", "0")];
    assert!(
        failure(&run_with(&["up"], &variables).await, 2)
            .contains("KV_POOL_SIZE must be a whole number from 1 to 1000, not \"0\"")
    );
    assert_eq!(run_with(&["up"], &[("KV_DEMO", "perhaps")]).await.status.code(), Some(2));
    for args in [&["up", "--no-such-flag"][..], &["up", "--listen", "nonsense"], &["fly"], &[]] {
        assert_eq!(run(args).await.status.code(), Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_or_unsafe_is_one_line() {
    let nowhere = "postgresql://kv_app:hunter2@127.0.0.1:1/kv_saas_erp";
    for args in [
        &["migrate", "--database-url", nowhere][..],
        &["api", "--listen", "127.0.0.1:0", "--database-url", nowhere],
        &["admin", "create-tenant", "--slug", "a", "--name", "A", "--database-url", nowhere],
    ] {
        let said = failure(&run(args).await, 1);
        assert!(said.contains("refused") && !said.contains("hunter2"), "{said}");
    }
    let database = testing::postgres().await.empty_database().await.unwrap();
    let superuser = database.url();
    let serve = ["api", "--listen", "127.0.0.1:0", "--database-url", &superuser];
    assert!(failure(&run(&serve).await, 1).contains("is a superuser"));
}

#[tokio::test]
async fn an_administrator_sets_up_a_service_from_nothing() {
    let (place, database) = (place(), testing::postgres().await.empty_database().await.unwrap());
    let admin = database.url();
    let on_database = |args: &[&'static str]| {
        let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        args.extend(["--database-url".to_owned(), admin.clone()]);
        async move {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            run(&args).await
        }
    };
    let printed = |output: Output| {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    printed(on_database(&["migrate"]).await);
    printed(on_database(&["migrate"]).await);
    assert_eq!(printed(on_database(&["admin", "create-tenant", "--slug", "acme", "--name", "Acme"]).await), "1");
    let again = on_database(&["admin", "create-tenant", "--slug", "acme", "--name", "Acme"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("error: tenant \"acme\" exists already"));
    let user =
        ["admin", "create-user", "--tenant", "acme", "--email", "a@acme.example", "--rate-limit-per-minute", "7"];
    let password = printed(on_database(&user).await);
    let missing = on_database(&["admin", "create-token", "--email", "b@acme.example"]).await;
    assert!(failure(&missing, 1).contains("there is no user \"b@acme.example\""));
    let token = printed(on_database(&["admin", "create-token", "--email", "a@acme.example"]).await);

    // The role's password belongs to the whole server, and other tests use it: log in with theirs.
    let app_password = crate::world::APP_PASSWORD;
    printed({
        let file = place.path().join("password");
        fs::write(&file, app_password).unwrap();
        run(&["migrate", "--database-url", &admin, "--app-password-file", file.to_str().unwrap()]).await
    });
    let url = database.url_for(Login::Role { name: "kv_app", password: app_password });
    let api = Running::start(place.path(), &["api", "--listen", "127.0.0.1:0", "--database-url", &url]).await;
    let me = api.get("/api/v1/auth/me", Some(&token)).await.unwrap();
    assert_eq!((me.status, me.header("x-ratelimit-limit")), (200, Some("7")));
    let credentials = json!({"email": "a@acme.example", "password": password});
    let login = wire::ask(api.address, "POST /api/v1/auth/login", None, Some(&credentials)).await.unwrap();
    assert_eq!(login.status, 200, "{login:?}");
    let warehouse = json!({"code": "W", "name": "W"});
    let made = wire::ask(api.address, "POST /api/v1/warehouses", Some(&token), Some(&warehouse)).await.unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    let chains = printed(on_database(&["admin", "verify", "--tenant", "acme"]).await);
    assert_eq!(chains, "0 levels, 0 movements, 0 of them older than the chain, 0 broken");
    let nobody = on_database(&["admin", "verify", "--tenant", "nobody"]).await;
    assert!(failure(&nobody, 1).contains("there is no tenant \"nobody\""));
    assert!(!api.text().contains(app_password) && !api.text().contains(&password), "the log holds no secret");
    assert_eq!(api.process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_stopping_service_says_so_and_a_second_signal_ends_it() {
    let (place, database) = (place(), crate::world::database().await);
    let url = database.url_for(Login::Role { name: "kv_app", password: crate::world::APP_PASSWORD });
    let api = Running::start(place.path(), &["api", "--listen", "127.0.0.1:0", "--database-url", &url]).await;
    // A request whose body does not come keeps the drain waiting; a connection that is open before the signal can still ask.
    let mut slow = wire::Connection::open(api.address).await;
    slow.send("POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n").await;
    assert!(slow.line().await.starts_with("HTTP/1.1 100"));
    api.process.signal(Signal::TERM);
    eventually(START, || async { api.text().contains("stopping") }).await;
    assert!(api.process.is_running(), "a request is under way");
    api.process.signal(Signal::TERM);
    let status = tokio::time::timeout(Duration::from_secs(5), api.process.wait()).await.expect("at once");
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn a_load_balancer_sees_a_stopping_service_before_it_is_gone() {
    let (place, database) = (place(), crate::world::database().await);
    let url = database.url_for(Login::Role { name: "kv_app", password: crate::world::APP_PASSWORD });
    let args = ["api", "--listen", "127.0.0.1:0", "--drain-delay-ms", "3000", "--database-url", &url];
    let api = Running::start(place.path(), &args).await;
    assert_eq!(api.get("/readyz", None).await.unwrap().status, 200);
    api.process.signal(Signal::TERM);
    let is_draining =
        || async { api.get("/readyz", None).await.is_some_and(|reply| reply.json()["code"] == "draining") };
    eventually(Duration::from_secs(3), is_draining).await;
    assert_eq!(api.get("/healthz", None).await.unwrap().status, 200, "whoever has not looked yet is still served");
    let status = tokio::time::timeout(Duration::from_secs(20), api.process.wait()).await.expect("it ends");
    assert_eq!(status.code(), Some(0), "{}", api.text());
}

#[tokio::test]
async fn openapi_prints_the_interface() {
    let output = run(&["openapi"]).await;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    assert!(document["paths"]["/api/v1/reservations"]["post"].is_object());
}
