//! What the system says of this process: memory, descriptors, processor time.

use std::fs;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// When this process was first asked, which it does as it starts.
static STARTED: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// The state of the process. What the system does not tell is `None`.
#[derive(Clone, Copy, Debug)]
pub struct ProcessState {
    /// Memory in use.
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// How many may be open; `None` without a limit.
    pub max_fds: Option<u64>,
    /// Processor time of all threads.
    pub cpu: Duration,
    /// The start, in seconds since 1970.
    pub started_unix_s: f64,
}

/// Notes the moment of the start.
pub fn begin() {
    LazyLock::force(&STARTED);
}

/// Looks.
pub fn look() -> ProcessState {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    ProcessState {
        resident_bytes: resident_bytes(),
        open_fds: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
        max_fds: getrlimit(Resource::Nofile).current,
        cpu: Duration::new(cpu.tv_sec.unsigned_abs(), u32::try_from(cpu.tv_nsec).unwrap_or(0)),
        started_unix_s: STARTED.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_all() {
        begin();
        let state = look();
        assert!(state.resident_bytes.unwrap() > 100_000);
        assert!(state.open_fds.unwrap() >= 3);
        assert!(state.started_unix_s > 1_700_000_000.0);
    }
}
