//! What was seen of a system from beside during a whole run, and whether it kept its limits.
//!
//! Invariants: nothing is judged that was not looked at, and a look that failed too often is no pass; memory does not grow with the
//! run.

use std::collections::{BTreeMap, VecDeque};

use super::crash::ruling;
use super::{Findings, Ruling, Verdict};
use crate::acceptance::{Bytes, Limits};
use crate::logs::LogGroup;
use crate::stress::postgres::PostgresSample;
use crate::stress::redis::RedisSample;
use crate::units::{show_bytes, show_ns, show_percent, thousands, trimmed};

/// Of the looks at a server so many may fail.
const MISSED_MOST: f64 = 0.2;
/// CPU is told over so long: a moment's burst is no trouble.
const CPU_WINDOW_MS: i64 = 5_000;

/// What was seen of one server or sort of thing: how often it was looked at, and how often in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Looks that saw it.
    pub seen: u64,
    /// Looks that did not.
    pub missed: u64,
}

impl Looks {
    /// Why what was seen says nothing.
    fn doubt(self, what: &str) -> Option<String> {
        let all = self.seen + self.missed;
        if self.seen == 0 {
            return Some(format!("{what} was never seen"));
        }
        let too_often = self.missed as f64 > MISSED_MOST * all as f64;
        too_often.then(|| format!("{} of {} looks at {what} failed", thousands(self.missed), thousands(all)))
    }
}

/// What a replica used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplicaUse {
    /// Most memory.
    pub memory_bytes: u64,
    /// Most cores over [`CPU_WINDOW_MS`].
    pub cpu_cores: f64,
    looks: u64,
    window: VecDeque<(i64, f64)>,
}

impl ReplicaUse {
    /// Takes a look in.
    pub fn take(&mut self, at_unix_ms: i64, (cpu_cores, memory_bytes): (f64, u64)) {
        self.looks += 1;
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
        self.window.push_back((at_unix_ms, cpu_cores));
        while self.window.front().is_some_and(|(at, _)| at_unix_ms - at > CPU_WINDOW_MS) {
            self.window.pop_front();
        }
        let whole = self.window.front().is_some_and(|(at, _)| at_unix_ms - at >= CPU_WINDOW_MS * 4 / 5);
        if whole {
            let mean = self.window.iter().map(|(_, cores)| cores).sum::<f64>() / self.window.len() as f64;
            self.cpu_cores = self.cpu_cores.max(mean);
        }
    }
}

/// The whole course.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// Looks at PostgreSQL.
    pub postgres: Looks,
    /// Most connections at once, and what the server allows.
    pub connections: (u32, u32),
    /// Looks at Redis.
    pub redis: Looks,
    /// Most memory, and Redis's own `maxmemory`, 0 for none.
    pub redis_memory: (u64, u64),
    /// Keys that were evicted.
    pub evicted: u64,
    /// Most jobs that waited in each queue, and how many at the last look.
    pub queues: BTreeMap<String, (u64, u64)>,
    /// When all queues were empty, counted from the last request; `None` when they were not in time.
    pub drained_after_ns: Option<u64>,
    /// Each replica, by service and name.
    pub replicas: BTreeMap<(String, String), ReplicaUse>,
    /// Replicas that ended without being killed by the bench, with how.
    pub ended: Vec<(String, String)>,
    /// Processes that the kernel killed for want of memory meanwhile, on the whole machine.
    pub oom_kills: u64,
    /// Errors in the logs, and lines that found no room among them.
    pub errors: (Vec<LogGroup>, u64),
    /// Lines of logs that were read.
    pub log_lines: u64,
}

impl Course {
    /// Takes a look at PostgreSQL in; `None` is one that failed.
    pub fn take_postgres(&mut self, sample: Option<&PostgresSample>) {
        let Some(sample) = sample else {
            self.postgres.missed += 1;
            return;
        };
        self.postgres.seen += 1;
        self.connections = (self.connections.0.max(sample.connections), sample.connections_max);
    }

    /// Takes a look at Redis in; its counters count from the first look.
    pub fn take_redis(&mut self, sample: Option<&RedisSample>) {
        let Some(sample) = sample else {
            self.redis.missed += 1;
            return;
        };
        self.redis.seen += 1;
        self.redis_memory = (self.redis_memory.0.max(sample.used_memory_bytes), sample.max_memory_bytes);
        self.evicted = self.evicted.max(sample.evicted_keys);
        for (list, length) in &sample.lists {
            let queue = self.queues.entry(list.clone()).or_default();
            let length = length.unwrap_or(0);
            *queue = (queue.0.max(length), length);
        }
    }

