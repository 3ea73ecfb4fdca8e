//! CPU time of processes with all that they started, living and ended.

use std::fs;

use anyhow::{Context, Result};

use super::fleet::Fleet;

/// The kernel tells CPU time in these, whatever its own clock ticks at.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds of each part.
#[expect(clippy::struct_field_names, reason = "the unit stands last in every name")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) api_s: f64,
    pub(super) postgres_s: f64,
    pub(super) redis_s: f64,
    pub(super) generator_s: f64,
}

impl Spent {
    pub(super) fn less(self, before: Self) -> Self {
        Self {
            api_s: self.api_s - before.api_s,
            postgres_s: self.postgres_s - before.postgres_s,
            redis_s: self.redis_s - before.redis_s,
            generator_s: self.generator_s - before.generator_s,
        }
    }
}

/// What each part has spent so far; the generator tells itself.
pub(super) fn spent(fleet: &Fleet) -> Result<Spent> {
    let all = Stat::all()?;
    let of = |root: u32| family_s(&all, root).with_context(|| format!("process {root} has ended"));
    let mut spent =
        Spent { postgres_s: of(fleet.service.postgres.pid())?, redis_s: of(fleet.redis.pid())?, ..Spent::default() };
    for pid in fleet.pids() {
        spent.api_s += of(pid)?;
    }
    Ok(spent)
}

/// What `/proc/PID/stat` says of one process.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    pid: u32,
    parent: u32,
    own_ticks: u64,
    /// Of children that ended and were waited for.
    ended_ticks: u64,
}

impl Stat {
    fn all() -> Result<Vec<Self>> {
        let entries = fs::read_dir("/proc").context("read /proc; this needs Linux")?;
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        // One that ends in between has no file any more.
        Ok(pids.filter_map(|pid| Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect())
    }

    fn parse(pid: u32, text: &str) -> Option<Self> {
        // The name in brackets may hold anything, brackets too.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            own_ticks: number(11)? + number(12)?,
            ended_ticks: number(13)? + number(14)?,
        })
    }
}

/// CPU seconds of `root` and all below it; `None` when it is not there.
fn family_s(all: &[Stat], root: u32) -> Option<f64> {
    let mut family = vec![*all.iter().find(|stat| stat.pid == root)?];
    let mut next = 0;
    while let Some(parent) = family.get(next).map(|stat| stat.pid) {
        family.extend(all.iter().filter(|stat| stat.parent == parent && stat.pid != root));
        next += 1;
    }
    Some(family.iter().map(|stat| stat.own_ticks + stat.ended_ticks).sum::<u64>() as f64 / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_counts_its_children_the_dead_ones_too() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 100 50 30 20 20 0 1 0 5 6 7";
        let root = Stat::parse(7, line).unwrap();
        assert_eq!(root, Stat { pid: 7, parent: 1, own_ticks: 150, ended_ticks: 50 });
        let child = Stat { pid: 8, parent: 7, own_ticks: 100, ended_ticks: 0 };
        let grandchild = Stat { pid: 9, parent: 8, own_ticks: 50, ended_ticks: 50 };
        let stranger = Stat { pid: 10, parent: 1, own_ticks: 1_000, ended_ticks: 0 };
        assert_eq!(family_s(&[stranger, grandchild, root, child], 7), Some(4.0));
        assert_eq!(family_s(&[stranger], 7), None);
    }

    #[test]
    fn this_process_is_in_the_list() {
        assert!(Stat::all().unwrap().iter().any(|stat| stat.pid == std::process::id()));
    }
}
