use super::*;
use crate::doctor::bench::Counted;
use crate::doctor::ceiling::ClosedLoop;

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
        format: crate::doctor::FORMAT,
        version: crate::doctor::VERSION,
        machine: Machine::look(),
        ceiling: Some(ceiling(vec![], 10)),
        stall: None,
        doubts: vec![],
        remarks: vec!["something".to_owned()],
    };
    let text = render(&findings);
    assert!(text.ends_with("can be trusted with 11,800/s; plans above 11,800/s are likely to be marked.\n"), "{text}");
    assert!(text.contains("note: something\n") && text.contains("1,000/s     1,000/s"), "{text}");
    findings.doubts.push("late".to_owned());
    let text = render(&findings);
    assert!(text.contains("NOT TRUSTWORTHY: late\n") && text.ends_with("free it and try again.\n"), "{text}");
}
