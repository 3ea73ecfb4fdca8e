//! What a process uses, with all that it started: CPU, memory, threads, open files.

use std::fs;
use std::time::Instant;

use serde::Serialize;
use stampede_model::chaos::ProcessId;

use crate::chaos::processes::Everybody;

/// What a process uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessSample {
    /// Its name.
    pub name: String,
    /// Its number.
    pub pid: u32,
    /// Itself and all that it started.
    pub processes: usize,
    /// Cores that were busy with it since the look before; 0 in the first.
    pub cpu_cores: f64,
    /// Memory that is in RAM; pages that several share are counted for each.
    pub resident_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open files and sockets; `None` when they may not be counted.
    pub descriptors: Option<u64>,
}

/// CPU time spent until the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    root: ProcessId,
    last: Option<(Instant, f64)>,
}

impl Spent {
    pub(super) const fn of(root: ProcessId) -> Self {
        Self { root, last: None }
    }

    pub(super) const fn root(&self) -> ProcessId {
        self.root
    }

    pub(super) fn sample(&mut self, name: &str, everybody: &Everybody) -> Option<ProcessSample> {
        let all = everybody.family(self.root);
        if all.is_empty() {
            return None;
        }
        let mut sample = ProcessSample {
            name: name.to_owned(),
            pid: self.root.pid,
            processes: all.len(),
            cpu_cores: 0.0,
            resident_bytes: 0,
            threads: 0,
            descriptors: Some(0),
        };
        let cpu_s = everybody.cpu_seconds(self.root);
        for ProcessId { pid, .. } in all {
            let (resident_bytes, threads) = memory_and_threads(pid).unwrap_or((0, 0));
            sample.resident_bytes += resident_bytes;
            sample.threads += threads;
            sample.descriptors = sample.descriptors.zip(descriptors(pid)).map(|(sum, more)| sum + more);
        }
        let now = Instant::now();
        if let Some((then, before_s)) = self.last {
            let passed_s = now.duration_since(then).as_secs_f64();
            // One that ended took its time with it.
            sample.cpu_cores = if passed_s > 0.0 { (cpu_s - before_s).max(0.0) / passed_s } else { 0.0 };
        }
        self.last = Some((now, cpu_s));
        Some(sample)
    }
}

fn memory_and_threads(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((number("VmRSS:").unwrap_or(0) * 1_024, number("Threads:")?))
}

fn descriptors(pid: u32) -> Option<u64> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::processes::identity;

    #[test]
    fn this_process_uses_something() {
        let mut spent = Spent::of(identity(std::process::id()).unwrap());
        let first = spent.sample("me", &Everybody::now()).unwrap();
        assert!(first.resident_bytes > 1_000_000 && first.threads > 0 && first.descriptors.unwrap() > 2, "{first:?}");
        let mut sum = 0_u64;
        let began = Instant::now();
        while began.elapsed().as_millis() < 100 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(spent.sample("me", &Everybody::now()).unwrap().cpu_cores > 0.0);
        assert!(
            Spent::of(ProcessId { pid: std::process::id(), started: 0 })
                .sample("stranger", &Everybody::now())
                .is_none()
        );
    }
}
