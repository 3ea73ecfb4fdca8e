//! What tools and servers said second by second.
//!
//! Invariant: a tool's seconds count from its own start, those of the server from the start of the run, and the titles say
//! which; they are not put on one axis.

use maud::{Markup, html};
use stampede_model::stress::postgres::PostgresSample;
use stampede_model::stress::redis::{RedisSample, lists};
use stampede_model::stress::{StressRun, ToolRecord, Unit};
use stampede_model::units::show_ns;

use super::lines::{Chart, Ground, LOOKS, Reach, draw, ground, plain};
use super::moments::{axis, largest, per_s};
use crate::html::chart::short_ns;
use crate::slices::Axis;
use crate::stress::samples;
use crate::words;

pub(super) fn charts(id: &str, run: &StressRun) -> Option<Markup> {
    let (of_postgres, of_redis) = samples(run);
    let mut all: Vec<Markup> =
        run.tools.iter().enumerate().flat_map(|(place, tool)| of_tool(&format!("{id}-tool-{place}"), tool)).collect();
    let mut server = |moments: Vec<u64>, charts: &dyn Fn(Axis, &Ground<'_>) -> Vec<Markup>| {
        if let Some(axis) = axis(&moments, run.elapsed_ns) {
            let (x, slices) = ground(axis);
            all.extend(charts(axis, &Ground { id, x: &x, head: "from", slices: &slices, marks: &[] }));
        }
    };
    server(of_postgres.iter().map(|look| look.at_ns).collect(), &|axis, ground| postgres(axis, ground, &of_postgres));
    server(of_redis.iter().map(|look| look.at_ns).collect(), &|axis, ground| redis(axis, ground, &of_redis));
    (!all.is_empty()).then(|| html! { div.pair { @for chart in &all { (chart) } } })
}

/// The charts of what a tool said of its seconds: each figure that has a rate or a time.
fn of_tool(id: &str, tool: &ToolRecord) -> Vec<Markup> {
    // A tool speaks at the end of a second, of what lies behind.
    let moments: Vec<u64> = tool.series.iter().map(|second| second.at_ns.saturating_sub(1)).collect();
    let Some(axis) = axis(&moments, 0) else { return Vec::new() };
    let (x, slices) = ground(axis);
    let ground = Ground { id, x: &x, head: "from", slices: &slices, marks: &[] };
    let name = words::plain(&tool.tool);
    let of = |figure: &str| {
        let said = tool.series.iter().zip(&moments).filter_map(|(second, at_ns)| {
            let found = second.figures.iter().find(|one| one.name == figure)?;
            Some((*at_ns, found.value))
        });
        largest(axis, said)
    };
    let title = format!("Transactions per second, by {name}'s own clock");
    let rate = Chart {
        kind: "tps",
        title: &title,
        says: format!("Transactions per second that {name} counted, in seconds after its start"),
        short: plain,
        long: |value| format!("{value:.1}"),
        series: vec![("transactions/s", of("tps"))],
        scale: Reach::FromZero,
    };
    let title = format!("Latency, by {name}'s own clock");
    let latency = Chart {
        kind: "latency",
        title: &title,
        says: format!("Mean latency of a transaction that {name} measured, and its deviation"),
        short: short_ns,
        long: |ns| show_ns(ns as u64),
        series: vec![("mean", of("latency")), ("deviation", of("latency.stddev"))],
        scale: Reach::FromZero,
    };
    [rate, latency].iter().filter_map(|chart| draw(&ground, chart)).collect()
}

