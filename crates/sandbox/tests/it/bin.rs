//! The program: what its servers do when it, or who it works for, is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox::testing::eventually;
use sandbox::{PostgresAddress, Session};

const WITHIN: Duration = Duration::from_secs(20);

/// Whether a process runs; one that is dead and not yet collected does not.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// All processes with an open current folder inside `folder`: a server and everything that it forked.
fn working_in(folder: &Path) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))).collect()
}

#[tokio::test]
async fn sigkill_of_the_owner_leaves_no_server_and_no_folder() {
    let mut victim = Command::new(env!("CARGO_BIN_EXE_sandbox")).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (postgres, redis) = (next(), next());
    let pids = [&postgres, &redis].map(|line| line[1].parse::<u32>().unwrap());
    assert!(pids.iter().all(|pid| runs(*pid)));
    let address: PostgresAddress = postgres[2].parse().unwrap();
    let folder: PathBuf = address.socket_dir().unwrap().parent().unwrap().into();
    let session = Session::connect(&postgres[2]).await.unwrap();
    session.simple_query("SELECT 1").await.unwrap();
    assert!(working_in(&folder).len() > 2, "the postmaster and its children");
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually(WITHIN, async || !pids.iter().any(|pid| runs(*pid)) && working_in(&folder).is_empty()).await;
    eventually(WITHIN, async || !folder.exists()).await;
}

#[tokio::test]
async fn a_test_runs_servers_end_with_its_owner() {
    let place = tempfile::tempdir().unwrap();
    let env_file = place.path().join("env");
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let set_up = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .arg("serve-tests")
        .env("NEXTEST_ENV", &env_file)
        .env("SANDBOX_OWNER_PID", owner.id().to_string())
        .env_remove("SANDBOX_POSTGRES")
        .env_remove("SANDBOX_REDIS")
        .output()
        .unwrap();
    assert!(set_up.status.success(), "{}", String::from_utf8_lossy(&set_up.stderr));
    let variables = std::fs::read_to_string(&env_file).unwrap();
    let url = variables.lines().find_map(|line| line.strip_prefix("SANDBOX_POSTGRES=")).unwrap();
    assert!(variables.lines().any(|line| line.starts_with("SANDBOX_REDIS=redis://")), "{variables}");
    let session = Session::connect(url).await.unwrap();
    session.simple_query("SELECT 1").await.unwrap();
    let address: PostgresAddress = url.parse().unwrap();
    let folder: PathBuf = address.socket_dir().unwrap().parent().unwrap().into();
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually(WITHIN, async || working_in(&folder).is_empty() && !folder.exists()).await;
}

#[test]
fn mistakes_are_told_in_a_line() {
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
        command.args(args).env_remove("NEXTEST_ENV").output().unwrap()
    };
    let unknown = run(&["sreve"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).starts_with("usage: sandbox serve"));
    let outside = run(&["serve-tests"]);
    assert_eq!(outside.status.code(), Some(1));
    let text = String::from_utf8_lossy(&outside.stderr).into_owned();
    assert!(text.contains("NEXTEST_ENV") && text.contains("hint:") && text.lines().count() == 1, "{text}");
}
