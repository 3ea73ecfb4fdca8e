//! What the machine under the generator did meanwhile: who else wanted the CPU, what the network lost.
//!
//! Invariant: what the system does not tell is not known, never zero.
//! Absent on purpose: anything per connection. These are the whole machine's figures and say so.

use std::fs;

/// Tasks that wanted a CPU at each look.
#[derive(Debug, Default)]
pub(super) struct Machine {
    retransmits_before: Option<u64>,
    runnable_sum: u64,
    looks: u64,
}

impl Machine {
    /// From here on.
    pub(super) fn watch() -> Self {
        Self { retransmits_before: retransmits(), ..Self::default() }
    }

    /// One look at the run queue.
    pub(super) fn look(&mut self) {
        let loads = fs::read_to_string("/proc/loadavg").ok();
        if let Some(runnable) = loads.as_deref().and_then(parse_runnable) {
            self.runnable_sum += runnable;
            self.looks += 1;
        }
    }

    /// Tasks running or waiting for a CPU on average, the generator's own included.
    pub(super) fn runnable_mean(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.runnable_sum as f64 / self.looks as f64)
    }

    /// TCP segments that were sent again.
    pub(super) fn retransmits(&self) -> Option<u64> {
        Some(retransmits()?.saturating_sub(self.retransmits_before?))
    }
}

fn retransmits() -> Option<u64> {
    parse_retransmits(&fs::read_to_string("/proc/net/snmp").ok()?)
}

/// The value under `RetransSegs`: a line of names, then a line of values.
fn parse_retransmits(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Tcp:"));
    let place = lines.next()?.split_whitespace().position(|name| name == "RetransSegs")?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
}

/// The first half of `2/345`.
fn parse_runnable(loads: &str) -> Option<u64> {
    loads.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_tables_are_read() {
        let snmp =
            "Ip: Forwarding\nIp: 1\nTcp: ActiveOpens RetransSegs InErrs\nTcp: 5 17 0\nUdp: InDatagrams\nUdp: 1\n";
        assert_eq!(parse_retransmits(snmp), Some(17));
        assert_eq!(parse_retransmits("Tcp: ActiveOpens\nTcp: 5\n"), None);
        assert_eq!(parse_runnable("0.20 0.18 0.12 3/345 11206\n"), Some(3));
        assert_eq!(parse_runnable("nonsense"), None);
    }

    #[test]
    fn this_machine_has_somebody_running() {
        let mut machine = Machine::watch();
        machine.look();
        assert!(machine.runnable_mean().is_some_and(|mean| mean >= 1.0));
        assert!(machine.retransmits().is_some());
    }
}
