//! The lists of the page: failures, the slowest requests, meetings, the generator, the plan.

use maud::{Markup, html};
use stampede_model::run::RunFile;
use stampede_model::run_result::{Exemplar, FailureCount, LoadResult};
use stampede_model::units::{show_duration, show_figure, show_ns, show_share, thousands};

use super::time::{clock, moment};
use crate::slices::Axis;
use crate::summary::parts::health_line;
use crate::words;

/// Slowest requests of the whole run.
const SLOWEST: usize = 20;
/// Meetings listed.
const MOST_MEETINGS: usize = 100;

/// Each kind of failure with the time from its first to its last.
pub(super) fn failures(result: &LoadResult, axis: Option<Axis>) -> Markup {
    html! {
        @if !result.failures.is_empty() || result.statuses.len() > 1 {
            section {
                h2 { "Answers and failures" }
                @if !result.statuses.is_empty() {
                    p.flow {
                        "Answers by status: "
                        @for (status, count) in &result.statuses {
                            span data-status=(status) { b { (thousands(*count)) } " × " (status) } " "
                        }
                    }
                }
                @if !result.failures.is_empty() {
                    div.scroll {
                        table.kinds {
                            thead {
                                tr {
                                    @for head in ["failure", "count", "first", "last", "when"] { th scope="col" { (head) } }
                                    th scope="col" { "first example" }
                                }
                            }
                            tbody { @for failure in &result.failures { (kind(failure, axis)) } }
                        }
                    }
                }
            }
        }
    }
}

fn kind(failure: &FailureCount, axis: Option<Axis>) -> Markup {
    let (first, last) = (moment(failure.first_ns), moment(failure.last_ns));
    html! {
        tr {
            th scope="row" { (failure.kind.to_string()) }
            td { (thousands(failure.count)) }
            td { (first) }
            td { (last) }
            td {
                @if let Some(axis) = axis {
                    @let from = axis.share(failure.first_ns) * 1_000.0;
                    @let width = (axis.share(failure.last_ns) * 1_000.0 - from).max(6.0);
                    svg.span viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" {
                        title { (failure.kind.to_string()) " from " (first) " to " (last) " of " (clock(axis.length_s())) }
                        rect.rail width="1000" height="10" {}
                        rect.bad x=(format!("{from:.1}")) width=(format!("{width:.1}")) height="10" {}
                    }
                }
            }
            td { code { (words::plain(&failure.example)) } }
        }
    }
}

/// The slowest requests of the whole run.
pub(super) fn slowest(result: &LoadResult) -> Markup {
    let mut all: Vec<(Option<&str>, &Exemplar)> =
        result.steps.iter().flat_map(|step| step.slowest.iter().map(|slow| (Some(step.name.as_str()), slow))).collect();
    all.sort_by_key(|(_, slow)| std::cmp::Reverse(slow.total_ns));
    html! {
        @if !all.is_empty() {
            section {
                h2 { "Slowest requests" }
                p.sub { "Each can be sent again with its line; values of secret headers are replaced." }
                (requests(all.into_iter().take(SLOWEST)))
            }
        }
    }
}

/// Slow requests as a list, each with its phases and its line.
pub(super) fn requests<'a>(all: impl Iterator<Item = (Option<&'a str>, &'a Exemplar)>) -> Markup {
    let all: Vec<_> = all.collect();
    let longest = all.iter().map(|(_, slow)| slow.total_ns).max().unwrap_or(1).max(1) as f64;
    html! {
        ol.slow { @for (step, slow) in all { li { (request(step, slow, longest)) } } }
    }
}

fn request(step: Option<&str>, slow: &Exemplar, longest: f64) -> Markup {
    let phases = [
        ("phase-queue", "waiting", slow.wait_ns),
        ("phase-first-byte", "first byte", slow.first_byte_ns),
        ("phase-receive", "receive", slow.receive_ns),
    ];
    let mut left = 0.0;
    let bars: Vec<(&str, f64, f64)> = phases
        .iter()
        .map(|(class, _, ns)| {
            let (from, width) = (left, *ns as f64 / longest * 1_000.0);
            left += width;
            (*class, from, width)
        })
        .collect();
    let words: Vec<String> = phases.iter().map(|(_, name, ns)| format!("{name} {}", show_ns(*ns))).collect();
    html! {
        p {
            b { (show_ns(slow.total_ns)) } " at " (moment(slow.at_ns)) ", status " (slow.status)
            @if let Some(step) = step { ", " (words::plain(step)) }
            span.sub { " " (words.join(", ")) }
        }
        svg.span viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
            @for (class, from, width) in bars {
                rect.(class) x=(format!("{from:.1}")) width=(format!("{width:.1}")) height="10" {}
            }
        }
        code.curl { (words::plain(&slow.curl)) }
        @for (name, value) in &slow.answer_headers {
            " " code.header { (words::plain(name)) ": " (words::plain(value)) }
        }
    }
}

