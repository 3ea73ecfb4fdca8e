//! What the generator asks of its own process: open files, CPU time.
//!
//! Invariant: nothing here changes anything but the soft limit of open files, and that only upwards.

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Raises the soft limit of open files to the hard limit and returns the limit in force; `u64::MAX` means none.
///
/// A refusal is not an error: the old limit stays and is returned.
pub(crate) fn raise_open_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let in_force = if setrlimit(Resource::Nofile, limit).is_ok() { limit.current } else { before };
    in_force.unwrap_or(u64::MAX)
}

/// CPU time of the calling thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    spent_ns(ClockId::ThreadCPUTime)
}

/// CPU time of the whole process in nanoseconds.
pub(crate) fn process_cpu_ns() -> u64 {
    spent_ns(ClockId::ProcessCPUTime)
}

fn spent_ns(clock: ClockId) -> u64 {
    let spent = clock_gettime(clock);
    u64::try_from(spent.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(spent.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_cpu_time() {
        let before = thread_cpu_ns();
        let mut sum = 0_u64;
        while thread_cpu_ns() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(thread_cpu_ns() > before);
    }

    #[test]
    fn the_limit_ends_no_lower_than_it_was() {
        let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(raise_open_files() >= before);
    }
}
