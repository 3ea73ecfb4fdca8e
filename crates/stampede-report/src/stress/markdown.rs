//! Markdown: the verdict, the commands, the figures, and what was found inside.

use std::fmt::Write;

use stampede_model::stress::postgres::waits;
use stampede_model::stress::redis::lists;
use stampede_model::stress::{StressRun, ToolRecord};
use stampede_model::units::{show_ns, thousands};

use super::{chief, rows, samples};
use crate::export::markdown::{escaped, judged};
use crate::table::{Side, markdown};
use crate::words::{self, Outcome};

/// Slow statements, lock waits, and the like that are shown; the page has more.
const SHOWN: usize = 5;

/// The whole document of a run alone.
pub(super) fn document(run: &StressRun) -> String {
    format!("# {}", body(run))
}

/// The run as a part of a load run's document.
pub(crate) fn section(run: &StressRun) -> String {
    format!("## {}", body(run))
}

fn body(run: &StressRun) -> String {
    let mut text = format!("{}: {}\n\n", Outcome::of_stress(run).word(), escaped(&words::stressed(run)));
    let ending = words::ending(run.ending).map_or(String::new(), |ending| format!(", {ending}"));
    let _infallible = writeln!(text, "{}, {}{ending}", show_ns(run.elapsed_ns), words::started(run.started_unix_ns));
    let steps = run.steps.as_ref().map_or(String::new(), |record| {
        let highest = escaped(&rows::highest_held(record));
        format!("{}\n{highest}\n", markdown(&rows::steps(record), &[Side::Right; 7]))
    });
    for part in
        [judged(&run.thresholds), findings(run), commands(&run.tools), figures(run), inside(run), pool(run), steps]
    {
        if !part.is_empty() {
            let _infallible = write!(text, "\n{part}");
        }
    }
    text
}

fn findings(run: &StressRun) -> String {
    let line = |finding: &stampede_model::stress::Finding| {
        format!("- **{}** {}\n", words::grade(finding.grade), escaped(&finding.text))
    };
    run.findings.iter().map(line).collect()
}

/// The command lines as they were; the fence is longer than any within.
fn commands(tools: &[ToolRecord]) -> String {
    if tools.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = tools.iter().map(|tool| words::plain(&tool.command)).collect();
    let lines = lines.join("\n");
    let longest = lines.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{lines}\n{fence}\n")
}

fn figures(run: &StressRun) -> String {
    if run.figures.is_empty() {
        return String::new();
    }
    let mut cells = vec![["Figure", "Measured"].map(str::to_owned).to_vec()];
    cells.extend(run.figures.iter().map(|figure| vec![escaped(&figure.name), escaped(&chief(figure))]));
    markdown(&cells, &[Side::Left, Side::Right])
}

fn inside(run: &StressRun) -> String {
    let mut text = String::new();
    let (of_postgres, of_redis) = samples(run);
    let most: Vec<String> =
        waits(&of_postgres).iter().map(|(kind, most)| format!("{} {most}", escaped(kind))).collect();
    if !most.is_empty() {
        let _infallible = writeln!(text, "- waiting for, most sessions at once: {}", most.join(", "));
    }
    if let Some(findings) = &run.postgres {
        for wait in findings.lock_waits.iter().take(SHOWN) {
            let [lock, waiting, holder] = [&wait.lock, &wait.blocked, &wait.blocker].map(|part| escaped(part));
            let _infallible =
                writeln!(text, "- lock wait {} for {lock}: {waiting} behind {holder}", show_ns(wait.waited_ns));
        }
        for slow in findings.slow.iter().take(SHOWN) {
            let _infallible = writeln!(text, "- slow {}: {}", show_ns(slow.longest_ns), escaped(&slow.statement));
        }
        for busy in findings.busiest.iter().flatten().take(SHOWN) {
            let (total, calls) = (show_ns(busy.total_ns.unwrap_or(0)), thousands(busy.count));
            let _infallible = writeln!(text, "- busiest {total} in {calls} calls: {}", escaped(&busy.statement));
        }
    }
    for (key, path) in lists(&of_redis) {
        let [first, most, last] =
            [path.first, path.most, path.last].map(|length| length.map_or("-".to_owned(), thousands));
        let _infallible =
            writeln!(text, "- list {}: {first} at first, {most} at most, {last} at the end", escaped(&key));
    }
    if let Some(findings) = &run.redis {
        for slow in findings.slow.iter().take(SHOWN) {
            let _infallible = writeln!(text, "- slow {}: {}", show_ns(slow.took_ns), escaped(&slow.command));
        }
    }
    text
}

fn pool(run: &StressRun) -> String {
    let Some(record) = &run.pool else { return String::new() };
    let mut sides = vec![Side::Left];
    sides.resize(9, Side::Right);
    let mut text = format!("{}\n\n{}\n", escaped(&rows::held(record)), markdown(&rows::phases(record), &sides));
    for phase in &record.phases {
        let _infallible = writeln!(text, "- {}: {}", rows::phase_word(phase.phase), escaped(&rows::ends(phase)));
    }
    let _infallible = writeln!(text, "\n{}", escaped(&rows::recovery(record)));
    text
}
