//! Markdown: the verdict and the chief figures, for a pull request or a chat.
//!
//! Invariant: what came from outside is escaped, so that it neither breaks a table nor becomes markup.

use std::fmt::Write;

use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_model::run_result::LoadResult;
use stampede_model::threshold::Judged;
use stampede_model::units::{show_figure, show_ns, show_share, thousands};

use crate::stress;
use crate::summary::parts::{health_line, hidden};
use crate::table::{Side, markdown};
use crate::words::{self, Outcome};

/// The whole document.
pub(super) fn render(run: &RunFile) -> String {
    let result = &run.result;
    let mut text = format!("# {}: {}\n\n", Outcome::of(run).word(), escaped(&words::target(run)));
    let ending = words::ending(run.result.ending).map_or(String::new(), |ending| format!(", {ending}"));
    let _infallible = writeln!(
        text,
        "{}, {}, {}{ending}",
        escaped(&words::model(run)),
        show_ns(result.elapsed_ns),
        words::started(run.started_unix_ns)
    );
    for doubt in &run.trust.doubts {
        let _infallible = writeln!(text, "\n> **Not trustworthy:** {}", escaped(&doubt.to_string()));
    }
    for part in [judged(&run.thresholds), counts(result), latency(result), steps(result), failures(result)] {
        if !part.is_empty() {
            let _infallible = write!(text, "\n{part}");
        }
    }
    let _infallible = writeln!(text, "\nGenerator: {}", escaped(&health_line(result)));
    for stress in &run.stress {
        let _infallible = write!(text, "\n{}", stress::markdown_section(stress));
    }
    text
}

/// Thresholds and how they came out.
pub(crate) fn judged(thresholds: &[Judged]) -> String {
    if thresholds.is_empty() {
        return String::new();
    }
    let mut rows = vec![["Verdict", "Threshold", "Measured"].map(str::to_owned).to_vec()];
    rows.extend(thresholds.iter().map(|judged| {
        let mark = words::mark(judged.judgement);
        vec![format!("**{mark}**"), escaped(&words::threshold(judged)), escaped(&judged.measured)]
    }));
    markdown(&rows, &[Side::Left; 3])
}

fn counts(result: &LoadResult) -> String {
    let counts = &result.counts;
    let named = [
        ("Asked", counts.asked),
        ("Sent", counts.sent),
        ("Answered", counts.answered),
        ("Succeeded", counts.succeeded),
        ("Failed", counts.failed),
        ("Unfinished", counts.unfinished),
        ("Not sent", counts.not_sent),
    ];
    let mut heads: Vec<String> = named.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut row: Vec<String> = named.iter().map(|(_, count)| thousands(*count)).collect();
    heads.extend(["Answered/s".to_owned(), "Success".to_owned()]);
    row.extend([format!("{:.1}", result.answered_per_s()), show_share(result.success_share())]);
    markdown(&[heads, row], &[Side::Right; 9])
}

fn figures(histogram: &Histogram) -> Vec<String> {
    let quantiles = [0.5, 0.9, 0.95, 0.99, 0.999].map(|share| histogram.quantile(share));
    let all = [histogram.min(), histogram.mean()].into_iter().chain(quantiles).chain([histogram.max()]);
    all.map(show_figure).collect()
}

fn latency(result: &LoadResult) -> String {
    let mut rows =
        vec![["Latency", "min", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"].map(str::to_owned).to_vec()];
    let all = [
        ("from intent", &result.latency.intent),
        ("service", &result.latency.service),
        ("failed", &result.latency.failed),
    ];
    for (name, histogram) in all.into_iter().filter(|(_, histogram)| histogram.count() > 0) {
        rows.push([name.to_owned()].into_iter().chain(figures(histogram)).collect());
    }
    if rows.len() == 1 {
        return String::new();
    }
    let mut sides = vec![Side::Left];
    sides.resize(9, Side::Right);
    let mut text = markdown(&rows, &sides);
    if let Some(gap) = hidden(result) {
        let _infallible = writeln!(text, "\n{gap}");
    }
    if result.latency.intent.censored() > 0 {
        let count = thousands(result.latency.intent.censored());
        let _infallible =
            writeln!(text, "\n≥: {count} requests had no end in sight; figures they touch are lower bounds");
    }
    text
}

fn steps(result: &LoadResult) -> String {
    if result.steps.len() < 2 {
        return String::new();
    }
    let mut rows = vec![["Step", "Asked", "Not ok", "p50", "p95", "p99", "max"].map(str::to_owned).to_vec()];
    for step in &result.steps {
        let intent = &step.latency.intent;
        let lost = step.counts.asked.saturating_sub(step.counts.succeeded);
        let mut row = vec![escaped(&step.name), thousands(step.counts.asked), thousands(lost)];
        row.extend([0.5, 0.95, 0.99].map(|share| show_figure(intent.quantile(share))));
        row.push(show_figure(intent.max()));
        rows.push(row);
    }
    let mut sides = vec![Side::Left];
    sides.resize(7, Side::Right);
    markdown(&rows, &sides)
}

fn failures(result: &LoadResult) -> String {
    if result.failures.is_empty() {
        return String::new();
    }
    let mut rows = vec![["Failure", "Count", "First", "Last", "Example"].map(str::to_owned).to_vec()];
    rows.extend(result.failures.iter().map(|failure| {
        let (first, last) = (show_ns(failure.first_ns), show_ns(failure.last_ns));
        vec![failure.kind.to_string(), thousands(failure.count), first, last, escaped(&failure.example)]
    }));
    markdown(&rows, &[Side::Left, Side::Right, Side::Right, Side::Right, Side::Left])
}

/// Text from outside as Markdown that shows just that.
pub(crate) fn escaped(text: &str) -> String {
    let plain = words::plain(text);
    let mut safe = String::with_capacity(plain.len() + 8);
    for letter in plain.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' | '$' => safe.extend(['\\', letter]),
            // A bare address or name would become a link or a call for somebody.
            '@' => safe.push_str("&#64;"),
            other => safe.push(other),
        }
    }
    safe.replace("://", "&#58;//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        assert_eq!(escaped("a|b <script> `c` @all"), "a\\|b &lt;script&gt; \\`c\\` &#64;all");
        assert_eq!(escaped("![x](http://evil)\n# h"), "\\!\\[x\\](http&#58;//evil)\\\\n\\# h");
    }
}