/// How closely together users left who waited for each other.
pub(super) fn meetings(result: &LoadResult) -> Markup {
    html! {
        @if !result.meetings.is_empty() {
            section {
                h2 { "Together" }
                div.scroll {
                    table.numbers {
                        thead { tr { @for head in ["meeting", "at", "users", "skew on the wire"] { th scope="col" { (head) } } } }
                        tbody {
                            @for meeting in result.meetings.iter().take(MOST_MEETINGS) {
                                tr {
                                    th scope="row" { (words::plain(&meeting.name)) }
                                    td { (moment(meeting.at_ns)) }
                                    td { (thousands(u64::from(meeting.users))) }
                                    td { (show_ns(meeting.skew_ns)) }
                                }
                            }
                        }
                    }
                }
                @if result.meetings.len() > MOST_MEETINGS {
                    p.note { (result.meetings.len() - MOST_MEETINGS) " more are in the run file." }
                }
            }
        }
    }
}

/// What the generator says of itself, and where it ran.
pub(super) fn generator(run: &RunFile) -> Markup {
    let (result, environment) = (&run.result, &run.environment);
    let health = &result.health;
    let lag = &health.lag;
    let rows = [
        ("Verdict", if run.trust.stands() { "trustworthy".to_owned() } else { "NOT TRUSTWORTHY".to_owned() }),
        ("Summary", health_line(result)),
        (
            "Lag",
            format!(
                "p50 {}, p99 {}, max {}",
                show_figure(lag.quantile(0.5)),
                show_figure(lag.quantile(0.99)),
                show_figure(lag.max())
            ),
        ),
        ("Arrivals overdue at the end", thousands(health.behind)),
        ("CPU of its threads", show_share(health.cpu_share())),
        ("Open files allowed", thousands(health.open_files_limit)),
        ("Connections made", thousands(result.traffic.connections)),
        (
            "Received, sent",
            format!("{}, {}", words::bytes(result.traffic.received_bytes), words::bytes(result.traffic.sent_bytes)),
        ),
        ("System", format!("{}, {} cores", words::plain(&environment.system), environment.cores)),
    ];
    html! {
        section {
            h2 { "Generator and environment" }
            dl.pairs { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } }
        }
    }
}

/// What was asked.
pub(super) fn plan(run: &RunFile) -> Markup {
    let plan = &run.plan;
    let time = |ns: u64| show_duration(std::time::Duration::from_nanos(ns));
    let names: Vec<_> = plan.header_names.iter().map(|name| words::plain(name)).collect();
    let rows = [
        ("Request", words::plain(&format!("{} {}", plan.method, plan.url)).into_owned()),
        ("Load", words::model(run)),
        ("Duration", plan.duration_ns.map_or("–".to_owned(), time)),
        ("Requests", plan.requests.map_or("–".to_owned(), thousands)),
        ("Time-out", time(plan.timeout_ns)),
        ("Connections", if plan.keep_alive { "kept alive".to_owned() } else { "new for every request".to_owned() }),
        ("Headers given", if names.is_empty() { "–".to_owned() } else { names.join(", ") }),
        ("Body", words::bytes(plan.body_bytes)),
        ("Threads", plan.threads.to_string()),
    ];
    html! {
        section {
            h2 { "Plan" }
            dl.pairs { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } }
            @if plan.flows.len() > 1 {
                h3 { "Side by side" }
                dl.pairs { @for (name, arrivals) in words::flows(run) { div { dt { (name) } dd { (arrivals) } } } }
            }
            @if let Some(scenario) = &plan.scenario {
                h3 { "Scenario " (words::plain(&scenario.name)) ", seed " (scenario.seed) }
                pre tabindex="0" { (words::plain_lines(&scenario.text)) }
            }
        }
    }
}
