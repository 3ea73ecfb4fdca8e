//! A view as characters on a screen. Pure: the same view gives the same screen.
//!
//! Invariant: colour repeats what words say, it never says anything alone; a small terminal loses detail, not the counts.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Gauge, Paragraph, Sparkline};
use stampede_model::units::{show_duration, show_ns, show_share, thousands, trimmed};

use super::keys::{HELP, KEYS};
use super::view::{HISTORY_S, Help, Quantiles, Second, State, View};

/// One of the percentiles.
type Percentile = fn(&Quantiles) -> Option<u64>;

/// Width of the words beside a sparkline.
const WORDS: u16 = 38;
/// Lines of the three lists below.
const LISTS: u16 = 8;

pub(crate) fn draw(frame: &mut Frame<'_>, view: &View) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(LISTS),
        Constraint::Length(1),
    ]);
    let [title, progress, counts, history, lists, foot] = rows.areas(frame.area());
    frame.render_widget(head(view), title);
    frame.render_widget(gauge(view), progress);
    frame.render_widget(counters(view), counts);
    draw_history(frame, view, history);
    draw_lists(frame, view, lists);
    let words = if view.remark.is_empty() { KEYS.to_owned() } else { view.remark.clone() };
    frame.render_widget(Paragraph::new(words).style(Style::new().add_modifier(Modifier::DIM)), foot);
    if view.help == Help::Shown {
        draw_help(frame);
    }
}

fn head(view: &View) -> Line<'_> {
    Line::from(vec![
        Span::styled(view.title.as_str(), Style::new().add_modifier(Modifier::BOLD)),
        Span::raw("  "),
        Span::raw(view.model.as_str()),
    ])
}

fn gauge(view: &View) -> Gauge<'_> {
    let state = match view.state {
        State::Running => "running",
        State::Paused => "paused",
        State::Stopping => "stopping",
    };
    let of = view.of.map_or_else(String::new, |of| format!("/{}", show_duration(of)));
    let part = view.of.map_or(0.0, |of| (view.elapsed.as_secs_f64() / of.as_secs_f64().max(1e-9)).min(1.0));
    let colour = if view.state == State::Running { Color::Green } else { Color::Yellow };
    Gauge::default().ratio(part).label(format!("{state} {}{of}", clock(view.elapsed))).gauge_style(colour)
}

/// `1m05s`.
pub(crate) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}m{:02}s", seconds / 60, seconds % 60)
}

fn counters(view: &View) -> Line<'static> {
    let now = &view.now;
    let bad = |count: u64| if count > 0 { Style::new().fg(Color::Red) } else { Style::new() };
    Line::from(vec![
        Span::raw(format!("{} sent   {} answered   ", thousands(now.sent), thousands(now.answered))),
        Span::styled(format!("{} failed", thousands(now.failed)), bad(now.failed)),
        Span::raw("   "),
        Span::styled(format!("{} not sent", thousands(now.not_sent)), bad(now.not_sent)),
    ])
}

