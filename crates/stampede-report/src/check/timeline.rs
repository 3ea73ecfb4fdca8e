//! The operations of a counterexample as bars of text, to scale, and as sentences.

use stampede_model::check::counterexample::{Counterexample, Part, Shown};
use stampede_model::units::show_ns;

use super::scale::Scale;
use super::words::since;
use crate::words::plain;

/// Columns of the bars.
const WIDTH: usize = 60;

/// The time in which a granted lock is held.
const HELD: char = '┈';

/// The marks of a bar: its ends, its middle, one that fits a single column, and the end of what never ended.
struct Look {
    first: char,
    middle: char,
    last: char,
    single: char,
    open: char,
}

const USUAL: Look = Look { first: '├', middle: '─', last: '┤', single: '│', open: '>' };
const IMPOSSIBLE: Look = Look { first: '╠', middle: '═', last: '╣', single: '║', open: '>' };

/// The bars under a ruler.
pub(super) fn bars(example: &Counterexample) -> Vec<String> {
    let Some(scale) = Scale::of(example) else { return Vec::new() };
    let names: Vec<String> = example.operations.iter().map(name).collect();
    let margin = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![format!("{:margin$}  {}", "", ruler(&scale)).trim_end().to_owned()];
    for (one, name) in example.operations.iter().zip(&names) {
        let Some(call_ns) = one.call_ns else { continue };
        let bar = bar(&scale, scale.span(call_ns, one.return_ns), one);
        let says = match one.part {
            Part::Impossible => "  <- impossible",
            Part::Contradicts | Part::Context => "",
        };
        lines.push(format!("{name:<margin$}  {bar}{says}").trim_end().to_owned());
    }
    if example.operations.iter().any(|one| one.held_until_ns.is_some()) {
        lines.push(format!("{:margin$}  {HELD} holds the lock", ""));
    }
    for cut in scale.cuts() {
        lines.push(format!("{:margin$}  ≈ {} in which none of these was under way", "", show_ns(cut.ns())));
    }
    lines
}

/// One sentence for each operation, with when and how long.
pub(super) fn sentences(example: &Counterexample) -> Vec<String> {
    let number = |one: &Shown| format!("#{}", one.id);
    let when: Vec<String> = example.operations.iter().map(|one| since(one, example)).collect();
    let numbers = example.operations.iter().map(|one| number(one).len()).max().unwrap_or(0);
    let whens = when.iter().map(|when| when.chars().count()).max().unwrap_or(0);
    let sentence = |(one, when): (&Shown, &String)| {
        let took = took(one).map_or(String::new(), |took| format!(" (took {took})"));
        let mark = if one.part == Part::Impossible { "✗" } else { " " };
        format!("{mark} {:<numbers$}  {when:>whens$}  {}{took}", number(one), plain(&one.sentence()))
    };
    example.operations.iter().zip(&when).map(sentence).collect()
}

/// How long an operation took.
pub(crate) fn took(one: &Shown) -> Option<String> {
    Some(show_ns(one.return_ns?.saturating_sub(one.call_ns?)))
}

fn name(one: &Shown) -> String {
    let mark = if one.part == Part::Impossible { "✗" } else { " " };
    format!("{mark} #{} {}", one.id, plain(&one.who))
}

/// The first moment to the left, the last to the right, cuts between.
fn ruler(scale: &Scale) -> String {
    let mut line = background(scale, '·');
    let end: Vec<char> = show_ns(scale.length_ns()).chars().collect();
    line[0] = '0';
    line.extend([' '].iter().chain(&end));
    line.into_iter().collect()
}

fn background(scale: &Scale, empty: char) -> Vec<char> {
    let mut line = vec![empty; WIDTH];
    for cut in scale.cuts() {
        line[column(cut.middle())] = '≈';
    }
    line
}

fn bar(scale: &Scale, (left, right): (f64, f64), one: &Shown) -> String {
    let look = if one.part == Part::Impossible { IMPOSSIBLE } else { USUAL };
    let (first, last) = (column(left), column(right));
    let mut line = background(scale, ' ');
    if let Some(held) = one.held_until_ns.map(|ns| column(scale.place(ns))).filter(|held| last < *held) {
        line[last..=held].fill(HELD);
    }
    line[first..=last].fill(look.middle);
    line[first] = look.first;
    line[last] = if one.return_ns.is_none() { look.open } else { look.last };
    if first == last {
        line[first] = look.single;
    }
    line.into_iter().collect()
}

fn column(place: f64) -> usize {
    // Places lie between 0 and 1.
    ((place * (WIDTH - 1) as f64).round() as usize).min(WIDTH - 1)
}
