//! A cluster's status for people.

use stampede_engine::cluster::{Gate, LinkState, MemberState, ServerRole, Status};
use stampede_model::chaos::HttpWhat;
use stampede_model::units::show_duration;
use stampede_model::units::trimmed;

use crate::print::Append;

/// Everything, passwords included.
pub(super) fn json(status: &Status) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(status)? + "\n")
}

/// What a person wants to see.
pub(super) fn text(status: &Status) -> String {
    let up = show_duration(std::time::Duration::from_millis(status.up_ms / 1_000 * 1_000));
    let mut text = format!("{} at {}, up {up}, held by process {}\n", status.name, status.url, status.process.pid);
    for service in &status.services {
        let at = service.listen.as_ref().map(|listen| format!(" at {listen}")).unwrap_or_default();
        text.append(format_args!("\n{}{at}\n", service.name));
        for member in &service.members {
            let pid = member.process.map_or("-".to_owned(), |process| process.pid.to_string());
            let port = member.port.map_or("-".to_owned(), |port| port.to_string());
            text.append(format_args!(
                "  {:<14} {:<9} pid {pid:<8} port {port:<6} {} connections",
                member.name,
                state(member.state),
                member.connections
            ));
            if let Some(end) = &member.last_end {
                text.append(format_args!(", ended {} times by itself, last {end}", member.ended));
            }
            text.push('\n');
        }
    }
    if !status.servers.is_empty() {
        text.push_str("\nservers\n");
    }
    for server in &status.servers {
        let pid = server.process.map_or("-".to_owned(), |process| process.pid.to_string());
        let role = match server.role {
            None => "",
            Some(ServerRole::Primary) => ", the primary",
            Some(ServerRole::Standby) => ", follows",
            Some(ServerRole::Deposed) => ", was the primary",
        };
        text.append(format_args!(
            "  {:<14} {:<9} pid {pid}{role}\n",
            server.name,
            if server.running { "running" } else { "down" }
        ));
    }
    text.push_str("\nlinks\n");
    for link in &status.links {
        text.append(format_args!(
            "  {:<24} {:>21} -> {:<21} {:>4} connections  {}\n",
            link.name,
            link.listen,
            link.to,
            link.connections,
            disturbance(&link.state)
        ));
    }
    text
}

const fn state(state: MemberState) -> &'static str {
    match state {
        MemberState::Starting => "starting",
        MemberState::Ready => "ready",
        MemberState::Unready => "unready",
        MemberState::Waiting => "waiting",
        MemberState::Down => "down",
        MemberState::Leaving => "leaving",
    }
}

fn disturbance(state: &LinkState) -> String {
    let limits = state.limits;
    let mut words = Vec::new();
    match state.gate {
        Gate::Open => {}
        Gate::Refuse => words.push("cut".to_owned()),
        Gate::Reset => words.push("reset".to_owned()),
    }
    if state.silent.is_some() {
        words.push("silent".to_owned());
    }
    if limits.latency_ms > 0 {
        words.push(format!("{} ms late", limits.latency_ms));
    }
    if limits.jitter_ms > 0 {
        words.push(format!("up to {} ms more", limits.jitter_ms));
    }
    if limits.bytes_per_s > 0 {
        words.push(format!("{} B/s", limits.bytes_per_s));
    }
    if limits.close_ms > 0 {
        words.push(format!("ends {} ms late", limits.close_ms));
    }
    if let Some(trouble) = state.http {
        let share = format!("{} %", trimmed(f64::from(trouble.per_million) / 1e4));
        words.push(match trouble.what {
            HttpWhat::Error(status) => format!("answers {status} to {share}"),
            HttpWhat::NoAnswer => format!("drops {share} of the answers"),
            HttpWhat::Twice => format!("passes {share} on twice"),
        });
    }
    if words.is_empty() { "calm".to_owned() } else { words.join(", ") }
}