    /// Takes a look at a replica's processes in.
    pub fn take_replica(&mut self, (service, name): (&str, &str), at_unix_ms: i64, used: (f64, u64)) {
        self.replicas.entry((service.to_owned(), name.to_owned())).or_default().take(at_unix_ms, used);
    }

    /// Whether connections stayed within the pools.
    pub fn judge_connections(&self, most: u32) -> Ruling {
        let (used, allowed) = self.connections;
        let figure = format!("at most {used} of {allowed}");
        if used > most {
            return violated(figure, format!("{used} connections at once, the pools together are {most}"));
        }
        doubt_or_pass(self.postgres.doubt("PostgreSQL"), figure)
    }

    /// Whether Redis stayed below its limit.
    pub fn judge_redis_memory(&self, Bytes(most): Bytes) -> Ruling {
        let (used, own) = self.redis_memory;
        let limit = if own > 0 { most.min(own) } else { most };
        let figure = format!("at most {}", show_bytes(used));
        if used >= limit {
            return missed(figure, format!("{} of {} were in use", show_bytes(used), show_bytes(limit)));
        }
        doubt_or_pass(self.redis.doubt("Redis"), figure)
    }

    /// Whether Redis kept all keys.
    pub fn judge_evictions(&self) -> Ruling {
        let figure = format!("{} evicted", thousands(self.evicted));
        if self.evicted > 0 {
            let why =
                format!("Redis evicted {} keys: locks, limits or jobs may be among them", thousands(self.evicted));
            return violated(figure, why);
        }
        doubt_or_pass(self.redis.doubt("Redis"), figure)
    }

    /// Whether the queues were worked off in time.
    pub fn judge_queues(&self, within_ns: u64) -> Ruling {
        let most: u64 = self.queues.values().map(|(most, _)| most).sum();
        let left: Vec<String> = self
            .queues
            .iter()
            .filter(|(_, (_, last))| *last > 0)
            .map(|(name, (_, last))| format!("{name} {last}"))
            .collect();
        let empty = self.drained_after_ns.map_or("never".to_owned(), |ns| format!("{} after the load", show_ns(ns)));
        let figure = format!("at most {} at once, empty {empty}", thousands(most));
        if let Some(doubt) = self.redis.doubt("Redis") {
            return ruling(Verdict::Unknown, figure, vec![doubt]);
        }
        match self.drained_after_ns {
            Some(ns) if ns < within_ns => ruling(Verdict::Pass, figure, Vec::new()),
            Some(ns) => missed(figure, format!("the queues were empty only after {}", show_ns(ns))),
            None => missed(figure, format!("jobs wait though nobody asks any more: {}", left.join(", "))),
        }
    }

    /// Whether each replica of a service stayed below its limits.
    pub fn judge_resources(&self, service: &str, limits: &Limits) -> Ruling {
        let replicas =
            || self.replicas.iter().filter(|((of, _), _)| of == service).map(|((_, name), used)| (name, used));
        let memory = replicas().map(|(_, used)| used.memory_bytes).max().unwrap_or(0);
        let cpu = replicas().map(|(_, used)| used.cpu_cores).fold(0.0, f64::max);
        let figure = format!("CPU at most {cpu:.2} cores, memory {}", show_bytes(memory));
        if replicas().all(|(_, used)| used.looks == 0) {
            return ruling(Verdict::Unknown, figure, vec![format!("no replica of {service} was seen")]);
        }
        let mut over = Vec::new();
        for (name, used) in replicas() {
            if used.memory_bytes >= limits.memory.0 {
                over.push(format!("{name} used {} of {}", show_bytes(used.memory_bytes), show_bytes(limits.memory.0)));
            }
            if used.cpu_cores >= limits.cpu_cores {
                over.push(format!("{name} used {:.2} cores of {}", used.cpu_cores, trimmed(limits.cpu_cores)));
            }
        }
        let verdict = if over.is_empty() { Verdict::Pass } else { Verdict::Missed };
        ruling(verdict, figure, over)
    }

    /// Whether every replica lived as long as it was let.
    pub fn judge_ends(&self) -> Ruling {
        let figure = format!("{} ended by themselves, {} killed for want of memory", self.ended.len(), self.oom_kills);
        let oom = if self.oom_kills > 0 { "; the kernel killed for want of memory meanwhile" } else { "" };
        let evidence: Vec<String> = self.ended.iter().map(|(name, how)| format!("{name} ended: {how}{oom}")).collect();
        // What the kernel kills elsewhere on the machine is not this system's doing.
        let verdict = if evidence.is_empty() { Verdict::Pass } else { Verdict::Missed };
        ruling(verdict, figure, evidence)
    }

