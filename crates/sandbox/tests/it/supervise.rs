//! Programs that end with their starter.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use sandbox::testing::eventually;
use sandbox::{ProcessSpec, SandboxError, Signal, StopSignal, Supervised};

const WITHIN: Duration = Duration::from_secs(20);

fn sh(script: &str) -> ProcessSpec {
    ProcessSpec::new("/bin/sh").args(["-c", script])
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn the_pid_is_the_programs_own() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let spec = sh("echo $$ $WORD $(pwd); exit 7").env("WORD", "hello").cwd("/").log(&log);
    let program = Supervised::spawn(spec).unwrap();
    assert_eq!(program.wait().await.code(), Some(7));
    assert!(!program.is_running());
    assert_eq!(program.log_tail(5), format!("{} hello /", program.pid()));
}

#[tokio::test]
async fn kill_hits_the_program_itself() {
    let program = Supervised::spawn(ProcessSpec::new("sleep").arg("600")).unwrap();
    let comm = format!("/proc/{}/comm", program.pid());
    eventually(WITHIN, async || std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")).await;
    assert_eq!(program.kill().await.signal(), Some(Signal::KILL.as_raw()));
    assert!(!exists(program.pid()));
    program.signal(Signal::TERM);
    assert_eq!(program.terminate().await.signal(), Some(Signal::KILL.as_raw()));
}

#[tokio::test]
async fn the_stop_signal_can_be_chosen_and_reaches_a_stopped_program() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let spec =
        sh("trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done").stop_signal(StopSignal::Interrupt).log(&log);
    let program = Supervised::spawn(spec).unwrap();
    eventually(WITHIN, async || program.log_tail(1) == "ready").await;
    program.signal(Signal::STOP);
    assert_eq!(program.terminate().await.code(), Some(3));
}

#[tokio::test]
async fn a_program_that_will_not_end_is_killed_after_its_grace() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let stubborn =
        sh("trap '' TERM; echo ready; while :; do sleep 0.01; done").grace(Duration::from_millis(50)).log(&log);
    let program = Supervised::spawn(stubborn).unwrap();
    eventually(WITHIN, async || program.log_tail(1) == "ready").await;
    assert_eq!(program.terminate().await.signal(), Some(Signal::KILL.as_raw()));
}

#[tokio::test]
async fn a_programs_children_end_with_it() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("log");
    let program = Supervised::spawn(sh("sleep 600 & echo $!; wait").log(&log)).unwrap();
    let child = eventually(WITHIN, async || program.log_tail(1).parse::<u32>()).await;
    drop(program);
    let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    eventually(WITHIN, async || state().is_empty() || state().contains(") Z ")).await;
}

#[tokio::test]
async fn a_program_outlives_the_thread_that_started_it() {
    let spawn = || Supervised::spawn(ProcessSpec::new("sleep").arg("600")).unwrap();
    let program = std::thread::spawn(spawn).join().unwrap();
    let ended = tokio::time::timeout(Duration::from_millis(200), program.wait()).await;
    assert!(ended.is_err() && program.is_running());
}

#[test]
fn dropping_needs_no_runtime() {
    let program = Supervised::spawn(ProcessSpec::new("sleep").arg("600")).unwrap();
    let pid = program.pid();
    drop(program);
    assert!(!exists(pid));
}

#[test]
fn what_cannot_be_started_is_named() {
    let missing = Supervised::spawn(ProcessSpec::new("/nonexistent/kv-erp")).unwrap_err();
    assert!(matches!(&missing, SandboxError::MissingProgram { program, .. } if program == "/nonexistent/kv-erp"));
    let no_folder = Supervised::spawn(ProcessSpec::new("true").cwd("/nonexistent")).unwrap_err().to_string();
    assert!(no_folder.contains("start") && no_folder.contains("true"), "{no_folder}");
}
