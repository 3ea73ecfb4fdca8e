//! What the doctor found, in words: the machine, its ceiling, the stall, the verdict. Pure.

use stampede_model::units::{show_ns, thousands, trimmed};

use super::Findings;
use super::bench::Counted;
use super::ceiling::{Ceiling, LAG_P50_MAX_NS, Probe};
use super::machine::Machine;
use super::stall::{Second, Seen, Stall};
use crate::print::Append;

/// Part of all CPU time used by others from which it is mentioned.
const BUSY_SHARE: f64 = 0.1;
/// Free local ports below which it is mentioned.
const FEW_PORTS: u64 = 5_000;
/// Open files below which it is mentioned.
const FEW_FILES: u64 = 4_096;
/// A reading of the clock above this is mentioned: there are half a dozen in a request.
const SLOW_CLOCK_NS: f64 = 250.0;
/// Columns of the longest bar.
const BAR: u64 = 40;

/// Why measurements on this machine cannot be trusted.
pub(super) fn doubts(ceiling: Option<&Ceiling>, stall: Option<&Stall>) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(ceiling) = ceiling {
        if let Some(first) = ceiling.probes.first() {
            let rate = thousands(first.asked_per_s.into());
            doubts.extend(first.doubts.iter().map(|doubt| format!("at {rate}/s: {doubt}")));
        }
        let counted = ceiling.probes.iter().map(|probe| ("a rate", probe.counted));
        doubts.extend([("the closed loop", ceiling.closed.counted)].into_iter().chain(counted).filter_map(miscount));
    }
    if let Some(stall) = stall {
        if !stall.is_seen() {
            let p99 = show_ns(stall.intent.p99_ns);
            doubts.push(format!(
                "the server stood still for 2 s in 10 s, but p99 from the intended start is {p99}, not 1.7 to 2.0 s"
            ));
        }
        doubts.extend(miscount(("the stall", stall.counted)));
    }
    doubts
}

fn miscount((what, counted): (&str, Counted)) -> Option<String> {
    let Counted { by_generator, by_server, .. } = counted;
    (!counted.agrees()).then(|| {
        format!(
            "{what}: the generator counted {} answers, the server {}",
            thousands(by_generator),
            thousands(by_server)
        )
    })
}

/// What is worth knowing of the machine.
pub(super) fn remarks(machine: &Machine) -> Vec<String> {
    let mut remarks = Vec::new();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if let Some(share) = machine.busy_share.filter(|share| *share >= BUSY_SHARE) {
        remarks.push(format!(
            "other programs use {} of the CPU: figures will be worse than the machine's own",
            percent(share)
        ));
    }
    if let Some(share) = machine.stolen_share.filter(|share| *share >= 0.02) {
        remarks.push(format!("the hypervisor takes {} of the CPU away", percent(share)));
    }
    if let Some(cores) = machine.cgroup_cores.filter(|cores| *cores < f64::from(machine.cores)) {
        remarks.push(format!(
            "the control group grants {} of {} cores: bursts will be throttled",
            trimmed(cores),
            machine.cores
        ));
    }
    if machine.cores == 1 {
        remarks.push("there is one core: a server on this machine and the generator take turns".to_owned());
    }
    if let Some(files) = machine.open_files_hard.filter(|files| *files < FEW_FILES) {
        remarks.push(format!("at most {} connections: raise the hard limit with ulimit -Hn", thousands(files)));
    }
    let free = machine.ports.zip(machine.ports_used).map(|(all, used)| all.saturating_sub(used));
    if let Some(free) = free.filter(|free| *free < FEW_PORTS) {
        remarks.push(format!(
            "{} local ports are free: a new connection for every request will run out of them",
            thousands(free)
        ));
    }
    if machine.clock_read_ns > SLOW_CLOCK_NS {
        remarks.push(format!(
            "reading the clock costs {}: CPU per request is higher for it",
            show_ns(machine.clock_read_ns as u64)
        ));
    }
    remarks
}

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
mod tests {
    use super::super::ceiling::ClosedLoop;
    use super::*;

    fn counted(by_server: u64) -> Counted {
        Counted { by_generator: 10, by_server, uncertain: 0 }
    }

    fn ceiling(doubts: Vec<String>, by_server: u64) -> Ceiling {
        let closed = ClosedLoop {
            connections: 64,
            answered_per_s: 50_000.4,
            cpu_ns_per_request: 8_800,
            server_cpu_ns_per_request: 7_000,
            counted: counted(by_server),
        };
        let probe = Probe {
            asked_per_s: 1_000,
            answered_per_s: 999.9,
            lag_p50_ns: 48_000,
            lag_p99_ns: 1_350_000,
            cpu_ns_per_request: 40_000,
            counted: counted(10),
            doubts,
        };
        Ceiling { closed, probes: vec![probe], trusted_per_s: 11_800, limited: true }
    }

    fn seen_at(p99_ns: u64) -> Stall {
        let seen = Seen { requests: 10_000, p50_ns: 2_500_000, p95_ns: 1_500_000_000, p99_ns, max_ns: 2_000_000_000 };
        let second = |at_s, answered, max_ns| Second { at_s, answered, max_ns };
        Stall {
            intent: seen,
            service: seen,
            closed: seen,
            seconds: vec![second(3, 1_000, Some(3_000_000)), second(4, 0, None), second(6, 3_000, Some(2_000_000_000))],
            counted: counted(10),
        }
    }

    #[test]
    fn a_sound_machine_raises_no_doubt() {
        assert_eq!(doubts(Some(&ceiling(vec![], 10)), Some(&seen_at(1_910_000_000))), Vec::<String>::new());
    }

    #[test]
    fn each_unsound_thing_is_named() {
        let late = doubts(Some(&ceiling(vec!["late".to_owned()], 10)), None);
        assert_eq!(late, ["at 1,000/s: late"]);
        let miscounted = doubts(Some(&ceiling(vec![], 11)), None);
        assert!(miscounted[0].contains("counted 10 answers, the server 11"), "{miscounted:?}");
        let hidden = doubts(None, Some(&seen_at(4_000_000)));
        assert!(hidden[0].contains("4.00 ms, not 1.7 to 2.0 s"), "{hidden:?}");
    }

    #[test]
    fn a_second_without_answers_says_so_and_the_longest_has_the_longest_bar() {
        let text = stall(&seen_at(1_910_000_000));
        assert!(text.contains("     4        0  nothing came back\n"), "{text}");
        assert!(text.contains(&format!("     6    3,000  {} 2.00 s\n", "#".repeat(40))), "{text}");
        assert!(text.contains("     3    1,000  # 3.00 ms\n"), "{text}");
    }

    #[test]
    fn the_last_line_is_the_rate_to_be_trusted() {
        let mut findings = Findings {
            format: super::super::FORMAT,
            version: super::super::VERSION,
            machine: Machine::look(),
            ceiling: Some(ceiling(vec![], 10)),
            stall: None,
            doubts: vec![],
            remarks: vec!["something".to_owned()],
        };
        let text = render(&findings);
        assert!(
            text.ends_with("can be trusted with 11,800/s; plans above 11,800/s are likely to be marked.\n"),
            "{text}"
        );
        assert!(text.contains("note: something\n") && text.contains("1,000/s     1,000/s"), "{text}");
        findings.doubts.push("late".to_owned());
        let text = render(&findings);
        assert!(text.contains("NOT TRUSTWORTHY: late\n") && text.ends_with("free it and try again.\n"), "{text}");
    }
}
