//! The chief figures, the tools that measured them, and everything they measured.

use std::collections::BTreeSet;

use maud::{Markup, html};
use stampede_model::stress::{Figure, StressKind, StressRun, ToolRecord};
use stampede_model::units::{show_ns, show_share, thousands, trimmed};

use crate::stress::{chief, held_per_s};
use crate::words::plain;

/// Cards at the top.
const CARDS: usize = 6;
/// Tests of redis-benchmark that get a card.
const TESTS: usize = 3;
/// What redis-benchmark says of each test.
const COLUMNS: [&str; 7] = ["rps", "avg", "min", "p50", "p95", "p99", "max"];

/// The chief figures.
pub(super) fn cards(run: &StressRun) -> Markup {
    let cards = match run.kind {
        StressKind::Pool => of_pool(run),
        StressKind::Http => of_steps(run),
        StressKind::Postgres | StressKind::Redis => of_figures(run),
    };
    html! {
        @if !cards.is_empty() {
            dl.cards {
                @for (name, value, more) in &cards { div { dt { (name) } dd { (value) } dd.more { (more) } } }
            }
        }
    }
}

type Card = (String, String, String);

fn of_figures(run: &StressRun) -> Vec<Card> {
    let wanted: &[(&str, &str, &str)] = if run.kind == StressKind::Postgres {
        &[
            ("tps", "Transactions per second", ""),
            ("latency", "Mean latency", "of a transaction"),
            ("latency.p99", "p99", "of a sample of transactions"),
            ("failed", "Failed", "of all transactions"),
            ("lock_waits.max", "Lock waits", "most at once"),
            ("connections.share", "Connections", "of those allowed, at most"),
            ("cache_hits", "Cache hits", "of all blocks"),
        ]
    } else {
        &[
            ("memory.max", "Memory", "at most"),
            ("cache_hits", "Cache hits", "of all look-ups"),
            ("evicted", "Evicted keys", ""),
        ]
    };
    let tests = run.figures.iter().filter_map(|figure| Some((figure, figure.name.strip_suffix(".rps")?)));
    let tests = tests.take(TESTS).map(|(figure, test)| (plain(test).to_uppercase(), chief(figure), String::new()));
    let others = wanted.iter().filter_map(|(name, shown, more)| {
        let figure = run.figure(name)?;
        Some(((*shown).to_owned(), chief(figure), (*more).to_owned()))
    });
    tests.chain(others).take(CARDS).collect()
}

fn of_pool(run: &StressRun) -> Vec<Card> {
    let Some(record) = &run.pool else { return Vec::new() };
    let after = |ns: Option<u64>| ns.map_or("never".to_owned(), show_ns);
    let released = || "after the release".to_owned();
    let mut cards = vec![(
        "Connections held".to_owned(),
        thousands(record.hold.held.into()),
        plain(&record.hold.manner).into_owned(),
    )];
    if let Some(during) = record.phases.get(1) {
        let share = |count: u64| show_share(count as f64 / during.asked.max(1) as f64);
        let meanwhile = "while they were held".to_owned();
        cards.push(("Good answers".to_owned(), share(during.good), meanwhile.clone()));
        cards.push(("Answers 503".to_owned(), share(during.unavailable), meanwhile.clone()));
        let bad = during.asked.saturating_sub(during.good).saturating_sub(during.unavailable);
        cards.push(("Everything else".to_owned(), share(bad), meanwhile));
    }
    cards.push(("First good answer".to_owned(), after(record.first_good_ns), released()));
    cards.push(("Only good ones".to_owned(), after(record.settled_ns), released()));
    cards
}

fn of_steps(run: &StressRun) -> Vec<Card> {
    let Some(record) = &run.steps else { return Vec::new() };
    let held = held_per_s(record).map_or("none".to_owned(), |rate| format!("{}/s", trimmed(rate)));
    let best = record.steps.iter().map(|step| step.succeeded_per_s).fold(0.0, f64::max);
    vec![
        ("Highest rate held".to_owned(), held, String::new()),
        ("Good answers".to_owned(), format!("{best:.1}/s"), "in the best step".to_owned()),
        ("Steps".to_owned(), thousands(record.steps.len() as u64), String::new()),
    ]
}

/// The command lines as they were, with what the tools said of themselves.
pub(super) fn commands(run: &StressRun) -> Option<Markup> {
    (!run.tools.is_empty()).then(|| html! { @for tool in &run.tools { (command(tool)) } })
}

fn command(tool: &ToolRecord) -> Markup {
    html! {
        div.tool {
            code.curl { (plain(&tool.command)) }
            p.sub { (version(tool)) " · " (plain(&tool.exit)) }
            @if !tool.statements.is_empty() {
                div.scroll {
                    table.said {
                        thead { tr { @for head in ["mean", "failures", "retries", "statement"] { th scope="col" { (head) } } } }
                        tbody {
                            @for statement in &tool.statements {
                                tr {
                                    td { (show_ns(statement.mean_ns)) }
                                    td { (statement.failures.map_or("–".to_owned(), thousands)) }
                                    td { (statement.retries.map_or("–".to_owned(), thousands)) }
                                    td { code { (plain(&statement.statement)) } }
                                }
                            }
                        }
                    }
                }
            }
            @if !tool.raw_tail.trim().is_empty() {
                details.slowest {
                    summary { "The last lines it printed" }
                    pre tabindex="0" { (crate::words::plain_lines(&tool.raw_tail)) }
                }
            }
        }
    }
}

/// The version as the tool says it; most begin with their name.
fn version(tool: &ToolRecord) -> String {
    let (name, version) = (plain(&tool.tool), plain(&tool.version));
    if version.starts_with(&*name) { version.into_owned() } else { format!("{name} {version}") }
}

/// Everything that was measured: tests of redis-benchmark as a table, the others one by one.
pub(super) fn figures(run: &StressRun) -> Option<Markup> {
    if run.figures.is_empty() {
        return None;
    }
    let tests: Vec<&str> = run.figures.iter().filter_map(|figure| figure.name.strip_suffix(".rps")).collect();
    let tabled: BTreeSet<String> =
        tests.iter().flat_map(|test| COLUMNS.map(|column| format!("{test}.{column}"))).collect();
    let others: Vec<&Figure> = run.figures.iter().filter(|figure| !tabled.contains(&figure.name)).collect();
    let columns: Vec<&str> = COLUMNS
        .into_iter()
        .filter(|column| tests.iter().any(|test| run.figure(&format!("{test}.{column}")).is_some()))
        .collect();
    Some(html! {
        @if !tests.is_empty() {
            div.scroll {
                table.numbers {
                    thead { tr { th scope="col" { "test" } @for column in &columns { th scope="col" { (column) } } } }
                    tbody {
                        @for test in &tests {
                            tr {
                                th scope="row" { (plain(test)) }
                                @for column in &columns {
                                    td { (run.figure(&format!("{test}.{column}")).map_or("–".to_owned(), chief)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        dl.pairs { @for figure in others { div { dt { (plain(&figure.name)) } dd { (chief(figure)) } } } }
    })
}