fn postgres(axis: Axis, ground: &Ground<'_>, looks: &[PostgresSample]) -> Vec<Markup> {
    let gauge =
        |pick: &dyn Fn(&PostgresSample) -> f64| largest(axis, looks.iter().map(|look| (look.at_ns, pick(look))));
    let counter = |pick: fn(&PostgresSample) -> u64| per_s(axis, looks.iter().map(|look| (look.at_ns, pick(look))));
    let waiting = |kind: &str| gauge(&|look| f64::from(look.waiting.get(kind).copied().unwrap_or(0)));
    let others = |look: &PostgresSample| {
        let all = look.waiting.iter().filter(|(kind, _)| !matches!(kind.as_str(), "Lock" | "LWLock" | "IO"));
        all.map(|(_, count)| f64::from(*count)).sum()
    };
    let chart = |kind, title, says: &str, series| Chart {
        kind,
        title,
        says: says.to_owned(),
        short: plain,
        long: plain,
        series,
        scale: Reach::FromZero,
    };
    let sessions = vec![
        ("connections", gauge(&|look| look.connections.into())),
        ("running a statement", gauge(&|look| look.active.into())),
        ("idle in a transaction", gauge(&|look| look.idle_in_transaction.into())),
        ("allowed", gauge(&|look| look.connections_max.into())),
    ];
    let waits = vec![
        ("Lock", waiting("Lock")),
        ("LWLock", waiting("LWLock")),
        ("IO", waiting("IO")),
        ("others", gauge(&others)),
    ];
    let ends = vec![("committed", counter(|look| look.committed)), ("rolled back", counter(|look| look.rolled_back))];
    let blocks =
        vec![("from shared buffers", counter(|look| look.blocks_hit)), ("read", counter(|look| look.blocks_read))];
    let oldest = Chart {
        short: short_ns,
        long: |ns| show_ns(ns as u64),
        ..chart(
            "oldest",
            "Oldest transaction",
            "Age of the oldest transaction at each look",
            vec![("age", gauge(&|look| look.longest_transaction_ns as f64))],
        )
    };
    let charts = [
        chart(
            "sessions",
            "Sessions",
            "Client sessions of the server and what they did, the most in each slice",
            sessions,
        ),
        chart(
            "waits",
            "Running sessions that wait, by what for",
            "Sessions that waited, the most in each slice",
            waits,
        ),
        chart(
            "commits",
            "Transactions per second, as the server reports them",
            "Transactions that ended, per second",
            ends,
        ),
        oldest,
        chart("blocks", "Blocks per second", "Blocks found in shared buffers and read, per second", blocks),
    ];
    charts.iter().filter_map(|chart| draw(ground, chart)).collect()
}

fn redis(axis: Axis, ground: &Ground<'_>, looks: &[RedisSample]) -> Vec<Markup> {
    let gauge = |pick: &dyn Fn(&RedisSample) -> f64| largest(axis, looks.iter().map(|look| (look.at_ns, pick(look))));
    let counter = |pick: fn(&RedisSample) -> u64| per_s(axis, looks.iter().map(|look| (look.at_ns, pick(look))));
    let chart = |kind, title, says: &str, series| Chart {
        kind,
        title,
        says: says.to_owned(),
        short: plain,
        long: plain,
        series,
        scale: Reach::FromZero,
    };
    let bytes = |bytes: f64| Unit::Bytes.show(bytes.round());
    let mut memory = vec![("used", gauge(&|look| look.used_memory_bytes as f64))];
    // 0 is no limit.
    if looks.iter().any(|look| look.max_memory_bytes > 0) {
        memory.push(("allowed", gauge(&|look| look.max_memory_bytes as f64)));
    }
    let memory = Chart { short: bytes, long: bytes, ..chart("memory", "Memory", "Memory of the data", memory) };
    let clients = vec![
        ("connected", gauge(&|look| look.connected_clients as f64)),
        ("blocked", gauge(&|look| look.blocked_clients as f64)),
    ];
    let lost = vec![
        ("evicted keys", counter(|look| look.evicted_keys)),
        ("rejected connections", counter(|look| look.rejected_connections)),
    ];
    let looked = vec![("hits", counter(|look| look.keyspace_hits)), ("misses", counter(|look| look.keyspace_misses))];
    let named: Vec<(String, String)> =
        lists(looks).into_keys().take(LOOKS.len()).map(|key| (words::plain(&key).into_owned(), key)).collect();
    let length = |key: &String| {
        let known = looks.iter().filter_map(|look| Some((look.at_ns, look.lists.get(key).copied().flatten()? as f64)));
        largest(axis, known)
    };
    // One series alone has no legend to name it.
    let title = match named.as_slice() {
        [(shown, _)] => format!("Length of the list {shown}"),
        _ => "Length of the watched lists".to_owned(),
    };
    let queues = named.iter().map(|(shown, key)| (shown.as_str(), length(key))).collect();
    let charts = [
        chart(
            "ops",
            "Commands per second",
            "Commands per second by Redis' own measure",
            vec![("commands/s", gauge(&|look| look.ops_per_s as f64))],
        ),
        memory,
        chart("clients", "Clients", "Clients connected and those in a blocking command", clients),
        chart("keyspace", "Look-ups per second", "Look-ups that found their key and that did not, per second", looked),
        chart("lost", "Lost per second", "Keys evicted and connections refused, per second", lost),
        chart("lists", &title, "The first lists that were watched, their length", queues),
    ];
    charts.iter().filter_map(|chart| draw(ground, chart)).collect()
}
