//! What was seen inside PostgreSQL and Redis.

use stampede_model::stress::postgres::{PostgresFindings, PostgresSample, waits};
use stampede_model::stress::redis::{RedisFindings, RedisSample, lists};
use stampede_model::stress::{ServerSample, StressRun};
use stampede_model::units::{show_ns, thousands};

use crate::print::Append;

/// Slow statements, lock waits, and the like that are shown; the file has more.
const SHOWN: usize = 5;

pub(super) fn render(run: &StressRun) -> String {
    let mut text = String::new();
    if let Some(findings) = &run.postgres {
        let samples: Vec<PostgresSample> = run
            .samples
            .iter()
            .filter_map(|sample| match sample {
                ServerSample::Postgres(sample) => Some(sample.clone()),
                ServerSample::Redis(_) => None,
            })
            .collect();
        postgres(&mut text, findings, &samples);
    }
    if let Some(findings) = &run.redis {
        let samples: Vec<RedisSample> = run
            .samples
            .iter()
            .filter_map(|sample| match sample {
                ServerSample::Redis(sample) => Some(sample.clone()),
                ServerSample::Postgres(_) => None,
            })
            .collect();
        redis(&mut text, findings, &samples);
    }
    text
}

fn postgres(text: &mut String, findings: &PostgresFindings, samples: &[PostgresSample]) {
    text.append(format_args!("PostgreSQL {}, {} samples\n", findings.version, thousands(samples.len() as u64)));
    let waiting: Vec<String> = waits(samples).iter().map(|(kind, most)| format!("{kind} {most}")).collect();
    if !waiting.is_empty() {
        text.append(format_args!("waiting for, most sessions at once: {}\n", waiting.join(", ")));
    }
    for wait in findings.lock_waits.iter().take(SHOWN) {
        text.append(format_args!(
            "lock wait {} for {} ({}): `{}` behind `{}` ({})\n",
            show_ns(wait.waited_ns),
            wait.lock,
            wait.mode,
            wait.blocked,
            wait.blocker,
            wait.blocker_state
        ));
    }
    for slow in findings.slow.iter().take(SHOWN) {
        text.append(format_args!(
            "slow {}, seen {} times: `{}`\n",
            show_ns(slow.longest_ns),
            slow.count,
            slow.statement
        ));
    }
    for busy in findings.busiest.iter().flatten().take(SHOWN) {
        text.append(format_args!(
            "busiest {} in {} calls, mean {}: `{}`\n",
            show_ns(busy.total_ns.unwrap_or(0)),
            thousands(busy.count),
            show_ns(busy.longest_ns),
            busy.statement
        ));
    }
}

fn redis(text: &mut String, findings: &RedisFindings, samples: &[RedisSample]) {
    text.append(format_args!("Redis {}, {} samples\n", findings.version, thousands(samples.len() as u64)));
    for (key, path) in lists(samples) {
        if let (Some(first), Some(last), Some(most)) = (path.first, path.last, path.most) {
            text.append(format_args!(
                "list {key}: {} at first, {} at most, {} at the end\n",
                thousands(first),
                thousands(most),
                thousands(last)
            ));
        }
    }
    for slow in findings.slow.iter().take(SHOWN) {
        text.append(format_args!("slow {}: `{}`\n", show_ns(slow.took_ns), slow.command));
    }
    for event in findings.latency.iter().flatten().take(SHOWN) {
        text.append(format_args!("latency event {}: longest {}\n", event.event, show_ns(event.longest_ns)));
    }
}
