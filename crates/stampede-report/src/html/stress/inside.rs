//! What was seen inside PostgreSQL and Redis: waits, slow statements, lists.

use maud::{Markup, html};
use stampede_model::stress::StressRun;
use stampede_model::stress::postgres::{LockWait, PostgresFindings, PostgresSample, SlowStatement, waits};
use stampede_model::stress::redis::{RedisFindings, RedisSample, lists};
use stampede_model::units::{show_ns, thousands};

use crate::html::time::moment;
use crate::stress::samples;
use crate::words::plain;

/// Lists that are shown.
const MOST_LISTS: usize = 50;

pub(super) fn show(run: &StressRun) -> Option<Markup> {
    let (of_postgres, of_redis) = samples(run);
    let something = run.postgres.is_some() || run.redis.is_some();
    something.then(|| {
        html! {
            @if let Some(findings) = &run.postgres { (postgres(findings, &of_postgres)) }
            @if let Some(findings) = &run.redis { (redis(findings, &of_redis, run.samples.len())) }
        }
    })
}

/// A table whose last column is a text of any length.
fn table(heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll {
            table.said {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
            }
        }
    }
}

fn code(text: &str) -> Markup {
    html! { code { (plain(text)) } }
}

fn text(text: &str) -> Markup {
    html! { (plain(text)) }
}

fn postgres(findings: &PostgresFindings, looks: &[PostgresSample]) -> Markup {
    let waiting = waits(looks);
    let wait = |wait: &LockWait| {
        let (waited, at) = (show_ns(wait.waited_ns), moment(wait.at_ns));
        let state = html! { (code(&wait.blocker)) " " span.sub { "(" (plain(&wait.blocker_state)) ")" } };
        let lock = html! { (plain(&wait.lock)) " " span.sub { (plain(&wait.mode)) } };
        vec![text(&waited), text(&at), lock, code(&wait.blocked), state]
    };
    let slow = |slow: &SlowStatement| {
        vec![text(&show_ns(slow.longest_ns)), text(&thousands(slow.count)), code(&slow.statement)]
    };
    let busy = |busy: &SlowStatement| {
        let times = [show_ns(busy.total_ns.unwrap_or(0)), thousands(busy.count), show_ns(busy.longest_ns)];
        times.iter().map(|time| text(time)).chain([code(&busy.statement)]).collect()
    };
    let busiest: Vec<Vec<Markup>> = findings.busiest.iter().flatten().map(busy).collect();
    html! {
        p { "PostgreSQL " (plain(&findings.version)) ", " (thousands(looks.len() as u64)) " samples." }
        @if !waiting.is_empty() {
            p.flow {
                "Waiting for, most sessions at once: "
                @for (kind, most) in &waiting { span { b { (most) } " × " (plain(kind)) } " " }
            }
        }
        @if findings.lock_waits.is_empty() { p.sub { "No session was seen to wait for another." } } @else {
            h3 { "Longest lock waits" }
            (table(&["waited", "at", "lock", "waiting", "behind"], &findings.lock_waits.iter().map(wait).collect::<Vec<_>>()))
        }
        @if !findings.slow.is_empty() {
            h3 { "Slow statements" }
            (table(&["longest", "seen", "statement"], &findings.slow.iter().map(slow).collect::<Vec<_>>()))
        }
        @if findings.busiest.is_none() { p.sub { "pg_stat_statements is not installed, so nobody counted statements." } }
        @if !busiest.is_empty() {
            h3 { "Statements that took most time" }
            (table(&["in all", "calls", "mean", "statement"], &busiest))
        }
    }
}

fn redis(findings: &RedisFindings, looks: &[RedisSample], samples: usize) -> Markup {
    let length = |length: Option<u64>| text(&length.map_or("another type".to_owned(), thousands));
    let paths: Vec<Vec<Markup>> = lists(looks)
        .iter()
        .take(MOST_LISTS)
        .map(|(key, path)| vec![length(path.first), length(path.most), length(path.last), code(key)])
        .collect();
    let slow: Vec<Vec<Markup>> =
        findings.slow.iter().map(|slow| vec![text(&show_ns(slow.took_ns)), code(&slow.command)]).collect();
    let events: Vec<Vec<Markup>> = (findings.latency.iter().flatten())
        .map(|event| vec![text(&show_ns(event.longest_ns)), text(&show_ns(event.latest_ns)), code(&event.event)])
        .collect();
    html! {
        p { "Redis " (plain(&findings.version)) ", " (thousands(samples as u64)) " samples." }
        @if !paths.is_empty() {
            h3 { "Watched lists" }
            (table(&["at first", "at most", "at the end", "list"], &paths))
        }
        @if slow.is_empty() { p.sub { "Nothing got into the slow log." } } @else {
            h3 { "Slow commands" }
            (table(&["took", "command"], &slow))
            p.sub { (thousands(findings.slow_count)) " got into the slow log during the run." }
        }
        @if findings.latency.is_none() { p.sub { "The latency monitor was off." } }
        @if !events.is_empty() {
            h3 { "Latency events" }
            (table(&["longest", "latest", "event"], &events))
        }
    }
}
