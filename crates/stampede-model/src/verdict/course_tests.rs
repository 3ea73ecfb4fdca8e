//! Each row passes a sound course and names a planted fault.

use super::*;
use crate::logs::LogGroups;

const S: u64 = 1_000_000_000;
const MB: u64 = 1 << 20;

fn sound() -> Course {
    let mut course = Course { drained_after_ns: Some(S), log_lines: 100, ..Course::default() };
    for _ in 0..10 {
        let postgres = PostgresSample { connections: 30, connections_max: 200, ..PostgresSample::default() };
        course.take_postgres(Some(&postgres));
        let lists = [("queue:default".to_owned(), Some(3))].into();
        course.take_redis(Some(&RedisSample { used_memory_bytes: 5 * MB, lists, ..RedisSample::default() }));
    }
    for at in 0..30 {
        course.take_replica(("api", "api-1"), at * 500, (0.5, 40 * MB));
    }
    course
}

fn limits() -> Limits {
    Limits { cpu_cores: 1.0, memory: Bytes(100 * MB) }
}

fn rulings(course: &Course) -> [Ruling; 7] {
    [
        course.judge_connections(50),
        course.judge_redis_memory(Bytes(64 * MB)),
        course.judge_evictions(),
        course.judge_queues(2 * S),
        course.judge_resources("api", &limits()),
        course.judge_ends(),
        course.judge_logs(),
    ]
}

#[test]
fn a_sound_course_passes_every_row() {
    for ruling in rulings(&sound()) {
        assert_eq!(ruling.verdict, Verdict::Pass, "{ruling:?}");
        assert!(ruling.reason.is_empty() && !ruling.figure.is_empty(), "{ruling:?}");
    }
}

#[test]
fn what_was_not_seen_is_no_pass() {
    let blind = Course::default();
    for (ruling, verdict) in rulings(&blind).into_iter().zip([
        Verdict::Unknown,
        Verdict::Unknown,
        Verdict::Unknown,
        Verdict::Unknown,
        Verdict::Unknown,
        Verdict::Pass,
        Verdict::Pass,
    ]) {
        assert_eq!(ruling.verdict, verdict, "{ruling:?}");
    }
    let mut often = sound();
    (0..5).for_each(|_| often.take_postgres(None));
    let ruling = often.judge_connections(50);
    assert!(ruling.verdict == Verdict::Unknown && ruling.reason.contains("5 of 15 looks"), "{ruling:?}");
}

#[test]
fn each_row_names_its_fault() {
    let mut groups = LogGroups::default();
    (0..7).for_each(|_| assert!(groups.take("api-1", "ERROR no connection to the database")));
    let mut course = sound();
    course.connections.0 = 51;
    course.redis_memory.0 = 65 * MB;
    course.evicted = 3;
    course.drained_after_ns = None;
    course.ended = vec![("api-1".into(), "signal: 9".into())];
    course.oom_kills = 1;
    course.errors = (groups.without(&[]), 0);
    for at in 30..60 {
        course.take_replica(("api", "api-1"), at * 500, (1.5, 120 * MB));
    }
    let words = [
        "51 connections at once, the pools together are 50",
        "65mb of 64mb were in use",
        "Redis evicted 3 keys",
        "jobs wait though nobody asks any more: queue:default 3",
        "api-1 used 120mb of 100mb; api-1 used 1.50 cores of 1",
        "api-1 ended: signal: 9; the kernel killed for want of memory meanwhile",
        "7 times (api-1 7): no connection to the database",
    ];
    for (ruling, words) in rulings(&course).into_iter().zip(words) {
        assert!(matches!(ruling.verdict, Verdict::Violated | Verdict::Missed), "{ruling:?}");
        assert!(ruling.reason.contains(words), "{words}: {ruling:?}");
    }
}

#[test]
fn redis_s_own_limit_counts_when_it_is_smaller() {
    let mut course = sound();
    course.redis_memory = (5 * MB, 4 * MB);
    assert_eq!(course.judge_redis_memory(Bytes(64 * MB)).verdict, Verdict::Missed);
}

#[test]
fn a_late_queue_is_missed() {
    let course = Course { drained_after_ns: Some(3 * S), ..sound() };
    let ruling = course.judge_queues(2 * S);
    assert!(ruling.verdict == Verdict::Missed && ruling.reason.contains("only after 3.00 s"), "{ruling:?}");
}

#[test]
fn a_burst_of_cpu_is_no_trouble_and_five_seconds_of_it_are() {
    let mut used = ReplicaUse::default();
    for at in 0..40_i64 {
        used.take(at * 250, (if at == 20 { 8.0 } else { 0.1 }, MB));
    }
    assert!(used.cpu_cores < 0.7, "{used:?}");
    for at in 40..70_i64 {
        used.take(at * 250, (2.0, MB));
    }
    assert!(used.cpu_cores > 1.9 && used.window.len() < 30, "{used:?}");
}

#[test]
fn a_pool_is_filled_once_and_a_leak_grows_with_every_burst() {
    let bursts = |levels: &[u32]| Bursts { levels: levels.to_vec(), asked: 300, ..Bursts::default() };
    assert_eq!(judge_leak(&bursts(&[5, 31, 31, 31, 31, 31])).verdict, Verdict::Pass);
    assert_eq!(judge_leak(&bursts(&[5, 20, 25, 31, 31, 31])).verdict, Verdict::Pass);
    let leak = judge_leak(&bursts(&[5, 9, 13, 17, 21, 25]));
    assert!(leak.verdict == Verdict::Violated && leak.reason.contains("5, 9, 13, 17, 21, 25"), "{leak:?}");
    assert_eq!(judge_leak(&bursts(&[5])).verdict, Verdict::Unknown);
    let failing = Bursts { failed: (60, "503".into()), ..bursts(&[5, 31, 31]) };
    let ruling = judge_leak(&failing);
    assert!(ruling.verdict == Verdict::Missed && ruling.reason.contains("the last: 503"), "{ruling:?}");
}

#[test]
fn availability_is_a_share_and_too_few_answers_show_nothing() {
    let seen = |asked, failed| Uptime { asked, failed, longest_dark_ns: S, failures: vec!["reset".into()] };
    assert_eq!(judge_uptime(&seen(2_000, 0), 0.999).verdict, Verdict::Pass);
    assert_eq!(judge_uptime(&seen(2_000, 2), 0.999).verdict, Verdict::Pass);
    let down = judge_uptime(&seen(2_000, 3), 0.999);
    assert!(down.verdict == Verdict::Missed && down.reason == "reset", "{down:?}");
    assert!(down.figure.starts_with("1,997 of 2,000 (99.85%)"), "{down:?}");
    assert_eq!(judge_uptime(&seen(100, 0), 0.999).verdict, Verdict::Unknown);
    assert_eq!(judge_uptime(&seen(100, 1), 0.999).verdict, Verdict::Missed);
    assert_eq!(judge_uptime(&seen(0, 0), 0.999).verdict, Verdict::Unknown);
}
