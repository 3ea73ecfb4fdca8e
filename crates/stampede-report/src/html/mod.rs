//! The report: one page that needs nothing else, to be read long after by people who did not see the run.
//!
//! Invariants: the page loads nothing and sends nothing, and its own policy forbids both; it is whole without script,
//! which adds only the read-out under the pointer and the buttons over the steps; every word from outside is escaped; its
//! size is bounded by the number of steps, not by the length of the run.
//! Absent on purpose: figures that the run file does not hold, and verdicts of its own.

mod autoscale;
mod chaos;
mod chart;
mod check;
mod head;
mod spread;
mod steps;
mod stress;
mod tail;
mod time;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use stampede_model::autoscale::AutoscaleReport;
use stampede_model::chaos::{BadEnd, CHAOS_VERSION, ChaosReport};
use stampede_model::check::{Answer, CheckRun};
use stampede_model::run::RunFile;
use stampede_model::stress::{STRESS_VERSION, StressRun};

use crate::check::words as check_words;
use crate::slices::Axis;
use crate::words::{self, Outcome};
use chart::Mark;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing from elsewhere, nothing to elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
/// Slices of the large charts.
const SLICES: usize = 240;
/// Events that are marked on the axes; more would hide what they explain.
const MOST_MARKS: usize = 26;

/// The whole page of a load run, with the stress runs beside it.
pub fn render(run: &RunFile) -> String {
    let outcome = Outcome::of(run);
    let title = format!("{} · {} · {}", outcome.word(), words::target(run), words::started(run.started_unix_ns));
    let foot = format!("stampede {}, run file version {}", words::plain(&run.environment.stampede), run.version);
    page(&title, outcome, &html! { (head::show(run, outcome)) main { (body(run)) } }, &foot, "")
}

/// The whole page of a stress run alone.
pub(crate) fn stress_page(run: &StressRun) -> String {
    let outcome = Outcome::of_stress(run);
    let started = words::started(run.started_unix_ns);
    let title = format!("{} · {} · {started}", outcome.word(), words::stressed(run));
    let foot = format!(
        "stampede {}, stress file version {}, {}, {} cores",
        words::plain(&run.environment.stampede),
        STRESS_VERSION,
        words::plain(&run.environment.system),
        run.environment.cores
    );
    page(&title, outcome, &stress::alone(run), &foot, "")
}

/// The whole page of a check.
pub(crate) fn check_page(run: &CheckRun) -> String {
    let outcome = match run.answer() {
        Answer::Holds => Outcome::Pass,
        Answer::Violated => Outcome::Fail,
        Answer::Unknown => Outcome::Open,
    };
    let title = format!("{} · check of {}", check_words::word(run.answer()), words::plain(&run.target));
    let foot = format!("stampede, check file version {}", run.version);
    page(&title, outcome, &check::alone(run), &foot, check::STYLE)
}

/// The whole page of an autoscaler's run.
pub fn autoscale_page(run: &AutoscaleReport) -> String {
    let outcome = autoscale::outcome(run);
    let title = format!("{} · {} · {}", outcome.word(), words::plain(&run.load), words::plain(&run.service));
    let foot = format!("stampede, autoscale file version {}", run.version);
    page(&title, outcome, &autoscale::alone(run), &foot, autoscale::STYLE)
}

/// The whole page of a run of faults.
pub(crate) fn chaos_page(report: &ChaosReport) -> String {
    let outcome = match report.bad_ends().first() {
        None => Outcome::Pass,
        Some(BadEnd::Open) => Outcome::Open,
        Some(_) => Outcome::Fail,
    };
    let title = format!("{} · faults in {}", outcome.word(), words::plain(&report.target));
    let foot = format!("stampede, chaos file version {CHAOS_VERSION}, seed {}", report.seed);
    let style = [timeline::STYLE, check::STYLE].concat();
    page(&title, outcome, &chaos::alone(report, outcome), &foot, &style)
}

fn page(title: &str, outcome: Outcome, inner: &Markup, foot: &str, more_style: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href=(icon(outcome));
                style { (PreEscaped(STYLE)) (PreEscaped(more_style)) }
            }
            body {
                (inner)
                footer { (foot) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn body(run: &RunFile) -> Markup {
    let result = &run.result;
    let axis = Axis::of(result, SLICES);
    let marks = axis.map(|axis| marks(run, axis)).unwrap_or_default();
    html! {
        (head::thresholds(run))
        @if let Some(axis) = axis {
            (time::section(run, axis, &marks))
        }
        (spread::section(result))
        (tail::failures(result, axis))
        @if result.steps.len() > 1 { (steps::section(result)) }
        (tail::slowest(result))
        (tail::meetings(result))
        @for (place, stress) in run.stress.iter().enumerate() { (stress::beside(place, stress)) }
        (tail::generator(run))
        (tail::plan(run))
    }
}

/// The events as marks, lettered in their order.
fn marks(run: &RunFile, axis: Axis) -> Vec<Mark> {
    let letters = ('A'..='Z').take(MOST_MARKS);
    let events = run.result.events.iter().zip(letters);
    events
        .map(|(event, letter)| Mark {
            place: axis.share(event.at_ns),
            label: letter.to_string(),
            text: words::plain(&event.text).into_owned(),
        })
        .collect()
}

/// A dot in the verdict's colour, within the page.
fn icon(outcome: Outcome) -> String {
    let colour = match outcome {
        Outcome::Pass => "%23007a5a",
        Outcome::Fail | Outcome::Doubtful => "%23b3261e",
        Outcome::Open | Outcome::Unjudged => "%23808080",
    };
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' \
         fill='{colour}'/%3E%3C/svg%3E"
    )
}
