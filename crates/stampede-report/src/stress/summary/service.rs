//! How a service took the loss of its connections, or rising rates.

use std::fmt::Write;

use stampede_model::stress::StressRun;
use stampede_model::stress::pool::PoolRecord;
use stampede_model::stress::steps::StepsRecord;

use crate::stress::rows;

pub(super) fn render(run: &StressRun) -> String {
    let mut text = String::new();
    if let Some(record) = &run.pool {
        pool(&mut text, record);
    }
    if let Some(record) = &run.steps {
        steps(&mut text, record);
    }
    text
}

fn pool(text: &mut String, record: &PoolRecord) {
    let _infallible = writeln!(text, "{}", rows::held(record));
    for row in rows::phases(record) {
        let _infallible = write!(text, "{:<8}", row[0]);
        line(text, row[1..].iter().zip([8, 8, 8, 8, 10, 12, 12, 12]));
    }
    for phase in &record.phases {
        let _infallible = writeln!(text, "{:<8}{}", rows::phase_word(phase.phase), rows::ends(phase));
    }
    let _infallible = writeln!(text, "{}", rows::recovery(record));
}

fn steps(text: &mut String, record: &StepsRecord) {
    for (number, row) in rows::steps(record).iter().enumerate() {
        let Some((end, cells)) = row.split_last() else { continue };
        let mut start = String::new();
        line(&mut start, cells.iter().zip([10, 12, 12, 12, 12, 10]));
        let _infallible = writeln!(text, "{}", format!("{}  {end}", start.trim_end()).trim_end());
        let doubts = number.checked_sub(1).and_then(|place| record.steps.get(place)).map(|step| &step.trust.doubts);
        for doubt in doubts.into_iter().flatten() {
            let _infallible = writeln!(text, "{:>10}  not trustworthy: {doubt}", "");
        }
    }
    let _infallible = writeln!(text, "{}", rows::highest_held(record));
}

/// Cells to the right of columns so wide.
fn line<'a>(text: &mut String, cells: impl Iterator<Item = (&'a String, usize)>) {
    for (cell, width) in cells {
        let _infallible = write!(text, "{cell:>width$}");
    }
    text.push('\n');
}