/// Rate and three percentiles, each with its last two minutes.
fn draw_history(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let bands = Layout::vertical([Constraint::Fill(1); 4]).areas::<4>(area);
    let rate =
        format!("rate  {:>9}/s now {:>9}/s all", thousands(view.rate_now()), trimmed(one_decimal(view.rate_in_all())));
    let ended = |second: &Second| second.succeeded + second.failed;
    draw_band(frame, bands[0], &rate, &series(&view.seconds, ended), Color::Cyan);
    let percentiles: [(&str, Percentile); 3] =
        [("p50", |of| of.p50_ns), ("p95", |of| of.p95_ns), ("p99", |of| of.p99_ns)];
    for ((name, of), band) in percentiles.into_iter().zip(&bands[1..]) {
        let shown = |quantiles: Option<&Quantiles>| quantiles.and_then(of).map_or_else(|| "-".to_owned(), show_ns);
        let last = view.seconds.last().map(|second| &second.latency);
        let words = format!("{name}   {:>11} now {:>11} all", shown(last), shown(Some(&view.total)));
        draw_band(
            frame,
            *band,
            &words,
            &series(&view.seconds, |second| of(&second.latency).unwrap_or(0)),
            Color::Magenta,
        );
    }
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// One value for each of the last seconds; a second of which nothing is known is 0.
fn series(seconds: &[Second], value: impl Fn(&Second) -> u64) -> Vec<u64> {
    let Some(last) = seconds.last() else { return Vec::new() };
    let first = last.at_s.saturating_sub(HISTORY_S as u32 - 1);
    let at = |second| seconds.iter().find(|point| point.at_s == second).map_or(0, &value);
    (first..=last.at_s).map(at).collect()
}

fn draw_band(frame: &mut Frame<'_>, area: Rect, words: &str, values: &[u64], colour: Color) {
    let [left, right] = Layout::horizontal([Constraint::Length(WORDS), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(words), left);
    let first = values.len().saturating_sub(right.width.into());
    frame.render_widget(Sparkline::default().data(&values[first..]).style(colour), right);
}

fn draw_lists(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let columns = Layout::horizontal([Constraint::Length(WORDS), Constraint::Length(20), Constraint::Fill(1)]);
    let [load, statuses, failures] = columns.areas(area);
    draw_list(frame, load, " load ", gauges(view));
    let answers = view.statuses.iter().map(|(status, count)| format!("{status} {:>12}", thousands(*count)));
    draw_list(frame, statuses, " answers ", answers.collect());
    let errors = view.failures.iter().map(|(kind, count)| format!("{:>10} {kind}", thousands(*count)));
    draw_list(frame, failures, " errors ", errors.collect());
}

fn gauges(view: &View) -> Vec<String> {
    let now = &view.now;
    let row = |name: &str, value: String| format!("{name:<18}{value:>16}");
    vec![
        row("users", thousands(now.users)),
        row("in flight", thousands(now.in_flight)),
        row("queue", thousands(now.queued)),
        row("rate asked", now.rate_asked_per_s.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", trimmed(rate)))),
        row("generator lag p99", show_ns(now.lag_p99_ns)),
        row("generator CPU", show_share(now.cpu_share)),
    ]
}

/// The first lines, and how many more there are.
fn draw_list(frame: &mut Frame<'_>, area: Rect, title: &str, mut lines: Vec<String>) {
    let block = Block::new().borders(Borders::TOP).title(title.to_owned());
    let room = usize::from(block.inner(area).height);
    if lines.len() > room && room > 0 {
        let hidden = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(format!("and {hidden} more"));
    }
    frame.render_widget(Paragraph::new(lines.join("\n")).block(block), area);
}

fn draw_help(frame: &mut Frame<'_>) {
    let width = HELP.iter().map(|line| line.len()).max().unwrap_or(0) as u16 + 4;
    let height = HELP.len() as u16 + 2;
    let area = frame.area().centered(Constraint::Length(width), Constraint::Length(height));
    frame.render_widget(Clear, area);
    let text = HELP.map(|line| format!(" {line}")).join("\n");
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title(" keys ")), area);
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::view::Now;
    use super::*;

    fn view() -> View {
        let quantiles = |ms: u64| Quantiles {
            p50_ns: Some(ms * 1_000_000),
            p95_ns: Some(ms * 3_000_000),
            p99_ns: Some(ms * 9_000_000),
        };
        let second = |at_s: u32| Second {
            at_s,
            succeeded: 990 + u64::from(at_s % 7) * 5,
            failed: u64::from(at_s.is_multiple_of(5)),
            latency: quantiles(1 + u64::from(at_s % 4)),
        };
        View {
            title: "GET http://127.0.0.1:8080/api/v1/products".to_owned(),
            model: "open, 1000/s uniform".to_owned(),
            elapsed: Duration::from_secs(65),
            of: Some(Duration::from_mins(2)),
            now: Now {
                sent: 65_012,
                answered: 65_000,
                failed: 13,
                not_sent: 0,
                in_flight: 12,
                queued: 0,
                users: 50,
                rate_asked_per_s: Some(1_000.0),
                lag_p99_ns: 1_350_000,
                cpu_share: 0.071,
            },
            seconds: (0..65).map(second).collect(),
            total: quantiles(2),
            statuses: [(200, 64_987), (503, 13)].into(),
            failures: vec![("status 5xx".to_owned(), 13)],
            ..View::default()
        }
    }

    fn screen(view: &View, (width, height): (u16, u16)) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        terminal
    }

    #[test]
    fn a_run_in_the_middle() {
        insta::assert_snapshot!(screen(&view(), (100, 24)).backend());
    }

    #[test]
    fn a_paused_run_with_its_keys_explained() {
        let paused = View { state: State::Paused, help: Help::Shown, remark: "paused".to_owned(), ..view() };
        insta::assert_snapshot!(screen(&paused, (100, 24)).backend());
    }

    #[test]
    fn a_closed_loop_before_its_first_second() {
        let young = View {
            model: "closed, 10 connections".to_owned(),
            of: None,
            now: Now::default(),
            elapsed: Duration::from_millis(300),
            seconds: vec![],
            total: Quantiles::default(),
            statuses: [].into(),
            failures: vec![],
            ..view()
        };
        insta::assert_snapshot!(screen(&young, (100, 24)).backend());
    }

    #[test]
    fn more_kinds_of_error_than_lines_are_counted() {
        let failures = (0..12).map(|kind| (format!("kind {kind}"), 12 - kind)).collect();
        insta::assert_snapshot!(screen(&View { failures, ..view() }, (100, 20)).backend());
    }

    #[test]
    fn no_terminal_is_too_small_or_too_large() {
        for size in [(1, 1), (10, 3), (20, 9), (80, 12), (300, 100)] {
            screen(&View { help: Help::Shown, ..view() }, size);
        }
    }

    #[test]
    fn a_second_of_which_nothing_is_known_is_a_gap() {
        let second = |at_s| Second { at_s, succeeded: 5, ..Second::default() };
        assert_eq!(series(&[second(3), second(5)], |second| second.succeeded), [0, 0, 0, 5, 0, 5]);
        assert_eq!(series(&[second(500)], |second| second.succeeded).len(), HISTORY_S);
    }
}
