//! What the doctor found, in words: the machine, its ceiling, the stall, the verdict. Pure.

mod remarks;

use stampede_model::units::{show_ns, thousands, trimmed};

use super::Findings;
use super::ceiling::{Ceiling, LAG_P50_MAX_NS, Probe};
use super::machine::Machine;
use super::stall::{Second, Seen, Stall};
use crate::print::Append;
pub(super) use remarks::{doubts, remarks};

/// Columns of the longest bar.
const BAR: u64 = 40;

/// The whole report.
pub(super) fn render(findings: &Findings) -> String {
    let mut text = machine(&findings.machine);
    if let Some(found) = &findings.ceiling {
        text.push('\n');
        text.push_str(&ceiling(found));
    }
    if let Some(seen) = &findings.stall {
        text.push('\n');
        text.push_str(&stall(seen));
    }
    text.push('\n');
    for remark in &findings.remarks {
        text.append(format_args!("note: {remark}\n"));
    }
    for doubt in &findings.doubts {
        text.append(format_args!("NOT TRUSTWORTHY: {doubt}\n"));
    }
    text.push_str(&verdict(findings));
    text
}

fn verdict(findings: &Findings) -> String {
    match &findings.ceiling {
        _ if !findings.doubts.is_empty() => {
            "This machine cannot be trusted to measure now; free it and try again.\n".to_owned()
        }
        None => "The stall shows as what it was.\n".to_owned(),
        Some(Ceiling { trusted_per_s, limited: true, .. }) => {
            let rate = thousands((*trusted_per_s).into());
            format!("This machine can be trusted with {rate}/s; plans above {rate}/s are likely to be marked.\n")
        }
        Some(Ceiling { trusted_per_s, .. }) => {
            format!(
                "This machine can be trusted with {}/s, the highest rate tried.\n",
                thousands((*trusted_per_s).into())
            )
        }
    }
}

fn machine(machine: &Machine) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), thousands);
    let percent = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let granted = machine
        .cgroup_cores
        .map_or_else(String::new, |cores| format!(", {} granted by the control group", trimmed(cores)));
    let mut text = String::new();
    let mut row = |name: &str, value: String| text.append(format_args!("{name:<14}{value}\n"));
    row("cores", format!("{}{granted}", machine.cores));
    row(
        "others",
        format!(
            "{} of the CPU in use, {} taken by the hypervisor, load {}, {} tasks running",
            percent(machine.busy_share),
            percent(machine.stolen_share),
            machine.load_1m.map_or_else(|| "-".to_owned(), trimmed),
            count(machine.runnable)
        ),
    );
    row(
        "open files",
        format!("{}, raised to {} for a run", count(machine.open_files_soft), count(machine.open_files_hard)),
    );
    row("local ports", format!("{}, {} in use", count(machine.ports), count(machine.ports_used)));
    row(
        "clock",
        format!(
            "{}, {} a reading",
            machine.clock_source.as_deref().unwrap_or("-"),
            show_ns(machine.clock_read_ns as u64)
        ),
    );
    text
}

fn ceiling(ceiling: &Ceiling) -> String {
    let closed = &ceiling.closed;
    let mut text = format!(
        "as fast as possible on {} connections: {}/s, CPU {} per request (the server's {})\n",
        closed.connections,
        thousands(closed.answered_per_s as u64),
        show_ns(closed.cpu_ns_per_request),
        show_ns(closed.server_cpu_ns_per_request)
    );
    text.append(format_args!(
        "{:>10}{:>12}{:>12}{:>12}{:>14}\n",
        "asked", "answered", "late p50", "late p99", "CPU/request"
    ));
    for probe in &ceiling.probes {
        text.push_str(&row(probe));
    }
    text
}

fn row(probe: &Probe) -> String {
    let mut text = format!(
        "{:>8}/s{:>10}/s{:>12}{:>12}{:>14}",
        thousands(probe.asked_per_s.into()),
        thousands(probe.answered_per_s.round() as u64),
        show_ns(probe.lag_p50_ns),
        show_ns(probe.lag_p99_ns),
        show_ns(probe.cpu_ns_per_request)
    );
    let mark = if probe.doubts.is_empty() {
        "  on time"
    } else if probe.lag_p50_ns > LAG_P50_MAX_NS {
        "  late"
    } else {
        "  not to be trusted"
    };
    text.push_str(mark);
    text.push('\n');
    text
}

fn stall(stall: &Stall) -> String {
    let mut text = "A server that stood still for 2 s of 10 s\n".to_owned();
    text.append(format_args!("{:<42}{:>9}{:>11}{:>11}{:>11}{:>11}\n", "", "requests", "p50", "p95", "p99", "max"));
    text.push_str(&seen("on a schedule, from the intended start", &stall.intent));
    text.push_str(&seen("on a schedule, from the send", &stall.service));
    text.push_str(&seen("closed loop, as ab, hey and wrk have it", &stall.closed));
    text.push_str("\nsecond answered  slowest that ended in it, from its intended start\n");
    let longest_ns = stall.seconds.iter().filter_map(|second| second.max_ns).max().unwrap_or(0).max(1);
    for second in &stall.seconds {
        text.push_str(&bar(*second, longest_ns));
    }
    text
}

fn seen(name: &str, seen: &Seen) -> String {
    let mut text = format!("{name:<42}{:>9}", thousands(seen.requests));
    for ns in [seen.p50_ns, seen.p95_ns, seen.p99_ns, seen.max_ns] {
        text.append(format_args!("{:>11}", show_ns(ns)));
    }
    text.push('\n');
    text
}

fn bar(second: Second, longest_ns: u64) -> String {
    let Second { at_s, answered, max_ns } = second;
    let Some(max_ns) = max_ns else { return format!("{at_s:>6} {:>8}  nothing came back\n", thousands(answered)) };
    let columns = (u128::from(max_ns) * u128::from(BAR)).div_ceil(longest_ns.into()) as usize;
    format!("{at_s:>6} {:>8}  {} {}\n", thousands(answered), "#".repeat(columns), show_ns(max_ns))
}

#[cfg(test)]
mod tests;
