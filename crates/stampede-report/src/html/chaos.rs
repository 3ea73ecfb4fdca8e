//! A run of faults on a page: the verdict, everything on one time axis, each fault in a row, what checked load has shown.
//!
//! Invariant: nothing here decides; a row that nobody checked is told as that and never as a zero.

use maud::{Markup, html};
use stampede_model::chaos::{BadEnd, ChaosReport, CheckedReport, CheckedRow, FaultReport};
use stampede_model::units::{show_duration, thousands};

use super::{check, timeline};
use crate::chaos::{HEADER, count, row};
use crate::words::{self, Outcome, plain};

/// Everything but the page around it.
pub(super) fn alone(report: &ChaosReport, outcome: Outcome) -> Markup {
    html! {
        (head(report, outcome))
        main {
            (timeline::section("What happened", &report.timeline))
            (faults(report))
            @if let Some(checked) = &report.checked { (correctness(checked)) }
        }
    }
}

fn head(report: &ChaosReport, outcome: Outcome) -> Markup {
    let class = match outcome {
        Outcome::Pass => "pass",
        Outcome::Fail | Outcome::Doubtful => "fail",
        Outcome::Open | Outcome::Unjudged => "open",
    };
    let injected = report.faults.iter().filter(|fault| fault.refused.is_none()).count();
    let lasted = show_duration(std::time::Duration::from_millis(report.elapsed_ms));
    let started = words::started(u64::try_from(report.started_unix_ms).unwrap_or(0).saturating_mul(1_000_000));
    html! {
        header {
            div.title {
                p.verdict.(class) { (outcome.word()) }
                div {
                    h1 { "Faults in " (plain(&report.target)) }
                    p.sub {
                        (injected) " faults in " (lasted) " · " (started) " · " (plain(&report.url)) " · seed " (report.seed)
                    }
                }
            }
            ul { @for sentence in sentences(report) { li { (sentence) } } }
        }
    }
}

/// The run in a few sentences.
fn sentences(report: &ChaosReport) -> Vec<String> {
    let all = report.succeeded + report.failed;
    let mut said = vec![format!("{} of {} requests failed.", thousands(report.failed), thousands(all))];
    let steady = &report.steady;
    said.push(match steady.after_ms {
        Some(ms) => {
            let after = show_duration(std::time::Duration::from_millis(ms));
            format!("At the end {} again, {after} after the last undo.", plain(&steady.question))
        }
        None => {
            format!("At the end the system was not well: {}.", plain(steady.last_trouble.as_deref().unwrap_or("-")))
        }
    });
    for end in report.bad_ends() {
        said.push(
            match end {
                BadEnd::NotUndone => "A fault was not seen to be undone.",
                BadEnd::Violated => "Checked load has proved the system wrong.",
                BadEnd::Open => "Something was not injected, not seen or not decided.",
                BadEnd::Missed => "A recovery was missed, the run was given up, or the system was not well at the end.",
            }
            .to_owned(),
        );
    }
    said.extend(report.aborted.iter().map(|why| format!("Given up: {}.", plain(why))));
    said.extend(report.checked_trouble.iter().map(|why| format!("Checked load could not be judged: {}.", plain(why))));
    said
}

fn faults(report: &ChaosReport) -> Markup {
    html! {
        section {
            h2 { "Each fault" }
            div.scroll {
                table.numbers {
                    thead { tr { th scope="col" { "#" } @for head in HEADER { th scope="col" { (head) } } } }
                    tbody { @for (number, fault) in (1..).zip(&report.faults) { (one(number, fault)) } }
                }
            }
            p.note {
                "Times are what the load generator's own clients saw: the longest time without a good answer, the time from the \
                 injection until good answers came and no failure followed, and the same from the undo."
            }
        }
    }
}

fn one(number: usize, fault: &FaultReport) -> Markup {
    html! {
        tr {
            td { (number) }
            @for cell in row(fault) { td { (plain(&cell)) } }
        }
        @if let Some(why) = &fault.refused {
            tr { td {} td colspan="9" { "not injected: " (plain(why)) } }
        } @else if !fault.verified {
            tr { td {} td colspan="9" { b { "NOT UNDONE" } ": " (plain(&fault.note)) } }
        }
    }
}

fn correctness(checked: &CheckedReport) -> Markup {
    html! {
        section {
            h2 { "Was it right meanwhile?" }
            div.scroll {
                table.kinds {
                    thead { tr { th scope="col" { "" } th scope="col" { "seen" } th scope="col" { "" } } }
                    tbody { @for row in &checked.rows { (way(row)) } }
                }
            }
        }
        (check::inside(&checked.run))
    }
}

fn way(row: &CheckedRow) -> Markup {
    let class = match row.count {
        Some(0) => "pass",
        Some(_) if row.way.is_violation() => "fail",
        Some(_) | None => "open",
    };
    html! {
        tr {
            th scope="row" { (row.way.words()) }
            td { span.tag.(class) { (count(row)) } }
            td { (plain(&row.note)) }
        }
    }
}
