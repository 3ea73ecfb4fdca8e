//! What moved first before a figure rose: a hint where to look, and no proof of a cause.
//!
//! A figure has left its usual range when it is further from the median of its last calm points than they spread, and than its unit
//! makes worth a word. Of two figures that left theirs, the earlier may have moved the later.
//! Invariants: a range is made of calm points alone, so that a trouble does not become usual while it lasts; nothing later than the
//! rise, or long before it, is named. Absent on purpose: correlation. A minute has too few points for it.

use super::{Moment, MomentKind, Series, Timeline, Unit};
use crate::units::{show_ns, trimmed};

/// Calm points that make a range.
const REMEMBERED: usize = 30;
/// Calm points below which there is no range yet.
const FEWEST: usize = 4;
/// How many usual deviations are unusual.
const DEVIATIONS: f64 = 5.0;
/// Of normally spread figures, the standard deviation in median absolute deviations.
const SIGMA_PER_MAD: f64 = 1.4826;
/// Calm points in a row that end an excursion.
const CALM_AGAIN: u32 = 3;
/// How long before a rise something may have been its cause.
const BEFORE_NS: u64 = 10_000_000_000;
/// How many of those that moved are named.
const NAMED: usize = 3;

/// A time during which a series was out of its usual range.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Excursion {
    at_ns: u64,
    usual: f64,
    /// The furthest it came.
    most: f64,
}

/// For each rise of one series, what else had moved shortly before it.
pub fn hints(timeline: &Timeline, panel: &str, name: &str) -> Vec<Moment> {
    let Some(unit) = timeline.panels.iter().find(|one| one.title == panel).map(|one| one.unit) else {
        return Vec::new();
    };
    let Some(watched) = timeline.series(panel, name) else { return Vec::new() };
    let others: Vec<(&Series, Unit, Vec<Excursion>)> = timeline
        .panels
        .iter()
        .filter(|other| other.title != panel)
        .flat_map(|other| other.series.iter().map(|series| (series, other.unit, excursions(series, other.unit))))
        .collect();
    let rises = excursions(watched, unit).into_iter().filter(|rise| rise.most > rise.usual);
    rises.map(|rise| hint(timeline, (name, unit, rise), &others)).collect()
}

fn hint(
    timeline: &Timeline,
    (name, unit, rise): (&str, Unit, Excursion),
    others: &[(&Series, Unit, Vec<Excursion>)],
) -> Moment {
    let mut before: Vec<(&str, Unit, Excursion)> = others
        .iter()
        .flat_map(|(series, unit, all)| all.iter().map(|one| (series.name.as_str(), *unit, *one)))
        .filter(|(_, _, one)| one.at_ns <= rise.at_ns && one.at_ns + BEFORE_NS >= rise.at_ns)
        .collect();
    before.sort_by_key(|(_, _, one)| one.at_ns);
    before.truncate(NAMED);
    let during = match timeline.band_at(rise.at_ns) {
        Some(band) => format!(" during `{}`", band.name),
        None => String::new(),
    };
    let whole = format!("{name} rose from {} to {}{during}", shown(rise.usual, unit), shown(rise.most, unit));
    let at_ns = before.first().map_or(rise.at_ns, |(_, _, first)| first.at_ns);
    let moved: Vec<String> = before
        .iter()
        .map(|(name, unit, one)| {
            let when = match rise.at_ns - one.at_ns {
                0 => "in the same moment".to_owned(),
                ahead => format!("{} before", show_ns(ahead)),
            };
            format!("{name} from {} to {} ({when})", shown(one.usual, *unit), shown(one.most, *unit))
        })
        .collect();
    let text = if moved.is_empty() {
        format!("{whole}; nothing else that was looked at had moved")
    } else {
        format!("{whole}; what moved first: {}", moved.join(", "))
    };
    Moment { at_ns, text, kind: MomentKind::Hint }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns => show_ns(value.max(0.0) as u64),
        Unit::PerSecond => format!("{}/s", trimmed(value.round())),
        Unit::Count => trimmed(value.round()),
    }
}

/// The least change of a unit that is worth a word.
fn least(unit: Unit) -> f64 {
    match unit {
        Unit::Ns => 20e6,
        Unit::PerSecond => 2.0,
        Unit::Count => 3.0,
    }
}

