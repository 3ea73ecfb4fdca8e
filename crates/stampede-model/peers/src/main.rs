//! One history, one checker, one process: `stampede-peers CASE CHECKER` prints the answer, how long it took and what memory it
//! needed. `stampede-peers list` prints the cases.
//!
//! A process for each measurement, because a peak cannot be taken back. The cap is kept by a second thread: none of the others'
//! checkers can be trusted to end.
//! Absent on purpose: ratios and tables. `cargo xtask bench check` makes them.

mod cases;
mod histories;
mod others;
mod random;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cases::{Case, Checker, Said};

/// How long anybody may take.
const CAP: Duration = Duration::from_secs(30);
/// What anybody may need, in KiB: the machine is needed afterwards.
const CAP_KIB: u64 = 3 << 20;
const GLANCE: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words == ["list"] {
        for case in Case::all() {
            print(&format!("{}\t{}", case.name(), case.told()));
        }
        return ExitCode::SUCCESS;
    }
    let &[case, checker] = words.as_slice() else { return usage() };
    let (Some(case), Some(checker)) = (Case::named(case), Checker::named(checker)) else { return usage() };
    let ready = case.prepare(checker);
    let before_kib = if case.counts_history() { 0 } else { status_kib("VmRSS:") };
    let began = Instant::now();
    std::thread::spawn(move || {
        while began.elapsed() < CAP {
            std::thread::sleep(GLANCE);
            if status_kib("VmRSS:") > CAP_KIB {
                report(Said::Memory, began, before_kib);
                std::process::exit(0);
            }
        }
        report(Said::Time, began, before_kib);
        std::process::exit(0);
    });
    let said = ready();
    report(said, began, before_kib);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    writeln!(
        std::io::stderr(),
        "usage: stampede-peers CASE ours|porcupine-rs|stateright\nhint: `list` names the cases"
    )
    .ok();
    ExitCode::from(2)
}

fn report(said: Said, began: Instant, before_kib: u64) {
    let ms = began.elapsed().as_secs_f64() * 1e3;
    let kib = status_kib("VmHWM:").saturating_sub(before_kib);
    print(&format!("{}\t{ms:.3}\t{kib}", said.as_str()));
}

fn print(line: &str) {
    // Who closes the pipe does not want to know.
    writeln!(std::io::stdout(), "{line}").ok();
}

/// A line of the kernel's account of this process.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
