//! What was seen inside PostgreSQL and Redis.

use std::fmt::Write;

use stampede_model::stress::StressRun;
use stampede_model::stress::postgres::{PostgresFindings, PostgresSample, waits};
use stampede_model::stress::redis::{RedisFindings, RedisSample, lists};
use stampede_model::units::{show_ns, thousands};

use super::samples;
use crate::words::plain;

/// Slow statements, lock waits, and the like that are shown; the file has more.
const SHOWN: usize = 5;

pub(super) fn render(run: &StressRun) -> String {
    let mut text = String::new();
    let (of_postgres, of_redis) = samples(run);
    if let Some(findings) = &run.postgres {
        postgres(&mut text, findings, &of_postgres);
    }
    if let Some(findings) = &run.redis {
        redis(&mut text, findings, &of_redis);
    }
    text
}

fn postgres(text: &mut String, findings: &PostgresFindings, samples: &[PostgresSample]) {
    let (version, looks) = (plain(&findings.version), thousands(samples.len() as u64));
    let _infallible = writeln!(text, "PostgreSQL {version}, {looks} samples");
    let waiting: Vec<String> = waits(samples).iter().map(|(kind, most)| format!("{} {most}", plain(kind))).collect();
    if !waiting.is_empty() {
        let _infallible = writeln!(text, "waiting for, most sessions at once: {}", waiting.join(", "));
    }
    for wait in findings.lock_waits.iter().take(SHOWN) {
        let [lock, mode, waiting, holder, state] =
            [&wait.lock, &wait.mode, &wait.blocked, &wait.blocker, &wait.blocker_state].map(|part| plain(part));
        let waited = show_ns(wait.waited_ns);
        let _infallible =
            writeln!(text, "lock wait {waited} for {lock} ({mode}): `{waiting}` behind `{holder}` ({state})");
    }
    for slow in findings.slow.iter().take(SHOWN) {
        let (longest, statement) = (show_ns(slow.longest_ns), plain(&slow.statement));
        let _infallible = writeln!(text, "slow {longest}, seen {} times: `{statement}`", slow.count);
    }
    for busy in findings.busiest.iter().flatten().take(SHOWN) {
        let (total, mean) = (show_ns(busy.total_ns.unwrap_or(0)), show_ns(busy.longest_ns));
        let (calls, statement) = (thousands(busy.count), plain(&busy.statement));
        let _infallible = writeln!(text, "busiest {total} in {calls} calls, mean {mean}: `{statement}`");
    }
}

fn redis(text: &mut String, findings: &RedisFindings, samples: &[RedisSample]) {
    let (version, looks) = (plain(&findings.version), thousands(samples.len() as u64));
    let _infallible = writeln!(text, "Redis {version}, {looks} samples");
    for (key, path) in lists(samples) {
        if let (Some(first), Some(last), Some(most)) = (path.first, path.last, path.most) {
            let [first, last, most] = [first, last, most].map(thousands);
            let key = plain(&key);
            let _infallible = writeln!(text, "list {key}: {first} at first, {most} at most, {last} at the end");
        }
    }
    for slow in findings.slow.iter().take(SHOWN) {
        let _infallible = writeln!(text, "slow {}: `{}`", show_ns(slow.took_ns), plain(&slow.command));
    }
    for event in findings.latency.iter().flatten().take(SHOWN) {
        let (name, longest) = (plain(&event.event), show_ns(event.longest_ns));
        let _infallible = writeln!(text, "latency event {name}: longest {longest}");
    }
}