    /// Whether the logs are free of errors.
    pub fn judge_logs(&self) -> Ruling {
        let (groups, left_out) = &self.errors;
        let errors = groups.iter().map(|group| group.count).sum::<u64>() + left_out;
        let figure = format!("{} in {} lines", thousands(errors), thousands(self.log_lines));
        let tell = |group: &LogGroup| {
            let of: Vec<String> = group.of.iter().map(|(name, count)| format!("{name} {count}")).collect();
            format!("{} times ({}): {}; the last: {}", group.count, of.join(", "), group.message, group.last)
        };
        let evidence: Vec<String> = groups.iter().take(5).map(tell).collect();
        let verdict = if errors == 0 { Verdict::Pass } else { Verdict::Missed };
        Ruling { verdict, figure, reason: evidence.first().cloned().unwrap_or_default(), evidence }
    }
}

/// Connections after each of several equal bursts.
#[derive(Clone, Debug, Default)]
pub struct Bursts {
    /// Connections when all was quiet again, before the first burst and after each.
    pub levels: Vec<u32>,
    /// Requests of bursts, and those that were not answered well.
    pub asked: u64,
    /// With the last answer.
    pub failed: (u64, String),
}

/// Whether connections come back: a pool is filled once and stays, a leak grows with every burst.
pub fn judge_leak(bursts: &Bursts) -> Ruling {
    let levels: Vec<String> = bursts.levels.iter().map(ToString::to_string).collect();
    let figure = levels.join(", ");
    let (failed, last) = &bursts.failed;
    if *failed > 0 {
        let why =
            format!("{failed} of {} requests of the bursts were not answered well, the last: {last}", bursts.asked);
        return missed(figure, why);
    }
    // The first burst may fill pools.
    let after: &[u32] = bursts.levels.get(1..).unwrap_or_default();
    if after.len() < 2 {
        return ruling(Verdict::Unknown, figure, vec!["fewer than two bursts were seen".to_owned()]);
    }
    let grows = after.windows(2).all(|pair| pair[0] < pair[1]);
    if grows {
        let why = format!("every one of {} equal bursts left connections open: {}", after.len(), levels.join(", "));
        return violated(figure, why);
    }
    ruling(Verdict::Pass, figure, Vec::new())
}

/// Answers to the question that was asked throughout.
#[derive(Clone, Debug, Default)]
pub struct Uptime {
    /// How often it was asked.
    pub asked: u64,
    /// How often it was not answered well.
    pub failed: u64,
    /// The longest time without a good answer.
    pub longest_dark_ns: u64,
    /// The first few failures.
    pub failures: Vec<String>,
}

/// Whether the system was there for long enough.
pub fn judge_uptime(seen: &Uptime, share: f64) -> Ruling {
    let good = seen.asked - seen.failed.min(seen.asked);
    let up = if seen.asked == 0 { 0.0 } else { good as f64 / seen.asked as f64 };
    let figure = format!(
        "{} of {} ({}), longest gap {}",
        thousands(good),
        thousands(seen.asked),
        show_percent(up),
        show_ns(seen.longest_dark_ns)
    );
    if up < share && seen.failed > 0 {
        return ruling(Verdict::Missed, figure, seen.failures.clone());
    }
    // With one failure in a thousand allowed, a hundred good answers prove nothing.
    let least = if share < 1.0 { (1.0 / (1.0 - share)).ceil() as u64 } else { 1 };
    if seen.asked < least {
        let why = format!("{} answers cannot show {}: at least {least} are needed", seen.asked, show_percent(share));
        return ruling(Verdict::Unknown, figure, vec![why]);
    }
    ruling(Verdict::Pass, figure, Vec::new())
}

fn violated(figure: String, why: String) -> Ruling {
    let mut findings = Findings::default();
    findings.violation(why);
    findings.conclude(figure)
}

fn missed(figure: String, why: String) -> Ruling {
    ruling(Verdict::Missed, figure, vec![why])
}

fn doubt_or_pass(doubt: Option<String>, figure: String) -> Ruling {
    match doubt {
        Some(doubt) => ruling(Verdict::Unknown, figure, vec![doubt]),
        None => ruling(Verdict::Pass, figure, Vec::new()),
    }
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
