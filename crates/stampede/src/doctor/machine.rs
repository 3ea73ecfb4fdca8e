//! What the machine is, as far as a generator cares: cores, limits, ports, clock, and who else uses it.
//!
//! Invariant: it only looks. What this system does not tell is `None` and shown as a dash, never a guess.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How long other programs' use of the CPU is watched.
const WATCHED: Duration = Duration::from_millis(500);
/// Readings of the clock for one figure of its cost.
const CLOCK_READS: u32 = 20_000;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    /// Cores this process may use.
    pub(super) cores: u32,
    /// Cores the control group grants, when it limits them.
    pub(super) cgroup_cores: Option<f64>,
    /// Part of all cores' time that others used while this process slept, 0 to 1.
    pub(super) busy_share: Option<f64>,
    /// Part that the hypervisor took away in that time, 0 to 1.
    pub(super) stolen_share: Option<f64>,
    /// The system's load over the last minute.
    pub(super) load_1m: Option<f64>,
    /// Tasks that ran or wanted to when this was looked at, this one included.
    pub(super) runnable: Option<u64>,
    /// Open files this process was given; `None` without a limit.
    pub(super) open_files_soft: Option<u64>,
    /// Open files it may ask for, and does before a run.
    pub(super) open_files_hard: Option<u64>,
    /// Local ports for connections to one server.
    pub(super) ports: Option<u64>,
    /// Those that sockets hold now, closing ones included.
    pub(super) ports_used: Option<u64>,
    /// What the clock is made of.
    pub(super) clock_source: Option<String>,
    /// Cost of reading the clock, in nanoseconds.
    pub(super) clock_read_ns: f64,
}

impl Machine {
    /// Looks at the machine; takes half a second.
    pub(super) fn look() -> Self {
        let before = CpuTimes::read();
        std::thread::sleep(WATCHED);
        let spent = CpuTimes::read().zip(before).map(|(after, before)| after.since(before));
        let load = text("/proc/loadavg");
        let files = text("/proc/self/limits");
        let ports = text("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| port_range(&text));
        Self {
            cores: std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1)),
            cgroup_cores: cgroup_cores(),
            busy_share: spent.map(|spent| spent.share(spent.busy)),
            stolen_share: spent.map(|spent| spent.share(spent.stolen)),
            load_1m: load.as_deref().and_then(|load| load.split(' ').next()?.parse().ok()),
            runnable: load.as_deref().and_then(|load| load.split(' ').nth(3)?.split_once('/')?.0.parse().ok()),
            open_files_soft: files.as_deref().and_then(|files| open_files(files, 0)),
            open_files_hard: files.as_deref().and_then(|files| open_files(files, 1)),
            ports: ports.map(|(low, high)| u64::from(high - low) + 1),
            ports_used: ports.map(used_ports),
            clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|text| text.trim().to_owned()),
            clock_read_ns: clock_read_ns(),
        }
    }
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// CPU time of all cores, in the system's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTimes {
    all: u64,
    busy: u64,
    stolen: u64,
}

impl CpuTimes {
    fn read() -> Option<Self> {
        Self::parse(&text("/proc/stat")?)
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests used is already in user.
        let ticks: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = ticks[..] else { return None };
        let busy = user + nice + system + irq + softirq;
        Some(Self { all: busy + idle + iowait + stolen, busy, stolen })
    }

    fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            busy: self.busy.saturating_sub(before.busy),
            stolen: self.stolen.saturating_sub(before.stolen),
        }
    }

    fn share(self, part: u64) -> f64 {
        if self.all == 0 { 0.0 } else { part as f64 / self.all as f64 }
    }
}

/// The tightest limit from this process's control group up to the root.
fn cgroup_cores() -> Option<f64> {
    let root = Path::new("/sys/fs/cgroup");
    let groups = text("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut folder: PathBuf = root.join(own);
    let mut tightest: Option<f64> = None;
    loop {
        if let Some(cores) = text(folder.join("cpu.max")).as_deref().and_then(cpu_max) {
            tightest = Some(tightest.map_or(cores, |before| before.min(cores)));
        }
        if folder == root || !folder.pop() {
            return tightest;
        }
    }
}

/// Cores by a group's `cpu.max`, such as `150000 100000`; `None` for `max`.
fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// Column 0 is the soft limit, 1 the hard one; `None` when unlimited.
fn open_files(limits: &str, column: usize) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(column)?.parse().ok()
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let mut ends = text.split_whitespace().map(str::parse);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    (low <= high).then_some((low, high))
}

fn used_ports((low, high): (u16, u16)) -> u64 {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].into_iter().filter_map(text);
    let mut used: Vec<u16> = tables.flat_map(|table| local_ports(&table)).collect();
    used.retain(|port| (low..=high).contains(port));
    used.sort_unstable();
    used.dedup();
    used.len() as u64
}

fn local_ports(table: &str) -> Vec<u16> {
    let port = |line: &str| u16::from_str_radix(line.split_whitespace().nth(1)?.rsplit_once(':')?.1, 16).ok();
    table.lines().skip(1).filter_map(port).collect()
}

/// The median of several batches, so that one interruption does not count.
fn clock_read_ns() -> f64 {
    let mut batches = [0.0; 9];
    for batch in &mut batches {
        let before = Instant::now();
        for _ in 0..CLOCK_READS {
            black_box(Instant::now());
        }
        *batch = before.elapsed().as_nanos() as f64 / f64::from(CLOCK_READS);
    }
    batches.sort_unstable_by(f64::total_cmp);
    batches[batches.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_used_is_the_difference_of_two_looks() {
        let before = CpuTimes::parse("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1\n").unwrap();
        let after = CpuTimes::parse("cpu  140 0 110 940 0 0 0 10 0 0\n").unwrap();
        let spent = after.since(before);
        assert_eq!(spent, CpuTimes { all: 200, busy: 50, stolen: 10 });
        assert!((spent.share(spent.busy) - 0.25).abs() < 1e-9);
        assert_eq!(CpuTimes::parse("intr 5"), None);
    }

    #[test]
    fn limits_are_read_as_the_system_writes_them() {
        assert_eq!(cpu_max("150000 100000\n"), Some(1.5));
        assert_eq!(cpu_max("max 100000\n"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!((open_files(limits, 0), open_files(limits, 1)), (Some(1_024), Some(524_288)));
        assert_eq!(open_files("Max open files  unlimited unlimited files\n", 0), None);
        assert_eq!(port_range("32768\t60999\n"), Some((32_768, 60_999)));
        assert_eq!(port_range("5 4"), None);
    }

    #[test]
    fn ports_in_use_are_the_local_ones() {
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:ABCD 0100007F:1F90 06\n   1: 00000000:1F90 00000000:0000 0A\n";
        assert_eq!(local_ports(table), [0xABCD, 0x1F90]);
    }

    #[test]
    fn this_machine_has_cores_and_a_clock() {
        let machine = Machine::look();
        assert!(machine.cores >= 1 && machine.clock_read_ns > 0.0);
        assert!(machine.ports_used <= machine.ports, "{machine:?}");
    }
}
