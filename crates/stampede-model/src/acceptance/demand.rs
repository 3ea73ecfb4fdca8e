//! What a row of an acceptance file is called and demands, in words, computed from the numbers it is judged by.

use super::rows::{Extra, FailoverRow, FollowUpRow, MeasuredRow};
use super::{Acceptance, LeakDemand};
use crate::target::{Effort, Ref, Target};
use crate::units::{show_bytes, show_duration, show_percent, trimmed};

impl MeasuredRow {
    /// Its limits.
    pub fn limits(&self, effort: Effort) -> &[Ref] {
        match (effort, &self.quick) {
            (Effort::Quick, Some(quick)) => quick,
            _ => &self.thresholds,
        }
    }
}

impl FollowUpRow {
    /// How many writes.
    pub fn size(&self, effort: Effort) -> u32 {
        match effort {
            Effort::Full => self.jobs,
            Effort::Quick => self.quick,
        }
    }
}

impl Extra<'_> {
    /// The name by which `--only` selects it.
    pub fn id(&self) -> String {
        match self {
            Self::Measured(row) => row.id.as_ref().clone(),
            Self::FollowUp(row) => row.id.as_ref().clone(),
            Self::Recovery(row) => row.id.as_ref().clone(),
            Self::Kept(row) => format!("{}-kept", row.id.as_ref()),
            Self::Vanished(row) => format!("{}-vanished", row.id.as_ref()),
            Self::Command(row) => row.id.as_ref().clone(),
            Self::Connections(_) => "connections".to_owned(),
            Self::Leak(_) => "connection-leak".to_owned(),
            Self::RedisMemory(_) => "redis-memory".to_owned(),
            Self::RedisEvictions(_) => "redis-evictions".to_owned(),
            Self::Queue(_) => "queue-depth".to_owned(),
            Self::Resources(service, _) => format!("resources-{service}"),
            Self::Ends => "oom-kills".to_owned(),
            Self::Logs(_) => "error-logs".to_owned(),
            Self::Uptime(row) => row.id.as_ref().clone(),
        }
    }

    /// The table's first column.
    pub fn test(&self) -> &str {
        match self {
            Self::Measured(row) => &row.test,
            Self::FollowUp(_) => "Jobs",
            Self::Recovery(_) | Self::Kept(_) => "Failover",
            Self::Vanished(_) => "Durability",
            Self::Command(row) => &row.test,
            Self::Connections(_) | Self::Leak(_) => "Database Connections",
            Self::RedisMemory(_) | Self::RedisEvictions(_) => "Redis Memory",
            Self::Queue(_) => "Queue Depth",
            Self::Resources(..) | Self::Ends => "Resource Usage",
            Self::Logs(_) => "Error Logs",
            Self::Uptime(_) => "Uptime",
        }
    }

    /// The second: what is done.
    pub fn metric(&self, acceptance: &Acceptance, target: &Target, effort: Effort) -> String {
        match self {
            Self::Measured(row) => of_load(row, target, effort),
            Self::FollowUp(row) => follow_up(row, effort),
            Self::Recovery(row) => format!("{} replica crash, {} writes/s", row.on.as_ref(), row.rate_per_s),
            Self::Kept(row) => format!("{} replica crash, writes repeated with their key", row.on.as_ref()),
            Self::Vanished(row) => format!("acknowledged writes around the {} crash", row.on.as_ref()),
            Self::Command(row) => row.metric.clone(),
            Self::Connections(_) => "connections of PostgreSQL, the whole run".to_owned(),
            Self::Leak(LeakDemand { together, rounds, .. }) => {
                format!("connections after {rounds} equal bursts of {together}")
            }
            Self::RedisMemory(_) => "memory of Redis, the whole run".to_owned(),
            Self::RedisEvictions(_) => "evicted keys, the whole run".to_owned(),
            Self::Queue(_) => format!("jobs in {}", acceptance.look.queues.join(", ")),
            Self::Resources(service, _) => format!("each replica of {service}, the whole run"),
            Self::Ends => "replicas that ended by themselves".to_owned(),
            Self::Logs(_) => "error lines in the logs of all replicas".to_owned(),
            Self::Uptime(row) => match &row.path {
                Some(path) => format!("GET {path} {}/s, the whole run", row.rate_per_s),
                None => format!("GET {} {}/s, the whole run", target.start.ready.path, row.rate_per_s),
            },
        }
    }

    /// The third: what must come out.
    pub fn demand(&self, effort: Effort) -> String {
        match self {
            Self::Measured(row) => {
                row.limits(effort).iter().map(|limit| limit.as_ref().as_str()).collect::<Vec<_>>().join(", ")
            }
            Self::FollowUp(row) => format!("0 lost, all done < {}", show_duration(row.within)),
            Self::Recovery(FailoverRow { recovery, .. }) => format!("< {} recovery", show_duration(*recovery)),
            Self::Kept(row) => format!("0 failed, each done < {}", show_duration(row.kept_within)),
            Self::Vanished(_) => "0 vanished, 0 doubled".to_owned(),
            Self::Command(row) => row.target.clone(),
            Self::Connections(demand) => format!("<= {} (the pools together)", demand.most),
            Self::Leak(_) => "no growth from burst to burst".to_owned(),
            Self::RedisMemory(demand) => format!("< {}", show_bytes(demand.memory.0)),
            Self::RedisEvictions(_) => "0 evicted".to_owned(),
            Self::Queue(demand) => format!("empty < {} after the load", show_duration(demand.drained_within)),
            Self::Resources(_, limits) => {
                format!("CPU < {} cores, memory < {}", trimmed(limits.cpu_cores), show_bytes(limits.memory.0))
            }
            Self::Ends => "0, killed for want of memory or otherwise".to_owned(),
            Self::Logs(_) => "0 unexpected".to_owned(),
            Self::Uptime(row) => format!(">= {}", show_percent(row.share)),
        }
    }
}

fn of_load(row: &MeasuredRow, target: &Target, effort: Effort) -> String {
    let rows = target.rows();
    let load = rows.iter().find(|load| load.id() == row.of.as_ref());
    load.map_or_else(|| row.of.as_ref().clone(), |load| load.metric(target, effort))
}

fn follow_up(row: &FollowUpRow, effort: Effort) -> String {
    let jobs = row.size(effort);
    match &row.kill {
        Some(service) => format!("{jobs} jobs, a {} replica killed in the midst", service.as_ref()),
        None => format!("{jobs} jobs"),
    }
}
