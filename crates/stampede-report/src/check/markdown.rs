//! A check's run as Markdown, for a pull request or a chat.
//!
//! Invariant: what came from outside is escaped, or stands in a fence that its lines cannot close.

use std::fmt::Write;

use stampede_model::check::counterexample::{Counterexample, Part};
use stampede_model::check::{CheckRun, WorkloadVerdict};
use stampede_model::units::thousands;

use super::{advice, script, text, timeline, words};
use crate::export::markdown::escaped;
use crate::table::{Side, markdown};

/// The sides of the table's columns.
const SIDES: [Side; 7] = [Side::Left, Side::Left, Side::Left, Side::Right, Side::Left, Side::Right, Side::Right];

pub(super) fn render(run: &CheckRun) -> String {
    let mut page = format!("# {}: check of {}\n\n", words::word(run.answer()), escaped(&run.target));
    let _infallible = write!(
        page,
        "{}\n\n{}",
        escaped(&format!("{}; {}", words::summary(run), words::circumstances(run))),
        table(run)
    );
    for verdict in &run.workloads {
        for hidden in words::could_hide(verdict) {
            let _infallible =
                write!(page, "\n{}: the unresolved ones could hide {}\n", escaped(&verdict.id), escaped(&hidden));
        }
    }
    for verdict in &run.workloads {
        page.push_str(&violations(run, verdict));
    }
    page.push_str(&doubts(run));
    page
}

fn table(run: &CheckRun) -> String {
    const HEADER: [&str; 7] = ["Verdict", "Workload", "Checked", "Operations", "Strength", "Unresolved", "Violations"];
    let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
    rows.extend(run.workloads.iter().map(|verdict| {
        vec![
            format!("**{}**", words::word(verdict.answer)),
            escaped(&verdict.id),
            verdict.model.to_string(),
            thousands(verdict.operations),
            verdict.strength.to_string(),
            words::unresolved(verdict),
            thousands(words::violation_count(verdict)),
        ]
    }));
    markdown(&rows, &SIDES)
}

fn violations(run: &CheckRun, verdict: &WorkloadVerdict) -> String {
    let mut page = String::new();
    for example in &verdict.counterexamples {
        let name = escaped(&words::of_key(&example.rule, &example.key));
        let _infallible = write!(page, "\n## FAIL {}: {name}\n\n", escaped(&verdict.id));
        page.push_str(&told(run, example));
    }
    for finding in words::without_picture(verdict) {
        let name = escaped(&words::of_key(&finding.rule, &finding.key));
        let _infallible = write!(page, "\n## FAIL {}: {name}\n\n", escaped(&verdict.id));
        page.push_str(&sentences(&finding.what, &finding.allowed));
    }
    if !page.is_empty() {
        for (why, command) in words::again(run, verdict) {
            let _infallible = write!(page, "\n{why}:\n\n~~~sh\n{command}\n~~~\n");
        }
    }
    page
}

fn told(run: &CheckRun, example: &Counterexample) -> String {
    let mut page = sentences(&example.what, &example.allowed);
    let bars = timeline::bars(example);
    if !bars.is_empty() {
        let _infallible = write!(page, "\n~~~text\n{}\n~~~\n", bars.join("\n"));
    }
    page.push('\n');
    for one in &example.operations {
        let when = one.call_ns.map_or(String::new(), |_| format!(" ({})", words::since(one, example)));
        let mark = if one.part == Part::Impossible { " **✗ impossible**" } else { "" };
        let _infallible = writeln!(page, "- #{}{when} {}{mark}", one.id, escaped(&one.sentence()));
    }
    if example.unshown > 0 {
        let _infallible = writeln!(page, "- and {} more operations that are part of it", thousands(example.unshown));
    }
    let script = script::render(example, &run.url);
    let origin = text::origin(example);
    let _infallible = write!(
        page,
        "\n{origin}\n\n<details><summary>As a script</summary>\n\n~~~sh\n{}\n~~~\n\n</details>\n",
        script.trim_end()
    );
    page
}

fn sentences(what: &str, allowed: &str) -> String {
    let mut page = format!("What happened: {}\n", escaped(what));
    if !allowed.is_empty() {
        let _infallible = write!(page, "\nWhat would have been allowed: {}\n", escaped(allowed));
    }
    page
}

fn doubts(run: &CheckRun) -> String {
    let mut page = String::new();
    for verdict in &run.workloads {
        for doubt in verdict.doubts() {
            let name = escaped(&words::of_key(&doubt.rule, &doubt.key));
            let _infallible = write!(page, "- **{}**, {name}: {}", escaped(&verdict.id), escaped(&doubt.what));
            if let Some(advice) = advice(&doubt.rule) {
                let _infallible = write!(page, " To do: {}.", escaped(advice));
            }
            page.push('\n');
        }
    }
    if page.is_empty() { page } else { format!("\n## In doubt\n\n{page}") }
}
