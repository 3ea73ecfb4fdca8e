//! ab's two files: every request for gnuplot (`-g`), the percentages as CSV (`-e`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use stampede_engine::load::Sample;

use super::table::ms;
use super::times::{Times, waiting_ns};

/// Writes one tab-separated line per request, the quickest first.
pub(super) fn write_gnuplot(path: &str, samples: &[Sample], started: SystemTime) -> anyhow::Result<()> {
    let zone = TimeZone::system();
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by_key(|sample| sample.total_ns);
    write(path, |to| {
        writeln!(to, "starttime\tseconds\tctime\tdtime\tttime\twait")?;
        for sample in sorted {
            let at = Timestamp::try_from(started + Duration::from_nanos(sample.start_ns))?;
            let local = at.to_zoned(zone.clone());
            writeln!(
                to,
                "{}\t{}\t{}\t{}\t{}\t{}",
                local.strftime("%a %b %d %H:%M:%S %Y"),
                at.as_second(),
                ms(sample.connect_ns as f64),
                ms((sample.total_ns - sample.connect_ns.min(sample.total_ns)) as f64),
                ms(sample.total_ns as f64),
                ms(waiting_ns(sample) as f64)
            )?;
        }
        Ok(())
    })
}

/// Writes the time within which each percentage was served.
pub(super) fn write_csv(path: &str, times: &Times) -> anyhow::Result<()> {
    write(path, |to| {
        writeln!(to, "Percentage served,Time in ms")?;
        for percent in 0..=100 {
            let ns = match percent {
                0 => times.total.min(),
                100 => times.total.max(),
                _ => times.total.nearest(percent),
            };
            writeln!(to, "{percent},{:.3}", ns as f64 / 1e6)?;
        }
        Ok(())
    })
}

fn write(path: &str, lines: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let written = || -> anyhow::Result<()> {
        let mut to = BufWriter::new(File::create(path)?);
        lines(&mut to)?;
        Ok(to.flush()?)
    };
    written().with_context(|| format!("cannot write {path}"))
}
