//! Targets started, waited for, and stopped.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use stampede_engine::control::{Afterwards, ControlError, Running};
use stampede_model::target::{Scope, Target};

use crate::toy::{self, Fault};

/// Set for the copies of this program that serve.
const SERVE_ON: &str = "STAMPEDE_TOY_PORT";

/// Not a check: started as a target's process by the tests below, this serves until it is killed.
#[test]
fn serve_when_asked() {
    let Ok(port) = std::env::var(SERVE_ON) else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap())).unwrap();
    let (_never, stopped) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(toy::serve(listener, Fault::None, stopped)));
}

fn target(process: &str, within: &str) -> Target {
    let text = format!(
        "[target]\nname = 't'\nurl = 'http://127.0.0.1:{{port}}'\n\
         ready = {{ path = '/readyz', status = 200, within = '{within}' }}\n{process}"
    );
    Target::parse("t.toml", &text).unwrap()
}

/// This program, serving.
fn served() -> Target {
    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    let process = format!(
        "[[target.process]]\nname = 'toy'\ncommand = ['{{bin}}/{name}', '--exact', 'control::serve_when_asked', '--nocapture']\n\
         env = {{ {SERVE_ON} = '{{port}}' }}\n"
    );
    target(&process, "30s")
}

fn bin() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

async fn start(target: &Target, afterwards: Afterwards) -> Result<Running, ControlError> {
    Running::start(&target.start, &bin(), &Scope::default(), afterwards).await
}

fn listens(url: &str) -> bool {
    std::net::TcpStream::connect(url.trim_start_matches("http://")).is_ok()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_target_is_started_asked_and_stopped() {
    let running = start(&served(), Afterwards::Stop).await.unwrap();
    let url = running.url().to_owned();
    assert!(listens(&url));
    running.stop().await;
    assert!(!listens(&url));
}

#[tokio::test]
async fn a_dropped_target_is_stopped() {
    let running = start(&served(), Afterwards::Stop).await.unwrap();
    let url = running.url().to_owned();
    drop(running);
    assert!(!listens(&url));
}

#[tokio::test]
async fn a_target_that_is_left_goes_on() {
    let left = start(&served(), Afterwards::Leave).await.unwrap().leave();
    assert!(listens(&left.url));
    let [(name, pid)] = left.processes.as_slice() else { panic!("{left:?}") };
    let folder = left.folder.clone().unwrap();
    assert_eq!(name, "toy");
    assert!(folder.join("log/toy.log").exists());
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    wait_until("the left target ends", || !listens(&left.url));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_program_that_dies_is_shown_with_its_log() {
    let process =
        "[[target.process]]\nname = 'broken'\ncommand = ['/bin/sh', '-c', 'echo no such database >&2; exit 3']\n";
    let error = start(&target(process, "30s"), Afterwards::Stop).await.unwrap_err().to_string();
    assert!(error.contains("`broken` ended (exit status: 3)"), "{error}");
    assert!(error.contains("no such database"), "{error}");
}

#[tokio::test]
async fn a_target_that_is_never_ready_is_shown_with_its_log() {
    let process = "[[target.process]]\nname = 'slow'\ncommand = ['/bin/sh', '-c', 'echo warming up; exec sleep 60']\n";
    let error = start(&target(process, "300ms"), Afterwards::Stop).await.unwrap_err();
    assert!(matches!(error, ControlError::NotReady { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("was not ready within 300ms") && error.contains("warming up"), "{error}");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let process = "[[target.process]]\nname = 'absent'\ncommand = ['{bin}/no-such-program']\n";
    for afterwards in [Afterwards::Stop, Afterwards::Leave] {
        let error = start(&target(process, "1s"), afterwards).await.unwrap_err().to_string();
        assert!(error.contains("no-such-program") && error.contains("hint:"), "{error}");
    }
}

#[tokio::test]
async fn private_servers_are_given_by_url() {
    let process = "[target.postgres]\nsettings = { max_connections = '17' }\n[target.redis]\n[[target.process]]\nname = 'p'\n\
                   command = ['/bin/sh', '-c', 'echo pg=$PG redis=$REDIS; exit 1']\n\
                   env = { PG = '{postgres_url}', REDIS = '{redis_url}' }\n";
    let target = target(process, "30s");
    let error = start(&target, Afterwards::Stop).await.unwrap_err().to_string();
    assert!(error.contains("pg=postgres") && error.contains("redis=redis://"), "{error}");
    let kept = start(&target, Afterwards::Leave).await.unwrap_err();
    assert!(matches!(kept, ControlError::PrivateServersCannotStay), "{kept}");
}

#[tokio::test]
async fn a_target_without_programs_is_only_asked() {
    let server = toy::Toy::start(Fault::None);
    let target = target("", "5s").found_at(&server.url);
    let running = Running::start(&target.start, Path::new("/"), &Scope::default(), Afterwards::Stop).await.unwrap();
    assert_eq!(running.url(), server.url);
    running.stop().await;
    assert!(listens(&server.url));
}
