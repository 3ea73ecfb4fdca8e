//! What speaks against trusting this machine, and what else is worth knowing of it.
//!
//! Invariant: what the system does not say raises neither.

use stampede_model::units::{show_ns, thousands, trimmed};

use crate::doctor::bench::Counted;
use crate::doctor::ceiling::Ceiling;
use crate::doctor::machine::Machine;
use crate::doctor::stall::Stall;

/// Part of all CPU time used by others from which it is mentioned.
const BUSY_SHARE: f64 = 0.1;
/// Free local ports below which it is mentioned.
const FEW_PORTS: u64 = 5_000;
/// Open files below which it is mentioned.
const FEW_FILES: u64 = 4_096;
/// A reading of the clock above this is mentioned: there are half a dozen in a request.
const SLOW_CLOCK_NS: f64 = 250.0;
/// Why measurements on this machine cannot be trusted.
pub(in crate::doctor) fn doubts(ceiling: Option<&Ceiling>, stall: Option<&Stall>) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(ceiling) = ceiling {
        if let Some(first) = ceiling.probes.first() {
            let rate = thousands(first.asked_per_s.into());
            doubts.extend(first.doubts.iter().map(|doubt| format!("at {rate}/s: {doubt}")));
        }
        let counted = ceiling.probes.iter().map(|probe| ("a rate", probe.counted));
        doubts.extend([("the closed loop", ceiling.closed.counted)].into_iter().chain(counted).filter_map(miscount));
    }
    if let Some(stall) = stall {
        if !stall.is_seen() {
            let p99 = show_ns(stall.intent.p99_ns);
            doubts.push(format!(
                "the server stood still for 2 s in 10 s, but p99 from the intended start is {p99}, not 1.7 to 2.0 s"
            ));
        }
        doubts.extend(miscount(("the stall", stall.counted)));
    }
    doubts
}

fn miscount((what, counted): (&str, Counted)) -> Option<String> {
    let Counted { by_generator, by_server, .. } = counted;
    (!counted.agrees()).then(|| {
        format!(
            "{what}: the generator counted {} answers, the server {}",
            thousands(by_generator),
            thousands(by_server)
        )
    })
}

/// What is worth knowing of the machine.
pub(in crate::doctor) fn remarks(machine: &Machine) -> Vec<String> {
    let mut remarks = Vec::new();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    if let Some(share) = machine.busy_share.filter(|share| *share >= BUSY_SHARE) {
        remarks.push(format!(
            "other programs use {} of the CPU: figures will be worse than the machine's own",
            percent(share)
        ));
    }
    if let Some(share) = machine.stolen_share.filter(|share| *share >= 0.02) {
        remarks.push(format!("the hypervisor takes {} of the CPU away", percent(share)));
    }
    if let Some(cores) = machine.cgroup_cores.filter(|cores| *cores < f64::from(machine.cores)) {
        remarks.push(format!(
            "the control group grants {} of {} cores: bursts will be throttled",
            trimmed(cores),
            machine.cores
        ));
    }
    if machine.cores == 1 {
        remarks.push("there is one core: a server on this machine and the generator take turns".to_owned());
    }
    if let Some(files) = machine.open_files_hard.filter(|files| *files < FEW_FILES) {
        remarks.push(format!("at most {} connections: raise the hard limit with ulimit -Hn", thousands(files)));
    }
    let free = machine.ports.zip(machine.ports_used).map(|(all, used)| all.saturating_sub(used));
    if let Some(free) = free.filter(|free| *free < FEW_PORTS) {
        remarks.push(format!(
            "{} local ports are free: a new connection for every request will run out of them",
            thousands(free)
        ));
    }
    if machine.clock_read_ns > SLOW_CLOCK_NS {
        remarks.push(format!(
            "reading the clock costs {}: CPU per request is higher for it",
            show_ns(machine.clock_read_ns as u64)
        ));
    }
    remarks
}
