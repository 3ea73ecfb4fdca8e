//! How fast the cheap checks of a stock level are: `check_speed [OPERATIONS] [CLIENTS] [SEED]`, by default a million
//! operations of 100 clients.
//!
//! Prints a line for each check, then the most memory the process ever held (Linux; else 0).
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
    let begun = Instant::now();
    let report = check(level);
    let took = begun.elapsed();
    let (answer, strength) = (report.answer, report.strength);
    println!("{name}: {:.3} s, {answer:?} ({strength}); {} MiB at most", took.as_secs_f64(), peak_mib());
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) / 1024
}
