//! The flags of `stampede doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stampede_engine::null_server::{Freeze, Habits, Spread};
use stampede_model::units::parse_duration;

use crate::exit;

/// Find out what this machine can measure, and see what tools without a schedule hide.
///
/// Looks at the machine, loads a server of its own that does nothing, names the rate up to which requests leave on time,
/// and shows what a server that stands still for two seconds looks like. Takes about 40 s; everything stays on this
/// machine. Exits with 5 when its measurements could not be trusted.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct DoctorArgs {
    /// Write what was found to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// How long each rate is tried.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_probe)]
    pub(crate) probe: Duration,

    /// Only the server that stands still.
    #[arg(long, conflicts_with = "no_stall")]
    pub(crate) stall: bool,

    /// Without the server that stands still.
    #[arg(long)]
    pub(crate) no_stall: bool,

    /// Be the server that does nothing: print a URL on this machine and answer until standard input ends; every line on
    /// it is answered by the number of requests so far and the CPU time in nanoseconds.
    #[arg(long, conflicts_with_all = ["json", "stall", "no_stall"], help_heading = "A server to measure against")]
    pub(crate) serve_null: bool,

    /// Time before each of its answers.
    #[arg(long, value_name = "TIME", requires = "serve_null", value_parser = parse_duration, help_heading = "A server to measure against")]
    pub(crate) delay: Option<Duration>,

    /// How that time varies: standard deviation of its logarithm; 0.3 makes the 99th percentile twice the median.
    #[arg(long, value_name = "SIGMA", requires = "delay", value_parser = parse_sigma, help_heading = "A server to measure against")]
    pub(crate) spread: Option<f64>,

    /// Where the dice of --spread start.
    #[arg(
        long,
        value_name = "N",
        requires = "spread",
        default_value_t = 1,
        help_heading = "A server to measure against"
    )]
    pub(crate) seed: u64,

    /// When it stands still, counted from its first request.
    #[arg(long, value_name = "TIME", requires = "freeze_for", value_parser = parse_duration, help_heading = "A server to measure against")]
    pub(crate) freeze_after: Option<Duration>,

    /// How long it stands still.
    #[arg(long, value_name = "TIME", requires = "serve_null", value_parser = parse_duration, help_heading = "A server to measure against")]
    pub(crate) freeze_for: Option<Duration>,
}

impl DoctorArgs {
    /// How the server that does nothing behaves.
    pub(super) fn habits(&self) -> Habits {
        let freeze = self.freeze_for.map(|lasting| Freeze { after: self.freeze_after.unwrap_or_default(), lasting });
        let spread = self.spread.map(|sigma| Spread { sigma, seed: self.seed });
        Habits { delay: self.delay.unwrap_or_default(), spread, freeze }
    }
}

/// The words that make another process the server with these habits.
pub(super) fn serving(habits: Habits) -> Vec<String> {
    let mut words = vec!["doctor".to_owned(), "--serve-null".to_owned()];
    let mut add = |flag: &str, time: Duration| words.extend([flag.to_owned(), format!("{}ns", time.as_nanos())]);
    if !habits.delay.is_zero() {
        add("--delay", habits.delay);
    }
    if let Some(Freeze { after, lasting }) = habits.freeze {
        add("--freeze-after", after);
        add("--freeze-for", lasting);
    }
    if let Some(Spread { sigma, seed }) = habits.spread {
        words.extend(["--spread".to_owned(), sigma.to_string(), "--seed".to_owned(), seed.to_string()]);
    }
    words
}

fn parse_sigma(text: &str) -> Result<f64, String> {
    let sigma: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (0.0..=2.0).contains(&sigma) { Ok(sigma) } else { Err(format!("{text} is not within 0 and 2")) }
}

/// Below a fifth of a second a probe at 1,000/s has too few requests for a 99th percentile.
fn parse_probe(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|error| error.to_string())?;
    let range = Duration::from_millis(200)..=Duration::from_mins(1);
    if range.contains(&time) { Ok(time) } else { Err(format!("{text} is not within 200ms and 1m")) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DoctorArgs,
    }

    #[test]
    fn the_words_for_a_server_give_its_habits_again() {
        let freeze = Some(Freeze { after: Duration::from_millis(1_500), lasting: Duration::from_secs(2) });
        let spread = Some(Spread { sigma: 0.25, seed: 7 });
        for habits in [Habits::default(), Habits { delay: Duration::from_micros(2_500), spread, freeze }] {
            let words = serving(habits);
            assert_eq!(words[0], "doctor");
            let line = Line::try_parse_from(&words).unwrap();
            assert!(line.args.serve_null);
            assert_eq!(line.args.habits(), habits);
        }
    }
}