fn excursions(series: &Series, unit: Unit) -> Vec<Excursion> {
    let mut found: Vec<Excursion> = Vec::new();
    let mut calm: Vec<f64> = Vec::new();
    // How many calm points since the last unusual one; `None` when no excursion is under way.
    let mut settling: Option<u32> = None;
    for (at_ns, value) in &series.points {
        let range = (calm.len() >= FEWEST).then(|| usual(&calm, unit));
        let left = range.filter(|(usual, spread)| (value - usual).abs() > *spread);
        let Some((usual, _)) = left else {
            calm.push(*value);
            if calm.len() > REMEMBERED {
                calm.remove(0);
            }
            settling = settling.map(|times| times + 1).filter(|times| *times < CALM_AGAIN);
            continue;
        };
        if settling.is_none() {
            found.push(Excursion { at_ns: *at_ns, usual, most: *value });
        } else if let Some(current) = found.last_mut()
            && (value - current.usual).abs() > (current.most - current.usual).abs()
        {
            current.most = *value;
        }
        settling = Some(0);
    }
    found
}

/// The middle of calm points, and how far from it is still usual.
fn usual(calm: &[f64], unit: Unit) -> (f64, f64) {
    let middle = median(calm.to_vec());
    let spread = median(calm.iter().map(|value| (value - middle).abs()).collect());
    (middle, (spread * SIGMA_PER_MAD * DEVIATIONS).max(middle.abs() * 0.5).max(least(unit)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::{Band, Panel};
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn series(name: &str, values: &[f64]) -> Series {
        let points = (0..).zip(values).map(|(second, value)| (second * SECOND, *value)).collect();
        Series { name: name.to_owned(), points }
    }

    fn timeline(p99_ms: &[f64], others: &[(&str, &[f64])]) -> Timeline {
        let p99: Vec<f64> = p99_ms.iter().map(|ms| ms * 1e6).collect();
        let latency = Panel { title: "latency".into(), unit: Unit::Ns, series: vec![series("p99", &p99)] };
        let counts = others.iter().map(|(name, values)| series(name, values)).collect();
        let counts = Panel { title: "postgres".into(), unit: Unit::Count, series: counts };
        let band = Band { name: "lock-table".into(), from_ns: 6 * SECOND, until_ns: 9 * SECOND, text: String::new() };
        Timeline { length_ns: 20 * SECOND, panels: vec![latency, counts], bands: vec![band], marks: Vec::new() }
    }

    #[test]
    fn who_moved_before_the_rise_is_named_first_and_who_moved_after_it_is_not() {
        let p99 = [5.0, 6.0, 5.0, 5.0, 6.0, 5.0, 5.0, 5.0, 900.0, 800.0, 6.0, 5.0];
        let waits = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 8.0, 8.0, 0.0, 0.0, 0.0];
        let active = [2.0, 2.0, 3.0, 2.0, 2.0, 2.0, 2.0, 9.0, 9.0, 2.0, 2.0, 2.0];
        let late = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 40.0, 1.0, 1.0];
        let all: [(&str, &[f64]); 3] = [("active", &active), ("lock waits", &waits), ("late", &late)];
        let hints = hints(&timeline(&p99, &all), "latency", "p99");
        assert_eq!(hints.len(), 1, "{hints:?}");
        let text = &hints[0].text;
        assert!(text.contains("p99 rose from 5.00 ms to 900 ms") && text.contains("during `lock-table`"), "{text}");
        let (first, second) = (text.find("lock waits from 0 to 8 (2.00 s before)"), text.find("active from 2 to 9"));
        assert!(first.is_some() && first < second && !text.contains("late"), "{text}");
        assert_eq!((hints[0].at_ns, hints[0].kind), (6 * SECOND, MomentKind::Hint));
    }

    #[test]
    fn a_rise_that_nothing_announced_says_so_and_a_noisy_figure_does_not_rise() {
        let p99 = [5.0, 6.0, 5.0, 5.0, 6.0, 5.0, 900.0, 5.0, 6.0, 5.0];
        let steady = [3.0; 10];
        let hints_of = |p99: &[f64]| hints(&timeline(p99, &[("active", &steady)]), "latency", "p99");
        let one = hints_of(&p99);
        assert!(one.len() == 1 && one[0].text.contains("nothing else"), "{one:?}");
        assert_eq!(one[0].at_ns, 6 * SECOND);
        let noisy = [100.0, 300.0, 150.0, 280.0, 120.0, 260.0, 320.0, 90.0, 310.0, 330.0];
        assert_eq!(hints_of(&noisy), []);
        assert_eq!(hints(&timeline(&p99, &[]), "latency", "p50"), []);
    }

    #[test]
    fn one_trouble_that_lasts_is_one_rise_and_the_next_is_another() {
        let mut values = vec![5.0; 8];
        values.extend([700.0; 40]);
        values.extend([5.0; 8]);
        values.extend([600.0; 2]);
        let found = excursions(&series("p99", &values.iter().map(|ms| ms * 1e6).collect::<Vec<_>>()), Unit::Ns);
        assert_eq!(found.iter().map(|one| one.at_ns / SECOND).collect::<Vec<_>>(), [8, 56]);
    }
}
