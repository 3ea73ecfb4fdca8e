//! How fast the cheap checks of a stock level are: `check_speed [OPERATIONS] [CLIENTS] [SEED]`, by default a million
//! operations of 100 clients.
//!
//! Prints for each check the time that passed, the time the processor spent on it (less, when others want it too) and the
//! most memory that the process has held (the last two on Linux; else 0).
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Instant;

use stampede_model::check::CheckReport;
use stampede_model::check::stock::{Level, by_bounds, by_witness, check_level, synthetic};

fn main() {
    let mut given = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let operations = given.next().unwrap_or(1_000_000) as usize;
    let clients = given.next().unwrap_or(100) as usize;
    let level = synthetic(given.next().unwrap_or(7), operations, clients);
    println!("{} operations, {clients} clients; made: {} MiB at most", level.ops().len(), peak_mib());
    timed("witness", &level, by_witness);
    timed("bounds", &level, by_bounds);
    timed("all", &level, check_level);
}

fn timed(name: &str, level: &Level, check: impl Fn(&Level) -> CheckReport) {
    let (begun, spent_before) = (Instant::now(), spent_s());
    let report = check(level);
    let (took, spent) = (begun.elapsed(), spent_s() - spent_before);
    let (answer, strength) = (report.answer, report.strength);
    let mib = peak_mib();
    println!(
        "{name}: {:.3} s, {spent:.3} s of the processor; {answer:?} ({strength}); {mib} MiB at most",
        took.as_secs_f64()
    );
}

/// Seconds that this process has run on a processor.
fn spent_s() -> f64 {
    let status = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    status.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) as f64 / 1e9
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}
